// What flags mean to nodes and their processes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkNodeFlags } from "../../../src/cli/check-flags.ts";
import { CliError, exitCodes } from "../../../src/cli/cli-error.ts";
import { argumentsOf, flagDefaults, memberFlags, type NodeFlags, nodeOptionsOf } from "../../../src/cli/node-flags.ts";
import { createProgram } from "../../../src/cli/program.ts";
import { discoveryDefaults } from "../../../src/discovery/options.ts";
import { nodeDefaults } from "../../../src/node/options.ts";
import { silentLogger } from "../../../src/util/log.ts";
import { recordedTerminal } from "./recorded-terminal.ts";

const plain: NodeFlags = { ...flagDefaults, bootstrap: [], discovery: true, logLevel: "warn" };
const address = "dswarm://yyHmJUZRNS3L8YoeXrxs7qNHzR3C7uHY3lZgVK8rtVE@127.0.0.1:4242";

function helpOf(command: string): string {
  const program = createProgram({ stdout: recordedTerminal(), stderr: recordedTerminal(), programName: "dswarm" });
  return program.commands.find((candidate) => candidate.name() === command)?.helpInformation() ?? "";
}

test("the defaults are those of createNode, and the help says so", () => {
  const { network, host, port } = nodeDefaults;
  assert.deepEqual(flagDefaults, { network, host, port });
  const help = helpOf("start").replaceAll(/\s+/g, " ");
  for (const text of [`default: ${network}`, `default: ${host}`, `default: ${discoveryDefaults.udpPort}`]) {
    assert.ok(help.includes(text), text);
  }
});

test("nodes of a swarm have ports one after the other and a directory each", () => {
  const flags = { ...plain, port: 4000, dataDir: "/d" };
  assert.deepEqual(memberFlags(flags, 3), { ...flags, port: 4002, dataDir: "/d/3" });
  assert.deepEqual(memberFlags({ ...flags, httpPort: 5000 }, 3).httpPort, 5002);
  assert.deepEqual(memberFlags({ ...flags, httpPort: 0 }, 3).httpPort, 0);
  assert.deepEqual(memberFlags(plain, 3), plain);
});

test("flags become options of createNode", () => {
  assert.deepEqual(nodeOptionsOf({ ...plain, udpPort: 4, dataDir: "/d", bootstrap: [address] }, silentLogger), {
    network: "dev",
    host: "127.0.0.1",
    port: 0,
    dataDir: "/d",
    bootstrap: [address],
    discovery: { udpPort: 4 },
    logger: silentLogger,
  });
  assert.deepEqual(nodeOptionsOf(plain, silentLogger).discovery, {});
  assert.equal(nodeOptionsOf({ ...plain, discovery: false, udpPort: 4 }, silentLogger).discovery, false);
});

test("flags survive the way to another process, whatever they hold", async () => {
  const flags: NodeFlags = {
    network: "--json=a b",
    host: "-eth0",
    port: 7,
    httpPort: 0,
    tokenFile: "--token file",
    dataDir: "--data dir",
    bootstrap: ["--one", "two"],
    discovery: false,
    udpPort: 9,
    logLevel: "debug",
  };
  const program = createProgram({ stdout: recordedTerminal(), stderr: recordedTerminal(), programName: "dswarm" });
  const start = program.commands.find((command) => command.name() === "start");
  assert.ok(start);
  let parsed: unknown;
  start.action((given: unknown) => {
    parsed = given;
  });
  await program.parseAsync(["start", ...argumentsOf(flags)], { from: "user" });
  assert.deepEqual(parsed, flags);
});

function isUsageError(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof CliError && error.exitCode === exitCodes.usage && pattern.test(error.message);
}

test("a bootstrap address is checked", () => {
  checkNodeFlags({ ...plain, bootstrap: [address] });
  const flags = { ...plain, bootstrap: [address, "dswarm://x"] };
  assert.throws(() => checkNodeFlags(flags), isUsageError(/^--bootstrap dswarm:\/\/x: .*dswarm:\/\/KEY@HOST:PORT/));
});

test("the last port of a swarm is checked", () => {
  checkNodeFlags({ ...plain, port: 65_526 }, 10);
  assert.throws(() => checkNodeFlags({ ...plain, port: 65_527 }, 10), isUsageError(/need 65526 at most$/));
  assert.throws(() => checkNodeFlags({ ...plain, httpPort: 65_535 }, 2), isUsageError(/^--http-port 65535: .* 65534 /));
});

test("a swarm without discovery needs a bootstrap address, one node does not", () => {
  const flags = { ...plain, discovery: false };
  checkNodeFlags(flags, 1);
  checkNodeFlags({ ...flags, bootstrap: [address] }, 10);
  assert.throws(() => checkNodeFlags(flags, 2), isUsageError(/add --bootstrap ADDRESS$/));
});
