// `dswarm put`: its words and flags.
import { Option } from "commander";
import { given } from "../flag-values.ts";
import type { PutFlags } from "../put.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `put`. */
export const addPut: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "put [value]",
    description: "Publish a value in the DHT; - reads it from standard input.",
    examples: ["put hello", "put --file picture.png", "put - < picture.png", "put hello --json"],
  })
    .addOption(new Option("-f, --file <file>", "read the value from a file").argParser(given("a path")))
    .action((value: string | undefined, flags: PutFlags) =>
      run(import("../put.ts").then(({ put }) => put(value, flags, context))),
    );
