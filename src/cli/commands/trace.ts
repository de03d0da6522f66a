// `dswarm trace`: its words and flags.
import type { AskFlags } from "../ask-node.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `trace`. */
export const addTrace: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "trace <key>",
    description: "Draw a lookup as it happens: who is asked, who answers, and how close each is.",
    examples: ["trace 5", "trace '&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='", "trace @yyHmJUZRN --json"],
  }).action((key: string, flags: AskFlags) =>
    run(import("../trace.ts").then(({ trace }) => trace(key, flags, context))),
  );
