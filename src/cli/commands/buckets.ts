// `dswarm buckets`: its words and flags.
import type { AskFlags } from "../ask-node.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `buckets`. */
export const addBuckets: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "buckets",
    description: "Show the routing table of a running node.",
    examples: ["buckets", "buckets --node 3"],
  }).action((flags: AskFlags) => run(import("../buckets.ts").then(({ buckets }) => buckets(flags, context))));
