// Commands that run nodes.
import { type Command, Option } from "commander";
import type { Context } from "../context.ts";
import { given, nonEmpty, repeated, wholeNumber } from "../flag-values.ts";
import { flagDefaults, logLevels } from "../node-flags.ts";
import { addCommand, type CommandText } from "./add-command.ts";

/**
 * Adds a command with the flags of all that run nodes.
 * @param dataDirText what the data directory is
 */
export function addNodeCommand(program: Command, context: Context, text: CommandText, dataDirText: string): Command {
  return addCommand(program, context, text)
    .addOption(
      new Option("--network <name>", "nodes of other networks are not seen")
        .argParser(nonEmpty)
        .default(flagDefaults.network, flagDefaults.network),
    )
    .addOption(
      new Option("--host <host>", "where to listen: IPv4 address, ::1, interface, 0.0.0.0 for all")
        .argParser(nonEmpty)
        .default(flagDefaults.host, flagDefaults.host),
    )
    .addOption(
      new Option("--port <port>", "TCP port; of a swarm the first of as many as nodes")
        .argParser(wholeNumber(0, 65_535))
        .default(flagDefaults.port, "a free one"),
    )
    .addOption(
      new Option(
        "--http-port <port>",
        "port of 127.0.0.1 with the API and dashboard without TLS, for browsers; 0 is a free one (default: none)",
      ).argParser(wholeNumber(0, 65_535)),
    )
    .addOption(
      new Option("--token-file <file>", "the API asks for the bearer token in it, and answers any address").argParser(
        given("a path"),
      ),
    )
    .addOption(new Option("--data-dir <dir>", `${dataDirText} (default: none, new keys)`).argParser(given("a path")))
    .option("--replace-damaged", "start without records if nothing in a damaged database can be read")
    .addOption(
      new Option("--bootstrap <address>", "dswarm://KEY@HOST:PORT to connect to; may be repeated")
        .argParser(repeated)
        .default([], "none"),
    )
    .option("--no-discovery", "neither announce nor listen on the multicast group")
    .addOption(
      new Option("--udp-port <port>", "UDP port of the multicast group (default: 25519)").argParser(
        wholeNumber(1, 65_535),
      ),
    )
    .addOption(
      new Option("--log-level <level>", "what to tell on stderr")
        .choices(logLevels)
        .default("warn" satisfies (typeof logLevels)[number], "warn"),
    )
    .option("--json", "print events as JSON, one object a line");
}
