// The commands and their flags. What a command does is loaded when it runs: help and mistakes are answered at once.
import { Command, Option } from "commander";
import { version } from "../util/version.ts";
import type { AskFlags } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { nonEmpty, placeOf, repeated, wholeNumber } from "./flag-values.ts";
import type { KeygenFlags } from "./keygen.ts";
import { flagDefaults, logLevels } from "./node-flags.ts";
import type { PeersFlags } from "./peers.ts";
import type { PingFlags } from "./ping.ts";
import type { ProvideFlags } from "./provide.ts";
import type { SimFlags } from "./sim.ts";
import type { StartFlags } from "./start.ts";
import type { SwarmFlags } from "./swarm.ts";
import type { UpdateFlags } from "./update.ts";

const exitCodeHelp = `
Exit codes:
  ${exitCodes.ok}    done; start and swarm: closed on Ctrl-C, SIGTERM, or when nobody reads the output
  ${exitCodes.failure}    failed; ping: not every peer has answered; providers, lookup: none is found
  ${exitCodes.usage}    a command, flag or value that is not known or not valid
  ${exitCodes.interrupted}  a second Ctrl-C: ended at once`;

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
    .configureHelp({ showGlobalOptions: false })
    .addHelpText("after", `${exitCodeHelp}\n\nMore on a command: ${programName} help COMMAND`)
    .showHelpAfterError(`For help: ${programName} --help`);

  const addCommand = (name: string, description: string, examples: readonly string[]): Command =>
    program
      .command(name)
      .description(description)
      .allowExcessArguments(false)
      .showHelpAfterError(`For help: ${programName} ${name.split(" ", 1)[0]} --help`)
      .addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${programName} ${line}`).join("\n")}`);

  addNodeFlags(
    addCommand("start", "Run one node until Ctrl-C.", [
      "start",
      "start --network my-swarm --data-dir ~/.dswarm",
      "start --host 0.0.0.0 --port 4242",
      "start --no-discovery --bootstrap dswarm://KEY@127.0.0.1:4242",
      "start --json | jq .",
    ]),
    "directory for what outlives the node, its key among it",
  )
    .option("--until-eof", "close when standard input ends, for programs that start a node")
    .addOption(new Option("--place <place>").argParser(placeOf).hideHelp())
    .action((flags: StartFlags) => run(import("./start.ts").then(({ start }) => start(flags, context))));

  addNodeFlags(
    addCommand("swarm", "Run many nodes until Ctrl-C.", [
      "swarm",
      "swarm --nodes 100",
      "swarm --nodes 3 --processes",
      "swarm --port 4001 --data-dir ~/.dswarm",
    ]),
    "directory with a directory for each node: DIR/1, DIR/2, …",
  )
    .addOption(new Option("-n, --nodes <count>", "how many").argParser(wholeNumber(1, 1000)).default(10))
    .option("--processes", "each node in a process of its own")
    .action((flags: SwarmFlags) => run(import("./swarm.ts").then(({ swarm }) => swarm(flags, context))));

  addClientFlags(
    addCommand("ping [id...]", "Let a running node ping its closest peers, or those named.", [
      "ping",
      "ping --node 3 --count 20",
      "ping @yyHmJUZRNS3L8YoeXrxs7qNHzR3C7uHY3lZgVK8rtVE=",
    ]),
  )
    .addOption(new Option("-c, --count <count>", "how many of the closest").argParser(wholeNumber(1, 20)).default(3))
    .addOption(
      new Option("-t, --timeout <ms>", "time for each ping").argParser(wholeNumber(1, 60_000)).default(3000, "3000 ms"),
    )
    .action((ids: readonly string[], flags: PingFlags) =>
      run(import("./ping.ts").then(({ ping }) => ping(ids, flags, context))),
    );

  addClientFlags(
    addCommand("peers", "Show the peers that a running node knows, the closest first.", [
      "peers",
      "peers --node 3",
      "peers --node https://localhost:4242 --json",
    ]),
  )
    .addOption(
      new Option("-l, --limit <count>", "how many at most").argParser(wholeNumber(1, 1_000_000)).default(0, "all"),
    )
    .action((flags: PeersFlags) => run(import("./peers.ts").then(({ peers }) => peers(flags, context))));

  addClientFlags(
    addCommand("put <value>", "Publish a value in the DHT; - reads it from standard input.", [
      "put hello",
      "put - < picture.png",
      "put hello --json",
    ]),
  ).action((value: string, flags: AskFlags) => run(import("./put.ts").then(({ put }) => put(value, flags, context))));

  addClientFlags(
    addCommand("get <key>", "Get a value from the DHT.", [
      "get '&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='",
      "get 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 --json",
    ]),
  ).action((key: string, flags: AskFlags) => run(import("./get.ts").then(({ get }) => get(key, flags, context))));

  addUpdateFlags(
    addCommand("update <value>", "Publish a value under the node's own key, in place of the one before.", [
      "update 'version 2'",
      "update --salt news - < news.txt",
      "update --expect 1 'version 2'",
    ]),
  ).action((value: string, flags: UpdateFlags) =>
    run(import("./update.ts").then(({ update }) => update(value, flags, context))),
  );

  addUpdateFlags(addCommand("delete", "Delete what update has published.", ["delete", "delete --salt news"])).action(
    (flags: UpdateFlags) => run(import("./update.ts").then(({ deleteValue }) => deleteValue(flags, context))),
  );

  addClientFlags(
    addCommand("provide [key]", "Say in the DHT that the node provides something.", [
      "provide --name pictures",
      "provide --name pictures --stop",
      "provide '&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='",
    ]),
  )
    .option("--name <name>", "a name instead of a key, for example a service's type name")
    .option("--stop", "say that it does so no more")
    .action((key: string | undefined, flags: ProvideFlags) =>
      run(import("./provide.ts").then(({ provide }) => provide(key, flags, context))),
    );

  addClientFlags(
    addCommand("providers [key]", "Show who provides something, as the DHT knows it.", [
      "providers --name pictures",
      "providers '&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=' --json",
    ]),
  )
    .option("--name <name>", "a name instead of a key, for example a service's type name")
    .action((key: string | undefined, flags: ProvideFlags) =>
      run(import("./provide.ts").then(({ providers }) => providers(key, flags, context))),
    );

  addClientFlags(
    addCommand("lookup <key>", "Find the nodes closest to a key or a node.", [
      "lookup '&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='",
      "lookup @yyHmJUZRNS3L8YoeXrxs7qNHzR3C7uHY3lZgVK8rtVE=",
    ]),
  ).action((key: string, flags: AskFlags) =>
    run(import("./lookup.ts").then(({ lookup }) => lookup(key, flags, context))),
  );

  addClientFlags(
    addCommand("buckets", "Show the routing table of a running node.", ["buckets", "buckets --node 3"]),
  ).action((flags: AskFlags) => run(import("./buckets.ts").then(({ buckets }) => buckets(flags, context))));

  addCommand("sim", "Simulate a DHT of many nodes on virtual time, and show how it does.", [
    "sim",
    "sim --nodes 10000 --seed 7",
    "sim --nodes 1000 --dead 30",
    "sim --nodes 200 --churn 24 --puts 100 --csv churn.csv",
  ])
    .addOption(new Option("-n, --nodes <count>", "how many").argParser(wholeNumber(1, 100_000)).default(1000))
    .addOption(
      new Option("--seed <seed>", "the same gives the same run").argParser(wholeNumber(0, 4_294_967_295)).default(1),
    )
    .addOption(
      new Option(
        "--form <how>",
        "nodes join one another, or start with ideal tables (default: join up to 2000 nodes)",
      ).choices(["join", "ideal"]),
    )
    .addOption(new Option("--lookups <count>", "lookups to make").argParser(wholeNumber(0, 1_000_000)).default(200))
    .addOption(new Option("--puts <count>", "values to put").argParser(wholeNumber(0, 1_000_000)).default(50))
    .addOption(
      new Option("--gets <count>", "values to get (default: as many as puts)").argParser(wholeNumber(0, 1_000_000)),
    )
    .addOption(new Option("--latency <ms>", "median of one way").argParser(wholeNumber(1, 60_000)).default(20))
    .addOption(new Option("--loss <percent>", "messages that are lost").argParser(wholeNumber(0, 99)).default(0))
    .addOption(
      new Option("--dead <percent>", "nodes that die before the measuring").argParser(wholeNumber(0, 99)).default(0),
    )
    .addOption(new Option("--liars <percent>", "nodes that answer wrongly").argParser(wholeNumber(0, 99)).default(0))
    .addOption(
      new Option("--lie <how>", "what they do")
        .choices(["dead-contacts", "own-contacts", "wrong-values", "oversized", "silent"])
        .default("own-contacts"),
    )
    .addOption(
      new Option("--churn <hours>", "nodes come and go for so long").argParser(wholeNumber(0, 10_000)).default(0),
    )
    .addOption(
      new Option("--session <minutes>", "median session under churn").argParser(wholeNumber(1, 100_000)).default(60),
    )
    .addOption(
      new Option("--partition <minutes>", "the network is in two halves for so long")
        .argParser(wholeNumber(0, 100_000))
        .default(0),
    )
    .addOption(
      new Option("-k <count>", "contacts of a bucket, and replicas").argParser(wholeNumber(1, 1024)).default(20),
    )
    .addOption(new Option("--alpha <count>", "queries at once").argParser(wholeNumber(1, 64)).default(3))
    .addOption(new Option("--paths <count>", "disjoint paths of a lookup").argParser(wholeNumber(1, 16)).default(1))
    .option("--csv <file>", "write the CSV to a file instead of below the table")
    .option("--json", "print the report as one line of JSON")
    .action((flags: SimFlags) => run(import("./sim.ts").then(({ sim }) => sim(flags, context))));

  addCommand("keygen", "Make a key and show its id.", ["keygen", "keygen --out ~/.dswarm/key"])
    .option("-o, --out <file>", "new file for the key, made with mode 0600")
    .option("--json", "print one JSON object")
    .action((flags: KeygenFlags) => run(import("./keygen.ts").then(({ keygen }) => keygen(flags, context))));

  return program;
}

