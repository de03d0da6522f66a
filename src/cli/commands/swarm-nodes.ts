// `dswarm add` and `dswarm stop`: their words and flags.
import type { AskFlags } from "../ask-node.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand, addNodeAccessCommand } from "./client-command.ts";

/** Adds `add`. */
export const addAdd: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "add",
    description: "Start one more node in a swarm that runs, with the flags of the others.",
    examples: ["add", "add --node 4001 --json"],
  }).action((flags: AskFlags) =>
    run(import("../swarm-nodes.ts").then(({ addSwarmNode }) => addSwarmNode(flags, context))),
  );

/** Adds `stop`. */
export const addStop: AddCommand = (program, context) =>
  void addNodeAccessCommand(program, context, {
    usage: "stop <node>",
    description: "Stop one node of a swarm that runs; the others go on. It is named as by --node.",
    examples: ["stop 3", "stop @yyHmJUZRN", "stop 127.0.0.1:4003"],
  }).action((node: string, flags: Omit<AskFlags, "node">) =>
    run(import("../swarm-nodes.ts").then(({ stopSwarmNode }) => stopSwarmNode(node, flags, context))),
  );
