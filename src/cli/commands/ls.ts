// `dswarm ls`: its words and flags.
import type { LsFlags } from "../ls.ts";
import { type AddCommand, addCommand, run } from "./add-command.ts";
import { certificateOption, tokenFileOption } from "./client-command.ts";

/** Adds `ls`. */
export const addLs: AddCommand = (program, context) =>
  void addCommand(program, context, {
    usage: "ls",
    description: "List your nodes that run on this machine, with the numbers that --node takes.",
    examples: ["ls", "ls --json | jq .url"],
  })
    .option("--node <node>", "list the nodes that were started together with this one, as it tells")
    .addOption(tokenFileOption())
    .addOption(certificateOption())
    .option("--json", "print one JSON object a line for each node; with --node one in all")
    .action((flags: LsFlags) => run(import("../ls.ts").then(({ ls }) => ls(flags, context))));
