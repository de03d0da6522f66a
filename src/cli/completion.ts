// Shell completion: the script that a shell reads, which asks `dswarm complete` at each press of the Tab key, and the answer, made
// from the program's own commands. The words typed so far are arguments and never evaluated: Tab runs nothing that stands there.
import type { Argument, Command, Option } from "commander";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { type RunningNode, RuntimeFiles } from "./runtime-files.ts";
import { printable, shortId } from "./text.ts";

/** A shell that there is a script for. */
export type Shell = "bash" | "zsh" | "fish";

/** What may stand in a place. */
interface Candidate {
  readonly word: string;
  readonly text: string;
}

const scripts: Readonly<Record<Shell, string>> = {
  bash: `# Completes the commands and flags of dswarm in bash.
_dswarm() {
  local IFS=$'\\n'
  COMPREPLY=($(dswarm complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
# Where nothing is found bash completes names of files.
complete -o default -F _dswarm dswarm`,
  zsh: `#compdef dswarm
# Completes the commands and flags of dswarm in zsh.
_dswarm() {
  local -a found
  found=(\${(f)"$(dswarm complete --style zsh -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#found} )); then _describe dswarm found; else _files; fi
}
if [ "$funcstack[1]" = _dswarm ]; then _dswarm "$@"; else compdef _dswarm dswarm; fi`,
  fish: `# Completes the commands and flags of dswarm in fish.
function __dswarm_complete
  set -l words (commandline -opc)
  dswarm complete --style fish -- $words[2..] (commandline -ct) 2>/dev/null
end
complete -c dswarm -f -a '(__dswarm_complete)'`,
};

/** Prints the script for a shell. Returns the exit code. */
export function completion(shell: Shell, program: Command, { stdout }: Context): number {
  stdout.line(scripts[shell]);
  // Fish completes names of files only where it is told to.
  if (shell === "fish") for (const flag of fileFlags(program)) stdout.line(`complete -c dswarm -l ${flag} -rF`);
  return exitCodes.ok;
}

/**
 * Prints what may stand in place of the last of some words, a line each. Returns the exit code.
 * @param words the command line without the name of the program
 * @param style zsh and fish show a text beside each
 */
export function complete(words: readonly string[], style: Shell, program: Command, { stdout }: Context): number {
  for (const { word, text } of candidates(words, program)) {
    if (style === "bash" || text === "") stdout.line(style === "zsh" ? word.replaceAll(":", "\\:") : word);
    else if (style === "fish") stdout.line(`${word}\t${printable(text)}`);
    else stdout.line(`${word.replaceAll(":", "\\:")}:${printable(text)}`);
  }
  return exitCodes.ok;
}

/** What may stand in place of the last of some words. */
function candidates(words: readonly string[], program: Command): Candidate[] {
  // Bash takes "--node=1" for three words.
  const typed = words.filter((word, i) => word !== "=" || i === words.length - 1);
  const [first = "", ...rest] = typed;
  const start = typed.at(-1)?.replace(/^=$/, "") ?? "";
  const commands = program.createHelp().visibleCommands(program);
  const named = commands.find((command) => command.name() === first);
  const found = typed.length <= 1 ? wordsOf(commands) : wordsIn(named, rest, commands);
  return found.filter(({ word }) => word.startsWith(start));
}

function wordsOf(commands: readonly Command[]): Candidate[] {
  return commands.map((command) => ({ word: command.name(), text: command.description() }));
}

/** @param words what follows the command's name, the one that is completed included */
function wordsIn(command: Command | undefined, words: readonly string[], commands: readonly Command[]): Candidate[] {
  if (command === undefined) return [];
  const options = command.createHelp().visibleOptions(command);
  const optionOf = (word: string | undefined): Option | undefined =>
    options.find(({ long, short }) => word !== undefined && [long, short].includes(word));
  const [last = ""] = words.slice(-1);
  const before = optionOf(words.at(-2));
  if (before !== undefined && takesValue(before)) return valuesOf(before.name(), before.argChoices);
  if (last.startsWith("-")) {
    return options.map(({ long, short, description }) => ({ word: long ?? short ?? "", text: description }));
  }
  const operands = words.slice(0, -1).filter((word, i, all) => {
    const flag = optionOf(all[i - 1]);
    return !word.startsWith("-") && (flag === undefined || !takesValue(flag));
  });
  const argument = argumentAt(command, operands.length);
  if (argument === undefined) return [];
  return argument.name() === "command" ? wordsOf(commands) : valuesOf(argument.name(), argument.argChoices);
}

function argumentAt({ registeredArguments }: Command, place: number): Argument | undefined {
  const last = registeredArguments.at(-1);
  return registeredArguments[place] ?? (last?.variadic === true ? last : undefined);
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

/** Words that are known of the values of a flag or an argument. */
function valuesOf(name: string, choices: Option["argChoices"]): Candidate[] {
  if (choices !== undefined) return choices.map((word) => ({ word, text: "" }));
  if (name !== "node" && name !== "peer") return [];
  return runningNodes().map(({ id, port, number }) => ({ word: `${number}`, text: `${shortId(id)} on port ${port}` }));
}

function runningNodes(): readonly RunningNode[] {
  try {
    return RuntimeFiles.open().list();
  } catch {
    // In the middle of a command line is no place to tell of it; the command will.
    return [];
  }
}

/** The long flags whose values are files or directories. */
function fileFlags(program: Command): string[] {
  const names = program.commands.flatMap(({ options }) =>
    options.filter(({ flags }) => /<(?:file|dir)>/.test(flags)).map((option) => option.long?.slice(2) ?? ""),
  );
  return [...new Set(names)];
}
