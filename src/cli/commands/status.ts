// `dswarm status`: its words and flags.
import type { StatusFlags } from "../status.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `status`. */
export const addStatus: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "status",
    description: "Show who a running node is and how it is doing.",
    examples: ["status", "status --node 3 --counters"],
  })
    .option("--counters", "show all that it has counted since it was started, too")
    .action((flags: StatusFlags) => run(import("../status.ts").then(({ status }) => status(flags, context))));
