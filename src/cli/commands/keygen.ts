// `dswarm keygen`: its words and flags.
import { Option } from "commander";
import { given } from "../flag-values.ts";
import type { KeygenFlags } from "../keygen.ts";
import { type AddCommand, addCommand, run } from "./add-command.ts";

/** Adds `keygen`. */
export const addKeygen: AddCommand = (program, context) =>
  void addCommand(program, context, {
    usage: "keygen",
    description: "Make a key and show its id.",
    examples: ["keygen", "keygen --out ~/.dswarm/key"],
  })
    .addOption(new Option("-o, --out <file>", "new file for the key, made with mode 0600").argParser(given("a path")))
    .option("--json", "print one JSON object")
    .action((flags: KeygenFlags) => run(import("../keygen.ts").then(({ keygen }) => keygen(flags, context))));
