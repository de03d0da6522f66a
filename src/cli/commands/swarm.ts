// `dswarm swarm`: its words and flags.
import { Option } from "commander";
import { wholeNumber } from "../flag-values.ts";
import type { SwarmFlags } from "../swarm.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addNodeCommand } from "./node-command.ts";

/** Adds `swarm`. */
export const addSwarm: AddCommand = (program, context) =>
  void addNodeCommand(
    program,
    context,
    {
      usage: "swarm",
      description: "Run many nodes until Ctrl-C.",
      examples: ["swarm", "swarm --nodes 100", "swarm --nodes 3 --processes", "swarm --port 4001 --data-dir ~/.dswarm"],
    },
    "directory with a directory for each node: DIR/1, DIR/2, …",
  )
    .addOption(new Option("-n, --nodes <count>", "how many").argParser(wholeNumber(1, 1000)).default(10))
    .option("--processes", "each node in a process of its own")
    .action((flags: SwarmFlags) => run(import("../swarm.ts").then(({ swarm }) => swarm(flags, context))));
