// Help, versions and mistakes: answered without loading a node.
import assert from "node:assert/strict";
import { test } from "node:test";
import { version } from "../../../src/util/version.ts";
import { CliRig } from "./cli-rig.ts";

test("--version prints the version", async (t) => {
  const { code, stdout, stderr } = await new CliRig(t).result(["--version"]);
  assert.deepEqual([code, stdout, stderr], [0, `${version}\n`, ""]);
});

test("--help names the commands and the exit codes", async (t) => {
  const { code, stdout, stderr } = await new CliRig(t).result(["--help"]);
  assert.deepEqual([code, stderr], [0, ""]);
  for (const text of [
    "start",
    "swarm",
    "add",
    "stop",
    "ping",
    "peers",
    "keepers",
    "keygen",
    "Exit codes:",
    "  130  ",
  ]) {
    assert.ok(stdout.includes(text), text);
  }
});

for (const command of ["start", "swarm", "add", "stop", "ping", "peers", "keepers", "keygen"]) {
  test(`${command} --help has examples, and so has help ${command}`, async (t) => {
    const rig = new CliRig(t);
    const [flag, word] = await Promise.all([rig.result([command, "--help"]), rig.result(["help", command])]);
    assert.deepEqual([flag.code, flag.stderr], [0, ""]);
    assert.match(flag.stdout, new RegExp(`Usage: .*${command}.*Examples:\\n  .* ${command}`, "s"));
    assert.deepEqual([word.code, word.stdout], [0, flag.stdout]);
  });
}

test("no line of the help is wider than 80 columns, examples aside", async (t) => {
  const rig = new CliRig(t);
  for (const command of ["", "start", "swarm", "stop", "keepers", "services", "call", "sim", "watch"]) {
    const { stdout } = await rig.result(["help", ...(command === "" ? [] : [command])]);
    const [text = ""] = stdout.split("\nExamples:\n");
    for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
  }
});

const mistakes: readonly (readonly [args: readonly string[], message: RegExp])[] = [
  [[], /^Usage: /],
  [["help", "nope"], /unknown command 'nope'/],
  [
    ["pign", "--json"],
    /^\{"event":"failed","code":"usage","message":"unknown command 'pign' \(Did you mean ping\?\)"\}\n$/,
  ],
  [["swrm"], /unknown command 'swrm'\n\(Did you mean swarm\?\)/],
  [["start", "--prot", "1"], /unknown option '--prot'\n\(Did you mean --port\?\)/],
  [["start", "extra"], /too many arguments for 'start'/],
  [["start", "--port"], /'--port <port>' argument missing/],
  [["start", "--port", "70000"], /argument '70000' is invalid\. Give a whole number from 0 to 65535\./],
  [["start", "--udp-port", "0"], /Give a whole number from 1 to 65535\./],
  [["start", "--network", ""], /Give 1 to 255 bytes\./],
  [["start", "--host", ""], /Give 1 to 255 bytes\./],
  [["start", "--log-level", "loud"], /Allowed choices are silent, error, warn, info, debug\./],
  [["start", "--bootstrap", "127.0.0.1:4242"], /--bootstrap 127\.0\.0\.1:4242: .*expected dswarm:\/\/KEY@HOST:PORT/],
  [["swarm", "--nodes", "0"], /Give a whole number from 1 to 1000\./],
  [["swarm", "--nodes", "1001"], /Give a whole number from 1 to 1000\./],
  [["swarm", "--nodes", "3", "--port", "65534"], /--port 65534: 3 nodes from there on need 65533 at most/],
  [["swarm", "--no-discovery"], /add --bootstrap ADDRESS/],
  [["ping", "--count", "21"], /Give a whole number from 1 to 20\./],
  [["ping", "@sh"], /@sh: not a valid node id/],
  [["ping", "--node", "http://localhost:1"], /--node http:\/\/localhost:1: give a number of "ls", a port, HOST:PORT/],
  [["peers", "extra"], /too many arguments for 'peers'/],
  [["stop"], /missing required argument 'node'/],
  [["stop", "nobody"], /^dswarm: nobody: give a number of "ls", a port, HOST:PORT/],
  [["stop", "dswarm://nobody"], /^dswarm: dswarm:\/\/nobody: /],
  [["add", "3"], /too many arguments for 'add'/],
  [["keepers"], /missing required argument 'key'/],
  [["keygen", "--print-secret"], /unknown option '--print-secret'/],
  [["keygen", "--out", ""], /'-o, --out <file>' argument '' is invalid\. Give a path\./],
  [["start", "--data-dir", ""], /Give a path\./],
  [["start", "--token-file", ""], /Give a path\./],
  [["start", "--token-file", `/${"n".repeat(256)}`], /--token-file \/n+: /],
  [["provide", "--name", ""], /Give a name\./],
  [["provide", "x"], /^dswarm: x: not a valid record key: .*; of a key that the node keeps, "&" and the first 4/],
  [["providers", "x"], /^dswarm: x: not a valid record key/],
  [["get", "&aa"], /^dswarm: &aa: not a valid record key/],
  [["watch", "x"], /^dswarm: x: not a valid record key/],
  [["lookup", "x"], /^dswarm: x: not a valid record key/],
  [["trace", "x"], /^dswarm: x: not a valid record key/],
  [["put", "--file", "/nowhere/value"], /^dswarm: --file \/nowhere\/value: there is no such file or directory\n$/],
  [["put", "--file", "/"], /^dswarm: --file \/: it is a directory; give a file\n$/],
  [["sim", "--csv", "/nowhere/sim.csv"], /^dswarm: --csv \/nowhere\/sim\.csv: there is no such file or directory\n$/],
  [["services", "2", "a.B/"], /^dswarm: a\.B\/: give package\.Service or package\.Service\/Method\n$/],
  [["services", "2", "a.B/C/D"], /give package\.Service or package\.Service\/Method/],
];
for (const [args, message] of mistakes) {
  test(`exits with 2 and says what is wrong: ${args.join(" ")}`, async (t) => {
    const { code, stdout, stderr } = await new CliRig(t).result(args);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /^ {4}at /m);
    assert.deepEqual([code, stdout], [2, ""]);
  });
}
