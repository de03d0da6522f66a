// `dswarm watch`: its words and flags.
import { Option } from "commander";
import { wholeNumber } from "../flag-values.ts";
import type { WatchFlags } from "../watch.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `watch`. */
export const addWatch: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "watch [key]",
    description: "Follow the value under a key, or what happens in a running node, until Ctrl-C.",
    examples: ["watch", "watch --past 100 --json", "watch --rates --interval 5000", "watch KEY"],
  })
    .addOption(
      new Option("--interval <ms>", "time between two looks at the key, or between rates").argParser(
        wholeNumber(250, 60_000),
      ),
    )
    .addOption(
      new Option("--past <count>", "events of the past to show first").argParser(wholeNumber(0, 256)).default(0),
    )
    .option("--rates", "show how much goes on instead of events")
    .action((key: string | undefined, flags: WatchFlags) =>
      run(import("../watch.ts").then(({ watch }) => watch(key, flags, context))),
    );
