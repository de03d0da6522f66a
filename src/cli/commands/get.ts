// `dswarm get`: its words and flags.
import type { AskFlags } from "../ask-node.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `get`. */
export const addGet: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "get <key>",
    description: "Get a value from the DHT.",
    examples: [
      "get '&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='",
      "get 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 --json",
    ],
  }).action((key: string, flags: AskFlags) => run(import("../get.ts").then(({ get }) => get(key, flags, context))));
