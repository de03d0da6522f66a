// `dswarm ping`: its words and flags.
import { Option } from "commander";
import { wholeNumber } from "../flag-values.ts";
import type { PingFlags } from "../ping.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `ping`. */
export const addPing: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "ping [peer...]",
    description: "Let a running node ping its closest peers, or those named.",
    examples: ["ping", "ping --node 3 --count 20", "ping @yyHmJUZRN 2"],
  })
    .addOption(new Option("-c, --count <count>", "how many of the closest").argParser(wholeNumber(1, 20)).default(3))
    .addOption(
      new Option("-t, --timeout <ms>", "time for each ping").argParser(wholeNumber(1, 60_000)).default(3000, "3000 ms"),
    )
    .action((peers: readonly string[], flags: PingFlags) =>
      run(import("../ping.ts").then(({ ping }) => ping(peers, flags, context))),
    );
