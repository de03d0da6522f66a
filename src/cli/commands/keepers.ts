// `dswarm keepers`: its words and flags.
import type { AskFlags } from "../ask-node.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `keepers`. */
export const addKeepers: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "keepers <key>",
    description: "Show the nodes closest to a key, and which of them keep records under it.",
    examples: ["keepers '&LPJNul+w'", "keepers '&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=' --json"],
  }).action((key: string, flags: AskFlags) =>
    run(import("../keepers.ts").then(({ keepers }) => keepers(key, flags, context))),
  );
