// Commands that ask a running node.
import { type Command, Option } from "commander";
import type { Context } from "../context.ts";
import { given } from "../flag-values.ts";
import { addCommand, type CommandText } from "./add-command.ts";

/** Adds a command with the flags of all that ask a running node. */
export function addClientCommand(program: Command, context: Context, text: CommandText): Command {
  return withAccess(addCommand(program, context, text).addOption(nodeOption()));
}

/** Adds a command that asks a running node, which its argument names. */
export function addNodeAccessCommand(program: Command, context: Context, text: CommandText): Command {
  return withAccess(addCommand(program, context, text));
}

function withAccess(command: Command): Command {
  return command
    .addOption(tokenFileOption())
    .addOption(certificateOption())
    .option("--json", "print the answer as one line of JSON");
}

/** The flag for the certificate of a node that "ls" does not list. */
export function certificateOption(): Option {
  return new Option("--cacert <file>", "certificate.pem of the node, to trust no other")
    .env("DSWARM_CACERT")
    .argParser(given("a path"));
}

/** The flag for the node that is asked. */
export function nodeOption(): Option {
  return new Option(
    "--node <node>",
    'number of "ls", port, HOST:PORT, dswarm://…, URL or @ID (default: the first)',
  ).env("DSWARM_NODE");
}

/** The flag for the token of a node that asks for one. */
export function tokenFileOption(): Option {
  return new Option("--token-file <file>", "file with the bearer token, of a node that asks for one")
    .env("DSWARM_TOKEN_FILE")
    .argParser(given("a path"));
}
