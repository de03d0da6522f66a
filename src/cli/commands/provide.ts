// `dswarm provide` and `dswarm providers`: their words and flags.
import { Option } from "commander";
import { given } from "../flag-values.ts";
import type { ProvideFlags } from "../provide.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

function nameOption(): Option {
  return new Option("--name <name>", "a name instead of a key, for example a service's type name").argParser(
    given("a name"),
  );
}

/** Adds `provide`. */
export const addProvide: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "provide [key]",
    description: "Say in the DHT that the node provides something.",
    examples: [
      "provide --name pictures",
      "provide --name pictures --stop",
      "provide '&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='",
    ],
  })
    .addOption(nameOption())
    .option("--stop", "say that it does so no more")
    .action((key: string | undefined, flags: ProvideFlags) =>
      run(import("../provide.ts").then(({ provide }) => provide(key, flags, context))),
    );

/** Adds `providers`. */
export const addProviders: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "providers [key]",
    description: "Show who provides something, as the DHT knows it.",
    examples: ["providers --name pictures", "providers '&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=' --json"],
  })
    .addOption(nameOption())
    .action((key: string | undefined, flags: ProvideFlags) =>
      run(import("../provide.ts").then(({ providers }) => providers(key, flags, context))),
    );
