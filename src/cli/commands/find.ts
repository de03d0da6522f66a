// `dswarm find`: its words and flags.
import type { AskFlags } from "../ask-node.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `find`. */
export const addFind: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "find <peer>",
    description: "Find where a peer is reached: among the peers known, otherwise in the DHT.",
    examples: ["find @yyHmJUZRNS3L8YoeXrxs7qNHzR3C7uHY3lZgVK8rtVE="],
  }).action((peer: string, flags: AskFlags) =>
    run(import("../find.ts").then(({ find }) => find(peer, flags, context))),
  );
