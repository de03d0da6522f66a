// How a command is declared: its words, what it is for, examples. What it does is loaded when it runs, so that help and
// mistakes are answered at once.
import type { Command } from "commander";
import type { Context } from "../context.ts";

/** Adds one command to the program. */
export type AddCommand = (program: Command, context: Context) => void;

/** What there is to say of every command. */
export interface CommandText {
  /** Its name and its arguments: "ping [id...]". */
  readonly usage: string;
  readonly description: string;
  /** Command lines without the name of the program. */
  readonly examples: readonly string[];
}

/** Adds a command that has no flags yet. */
export function addCommand(
  program: Command,
  { programName }: Context,
  { usage, description, examples }: CommandText,
): Command {
  const [name] = usage.split(" ", 1);
  return program
    .command(usage)
    .description(description)
    .allowExcessArguments(false)
    .showHelpAfterError(`For help: ${programName} ${name} --help`)
    .addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${programName} ${line}`).join("\n")}`);
}

/** Runs what a command does, and ends with its exit code. */
export async function run(command: Promise<number>): Promise<void> {
  process.exitCode = await command;
}
