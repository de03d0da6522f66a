// `dswarm records`: its words and flags.
import { Option } from "commander";
import { wholeNumber } from "../flag-values.ts";
import type { RecordsFlags } from "../records.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `records`. */
export const addRecords: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "records",
    description: "Show the records that a running node keeps for others, and those that it publishes.",
    examples: ["records", "records --limit 1000 --json"],
  })
    .addOption(new Option("-l, --limit <count>", "how many at most").argParser(wholeNumber(1, 1000)).default(100))
    .addOption(new Option("--after <id>", "go on after this one, as the page before says").default("", "the first"))
    .action((flags: RecordsFlags) => run(import("../records.ts").then(({ records }) => records(flags, context))));
