// `dswarm health`: its words and flags.
import type { AskFlags } from "../ask-node.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `health`. */
export const addHealth: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "health <peer> [service]",
    description: "Ask a peer whether it, or one of its services, can be called.",
    examples: ["health @yyHmJUZRN", "health 2 dswarm.v1.DhtService"],
  }).action((peer: string, service: string | undefined, flags: AskFlags) =>
    run(import("../health.ts").then(({ health }) => health(peer, service, flags, context))),
  );
