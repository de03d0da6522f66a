// `dswarm put`: its words and flags.
import type { AskFlags } from "../ask-node.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `put`. */
export const addPut: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "put <value>",
    description: "Publish a value in the DHT; - reads it from standard input.",
    examples: ["put hello", "put - < picture.png", "put hello --json"],
  }).action((value: string, flags: AskFlags) => run(import("../put.ts").then(({ put }) => put(value, flags, context))));
