// The command line as a whole. Each command has a file in commands/ that says its words and flags, and one of the same name
// here that does what it is for.
import { Command, type OutputConfiguration } from "commander";
import { version } from "../util/version.ts";
import { exitCodes, usageLine } from "./cli-error.ts";
import type { AddCommand } from "./commands/add-command.ts";
import { addBench } from "./commands/bench.ts";
import { addBuckets } from "./commands/buckets.ts";
import { addCall } from "./commands/call.ts";
import { addCompletion } from "./commands/completion.ts";
import { addFind } from "./commands/find.ts";
import { addGet } from "./commands/get.ts";
import { addHealth } from "./commands/health.ts";
import { addKeepers } from "./commands/keepers.ts";
import { addKeygen } from "./commands/keygen.ts";
import { addLookup } from "./commands/lookup.ts";
import { addLs } from "./commands/ls.ts";
import { addPeers } from "./commands/peers.ts";
import { addPing } from "./commands/ping.ts";
import { addProvide, addProviders } from "./commands/provide.ts";
import { addPut } from "./commands/put.ts";
import { addRecords } from "./commands/records.ts";
import { addServices } from "./commands/services.ts";
import { addSim } from "./commands/sim.ts";
import { addStart } from "./commands/start.ts";
import { addStatus } from "./commands/status.ts";
import { addSwarm } from "./commands/swarm.ts";
import { addAdd, addStop } from "./commands/swarm-nodes.ts";
import { addTrace } from "./commands/trace.ts";
import { addDelete, addUpdate } from "./commands/update.ts";
import { addUrl } from "./commands/url.ts";
import { addWatch } from "./commands/watch.ts";
import type { Context } from "./context.ts";
import type { Terminal } from "./terminal.ts";
import { printable } from "./text.ts";

/** The commands as `--help` shows them: what they are about, and in which order. */
const groups: Readonly<Record<string, readonly AddCommand[]>> = {
  "Run nodes:": [addStart, addSwarm, addAdd, addStop],
  "Ask a running node:": [addLs, addUrl, addStatus, addPing, addPeers, addFind, addBuckets, addRecords, addWatch],
  "Use the DHT:": [addPut, addGet, addUpdate, addDelete, addProvide, addProviders, addKeepers, addLookup, addTrace],
  "Call a peer:": [addServices, addHealth, addCall],
  "Without a running node:": [addBench, addSim, addKeygen, addCompletion],
};

const maxHelpColumns = 80;

const exitCodeHelp = `
Exit codes:
  ${exitCodes.ok}    done; start, swarm, watch: ended by Ctrl-C or SIGTERM;
       all: nobody reads the output any more
  ${exitCodes.failure}    failed; ping, ls: not every one has answered;
       health: not serving; providers, keepers, lookup, trace: none is found
  ${exitCodes.usage}    a command, flag or value that is not known or not valid
  ${exitCodes.interrupted}  Ctrl-C before the end; start, swarm: a second one, ended at once`;

/**
 * All commands. They write through the context and set `process.exitCode`. `parseAsync` rejects with what a command fails
 * with, or with CommanderError when there is no command to run.
 */
export function createProgram(context: Context): Command {
  const { programName } = context;
  const program = new Command(programName)
    .description("Typed RPC between peers named by their public keys, and a Kademlia DHT to play with on one machine.")
    .version(version)
    .exitOverride()
    .enablePositionalOptions()
    .helpCommand(false)
    .configureOutput(outputOf(context))
    .configureHelp({ showGlobalOptions: false, minWidthToWrap: 20 })
    .addHelpText("after", `${exitCodeHelp}\n\nMore on a command: ${programName} help COMMAND`)
    .showHelpAfterError(`For help: ${programName} --help`);
  for (const [heading, commands] of Object.entries(groups)) {
    program.commandsGroup(heading);
    for (const add of commands) add(program, context);
  }
  program.commandsGroup("Commands:");
  program
    .command("help [command]")
    .description("Show what a command does, and its flags.")
    .action((name: string | undefined) => showHelp(program, name));
  return program;
}

function outputOf({ stdout, stderr }: Context): OutputConfiguration {
  const isJson = process.argv.includes("--json");
  return {
    getOutHelpWidth: () => helpWidth(stdout),
    getErrHelpWidth: () => helpWidth(stderr),
    // A program reads one line, and no help.
    ...(isJson && {
      writeErr: () => undefined,
      outputError: (text: string) => void process.stderr.write(usageLine(text)),
    }),
  };
}

/** @throws CommanderError, as commander ends with it */
function showHelp(program: Command, name: string | undefined): never {
  if (name === undefined) return program.help();
  const command = program.commands.find((each) => each.name() === name);
  return command?.help() ?? program.error(`error: unknown command '${printable(name)}'`);
}

/** Longer lines are hard to read, and where there is no terminal the help is the same everywhere. */
function helpWidth({ columns }: Terminal): number {
  return Math.min(columns, maxHelpColumns);
}
