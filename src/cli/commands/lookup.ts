// `dswarm lookup`: its words and flags.
import type { AskFlags } from "../ask-node.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `lookup`. */
export const addLookup: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "lookup <key>",
    description: "Find the nodes closest to a key or a node.",
    examples: [
      "lookup 3",
      "lookup '&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='",
      "lookup @yyHmJUZRNS3L8YoeXrxs7qNHzR3C7uHY3lZgVK8rtVE=",
    ],
  }).action((key: string, flags: AskFlags) =>
    run(import("../lookup.ts").then(({ lookup }) => lookup(key, flags, context))),
  );
