// `dswarm update` and `dswarm delete`: their words and flags.
import { type Command, Option } from "commander";
import { given, wholeNumber } from "../flag-values.ts";
import type { UpdateFlags } from "../update.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `update`. */
export const addUpdate: AddCommand = (program, context) =>
  void addUpdateFlags(
    addClientCommand(program, context, {
      usage: "update [value]",
      description: "Publish a value under the node's own key, in place of the one before.",
      examples: ["update 'version 2'", "update --salt news --file news.txt", "update --expect 1 'version 2'"],
    }),
  )
    .addOption(new Option("-f, --file <file>", "read the value from a file").argParser(given("a path")))
    .action((value: string | undefined, flags: UpdateFlags & { readonly file?: string }) =>
      run(import("../update.ts").then(({ update }) => update(value, flags, context))),
    );

/** Adds `delete`. */
export const addDelete: AddCommand = (program, context) =>
  void addUpdateFlags(
    addClientCommand(program, context, {
      usage: "delete",
      description: "Delete what update has published.",
      examples: ["delete", "delete --salt news"],
    }),
  ).action((flags: UpdateFlags) => run(import("../update.ts").then(({ deleteValue }) => deleteValue(flags, context))));

function addUpdateFlags(command: Command): Command {
  return command
    .addOption(new Option("--salt <text>", "tells apart the values of one node").default("", "none"))
    .addOption(
      new Option("--expect <sequence>", "only if this is the sequence now").argParser(
        wholeNumber(0, Number.MAX_SAFE_INTEGER),
      ),
    );
}
