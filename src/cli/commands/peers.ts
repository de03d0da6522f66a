// `dswarm peers`: its words and flags.
import { Option } from "commander";
import { wholeNumber } from "../flag-values.ts";
import type { PeersFlags } from "../peers.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `peers`. */
export const addPeers: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "peers",
    description: "Show the peers that a running node knows, the closest first.",
    examples: ["peers", "peers --node 3", "peers --node https://localhost:4242 --json"],
  })
    .addOption(
      new Option("-l, --limit <count>", "how many at most").argParser(wholeNumber(1, 1_000_000)).default(0, "all"),
    )
    .action((flags: PeersFlags) => run(import("../peers.ts").then(({ peers }) => peers(flags, context))));
