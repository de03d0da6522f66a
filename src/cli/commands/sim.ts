// `dswarm sim`: its words and flags.
import { Option } from "commander";
import { given, wholeNumber } from "../flag-values.ts";
import type { SimFlags } from "../sim.ts";
import { type AddCommand, addCommand, run } from "./add-command.ts";

/** Adds `sim`. */
export const addSim: AddCommand = (program, context) =>
  void addCommand(program, context, {
    usage: "sim",
    description: "Simulate a DHT of many nodes on virtual time, and show how it does.",
    examples: [
      "sim",
      "sim --nodes 10000 --seed 7",
      "sim --nodes 1000 --dead 30",
      "sim --nodes 200 --churn 24 --puts 1000 --put-during --csv churn.csv",
    ],
  })
    .addOption(new Option("-n, --nodes <count>", "how many").argParser(wholeNumber(1, 100_000)).default(1000))
    .addOption(
      new Option("--seed <seed>", "the same gives the same run").argParser(wholeNumber(0, 4_294_967_295)).default(1),
    )
    .addOption(
      new Option(
        "--form <how>",
        "nodes join one another, or start with ideal tables (default: join up to 2000 nodes)",
      ).choices(["join", "ideal"]),
    )
    .addOption(new Option("--lookups <count>", "lookups to make").argParser(wholeNumber(0, 1_000_000)).default(200))
    .addOption(new Option("--puts <count>", "values to put").argParser(wholeNumber(0, 1_000_000)).default(50))
    .addOption(new Option("--put-during", "put while nodes come and go or lie, spread over the time, and not before"))
    .addOption(
      new Option("--gets <count>", "values to get (default: as many as puts)").argParser(wholeNumber(0, 1_000_000)),
    )
    .addOption(new Option("--latency <ms>", "median of one way").argParser(wholeNumber(1, 60_000)).default(20))
    .addOption(new Option("--loss <percent>", "messages that are lost").argParser(wholeNumber(0, 99)).default(0))
    .addOption(
      new Option("--dead <percent>", "nodes that die before the measuring").argParser(wholeNumber(0, 99)).default(0),
    )
    .addOption(new Option("--liars <percent>", "nodes that misbehave").argParser(wholeNumber(0, 99)).default(0))
    .addOption(
      new Option("--lie <how>", "what they do")
        .choices(["dead-contacts", "own-contacts", "wrong-values", "oversized", "silent", "flood"])
        .default("own-contacts"),
    )
    .addOption(
      new Option("--churn <hours>", "nodes come and go for so long").argParser(wholeNumber(0, 10_000)).default(0),
    )
    .addOption(
      new Option("--session <minutes>", "median session under churn").argParser(wholeNumber(1, 100_000)).default(60),
    )
    .addOption(
      new Option("--partition <minutes>", "the network is in two halves for so long")
        .argParser(wholeNumber(0, 100_000))
        .default(0),
    )
    .addOption(
      new Option("-k <count>", "contacts of a bucket, and replicas").argParser(wholeNumber(1, 1024)).default(20),
    )
    .addOption(new Option("--alpha <count>", "queries at once").argParser(wholeNumber(1, 64)).default(3))
    .addOption(new Option("--paths <count>", "disjoint paths of a lookup").argParser(wholeNumber(1, 16)).default(1))
    .addOption(
      new Option("--csv <file>", "write the CSV to a file instead of below the table").argParser(given("a path")),
    )
    .option("--json", "print the report as one line of JSON")
    .action((flags: SimFlags) => run(import("../sim.ts").then(({ sim }) => sim(flags, context))));