async function run(command: Promise<number>): Promise<void> {
  process.exitCode = await command;
}

function addNodeFlags(command: Command, dataDirText: string): Command {
  return command
    .addOption(
      new Option("--network <name>", "nodes of other networks are not seen")
        .argParser(nonEmpty)
        .default(flagDefaults.network, flagDefaults.network),
    )
    .addOption(
      new Option("--host <host>", "where to listen: an IPv4 address, an interface's name, or 0.0.0.0 for all")
        .argParser(nonEmpty)
        .default(flagDefaults.host, flagDefaults.host),
    )
    .addOption(
      new Option("--port <port>", "TCP port; of a swarm the first of as many as nodes")
        .argParser(wholeNumber(0, 65_535))
        .default(flagDefaults.port, "a free one"),
    )
    .option("--data-dir <dir>", `${dataDirText} (default: none, new keys)`)
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

function addUpdateFlags(command: Command): Command {
  return addClientFlags(command)
    .addOption(new Option("--salt <text>", "tells apart the values of one node").default("", "none"))
    .addOption(
      new Option("--expect <sequence>", "only if this is the sequence now").argParser(
        wholeNumber(0, Number.MAX_SAFE_INTEGER),
      ),
    );
}

function addClientFlags(command: Command): Command {
  return command
    .option("--node <node>", "port, https://HOST:PORT, or 1, 2, … among the nodes that run here (default: 1)")
    .option("--json", "print the answer as one line of JSON");
}
