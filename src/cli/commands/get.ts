// `dswarm get`: its words and flags.
import { Option } from "commander";
import { given } from "../flag-values.ts";
import type { GetFlags } from "../get.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `get`. */
export const addGet: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "get <key>",
    description: "Get a value from the DHT.",
    examples: ["get '&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='", "get KEY --json", "get KEY > picture.png"],
  })
    .addOption(
      new Option("-o, --out <file>", "write the bytes of the value to a file; - is standard output").argParser(
        given("a path"),
      ),
    )
    .action((key: string, flags: GetFlags) => run(import("../get.ts").then(({ get }) => get(key, flags, context))));
