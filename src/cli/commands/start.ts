// `dswarm start`: its words and flags.
import { Option } from "commander";
import { placeOf } from "../flag-values.ts";
import type { StartFlags } from "../start.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addNodeCommand } from "./node-command.ts";

/** Adds `start`. */
export const addStart: AddCommand = (program, context) =>
  void addNodeCommand(
    program,
    context,
    {
      usage: "start",
      description: "Run one node until Ctrl-C.",
      examples: [
        "start",
        "start --network my-swarm --data-dir ~/.dswarm",
        "start --host 0.0.0.0 --port 4242",
        "start --no-discovery --bootstrap dswarm://KEY@127.0.0.1:4242",
        "start --json | jq .",
      ],
    },
    "directory for what outlives the node, its key among it",
  )
    .option("--until-eof", "close when standard input ends, for programs that start a node")
    .addOption(new Option("--place <place>").argParser(placeOf).hideHelp())
    .action((flags: StartFlags) => run(import("../start.ts").then(({ start }) => start(flags, context))));
