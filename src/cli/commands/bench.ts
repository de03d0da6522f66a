// `dswarm bench`: its words and flags.
import { Option } from "commander";
import type { BenchFlags } from "../bench.ts";
import { wholeNumber } from "../flag-values.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `bench`. */
export const addBench: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "bench [peer]",
    description: "Measure small calls for a few seconds: to a peer, or between two nodes that it starts.",
    examples: ["bench", "bench 2 --seconds 10 --in-flight 64", "bench --json"],
  })
    .addOption(
      new Option("-s, --seconds <count>", "length of each of two measurements")
        .argParser(wholeNumber(1, 60))
        .default(3),
    )
    .addOption(
      new Option("--in-flight <count>", "calls at once in the second").argParser(wholeNumber(1, 1000)).default(64),
    )
    .action((peer: string | undefined, flags: BenchFlags) =>
      run(import("../bench.ts").then(({ bench }) => bench(peer, flags, context))),
    );
