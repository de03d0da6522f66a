// What nodes and swarms show to people, line by line.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeEvent } from "../../../src/cli/events.ts";
import { createJsonReporter } from "../../../src/cli/json-reporter.ts";
import { NodeReporter } from "../../../src/cli/node-reporter.ts";
import { SwarmReporter } from "../../../src/cli/swarm-reporter.ts";
import { version } from "../../../src/util/version.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { type RecordedTerminal, recordedTerminal } from "./recorded-terminal.ts";

const hints = { network: "dev", host: "127.0.0.1", programName: "dswarm" };
const clock = new VirtualClock(1, new Date(2026, 0, 2, 3, 4, 5).getTime());
const now = "03:04:05";

function idOf(name: string): string {
  return `@${name.padEnd(43, "x")}=`;
}
function listening(name: string, port: number, host = "localhost"): NodeEvent {
  const address = `dswarm://${name}@127.0.0.1:${port}`;
  return { event: "listening", id: idOf(name), port, url: `https://${host}:${port}`, address };
}
function peerEvent(name: string, peer: string, address: string | null): NodeEvent {
  return { event: "peer", id: idOf(name), peer: idOf(peer), address };
}
function lostEvent(name: string, peer: string): NodeEvent {
  return { event: "peer_lost", id: idOf(name), peer: idOf(peer), reason: "expired" };
}

test("a node shows what can be copied, and then what happens", () => {
  const terminal = recordedTerminal();
  const reporter = new NodeReporter(terminal, hints, clock);
  reporter.report(listening("a", 4001));
  assert.deepEqual(terminal.takeLines(), [
    `dswarm ${version}, network dev, on 127.0.0.1`,
    "",
    `Node ${idOf("a")} listening on port 4001`,
    "  address  dswarm://a@127.0.0.1:4001",
    "",
    "Try in another terminal:",
    "  in a browser    https://localhost:4001/",
    "  ping its peers  curl -k https://localhost:4001/api/ping",
    "  as a table      dswarm ping --node 4001",
    "  list its peers  dswarm peers --node 4001",
    "  one more node   dswarm start",
    "Ctrl-C ends it.",
    "",
  ]);
  reporter.report({ event: "closest", id: idOf("a"), peers: [] });
  reporter.report(peerEvent("a", "b", "127.0.0.1:4002"));
  reporter.report(peerEvent("a", "c", null));
  const peers = [
    { id: idOf("b"), address: "127.0.0.1:4002" },
    { id: idOf("c"), address: null },
  ];
  reporter.report({ event: "closest", id: idOf("a"), peers });
  reporter.report(lostEvent("a", "b"));
  reporter.report({ event: "peer_lost", id: idOf("a"), peer: idOf("c"), reason: "left" });
  reporter.report({ event: "closing", id: idOf("a") });
  assert.deepEqual(terminal.takeLines(), [
    `${now}  Closest peers: none yet`,
    `${now}  New peer ${idOf("b")} 127.0.0.1:4002`,
    `${now}  New peer ${idOf("c")} (no address yet)`,
    `${now}  Closest peers`,
    `          ${idOf("b")}  127.0.0.1:4002`,
    `          ${idOf("c")}  (no address yet)`,
    `${now}  Lost peer ${idOf("b")} is silent`,
    `${now}  Lost peer ${idOf("c")} has left`,
    `${now}  Closing: taking leave of the peers.`,
  ]);
});

test("the hints name the port without TLS, the certificate and the token where there are such", () => {
  const terminal = recordedTerminal();
  const tokenFile = "/home/me/it's a token";
  const event = { ...listening("a", 4001), httpUrl: "http://127.0.0.1:4080", certificate: "/d/certificate.pem" };
  new NodeReporter(terminal, { ...hints, tokenFile }, clock).report(event);
  const lines = terminal.takeLines().map((line) => line.trim());
  for (const line of [
    "certificate  /d/certificate.pem",
    "in a browser    http://127.0.0.1:4080/",
    `ping its peers  curl -H "Authorization: Bearer $(cat '/home/me/it'\\''s a token')" --cacert /d/certificate.pem https://localhost:4001/api/ping`,
    `as a table      dswarm ping --node 4001 --token-file '/home/me/it'\\''s a token'`,
  ]) {
    assert.ok(lines.includes(line), `${line}\nis not in\n${lines.join("\n")}`);
  }
});

test("no hint hands the token to a program whose certificate is unknown", () => {
  const terminal = recordedTerminal();
  new NodeReporter(terminal, { ...hints, tokenFile: "/token" }, clock).report(listening("a", 4001));
  const text = terminal.takeLines().join("\n");
  assert.doesNotMatch(text, /curl/);
  assert.match(text, /dswarm ping --node 4001 --token-file \/token/);
});

test("a node on an address where its API refuses everybody shows no curl line", () => {
  const terminal = recordedTerminal();
  const elsewhere = { ...hints, host: "eth0", network: "a b", udpPort: 7 };
  new NodeReporter(terminal, elsewhere, clock).report(listening("a", 4001, "192.168.1.5"));
  const text = terminal.takeLines().join("\n");
  assert.doesNotMatch(text, /curl/);
  assert.match(text, /\/api is not reachable on 192\.168\.1\.5/);
  assert.match(text, /dswarm start --network=NAME --host=eth0 --udp-port=7\n/);
});

function swarmOf(nodes: number): { readonly terminal: RecordedTerminal; readonly reporter: SwarmReporter } {
  const terminal = recordedTerminal();
  const reporter = new SwarmReporter(terminal, nodes, hints, clock);
  assert.match(terminal.takeLines()[0] ?? "", /^dswarm \S+, \d+ nodes?, network dev, on 127\.0\.0\.1$/);
  return { terminal, reporter };
}

/** A swarm whose nodes all listen, and have been told of. */
function runningSwarm(names: readonly string[]): {
  readonly terminal: RecordedTerminal;
  readonly reporter: SwarmReporter;
} {
  const swarm = swarmOf(names.length);
  for (const [i, name] of names.entries()) swarm.reporter.report(listening(name, 4001 + i), i + 1);
  swarm.terminal.takeLines();
  return swarm;
}

test("a swarm shows its nodes in order, whichever listens first, and then what can be copied", () => {
  const { terminal, reporter } = swarmOf(2);
  reporter.report(listening("b", 4002), 2);
  assert.deepEqual(terminal.takeLines(), []);
  reporter.report(listening("a", 4001), 1);
  assert.deepEqual(terminal.takeLines(), [
    `  1  ${idOf("a")}  listening on port 4001`,
    `  2  ${idOf("b")}  listening on port 4002`,
    "",
    "Try in another terminal:",
    "  in a browser    https://localhost:4001/",
    "  ping its peers  curl -k https://localhost:4001/api/ping",
    "  as a table      dswarm ping --node 4001",
    "  list its peers  dswarm peers --node 4001",
    "  one more node   dswarm start",
    "Ctrl-C ends it.",
    "",
  ]);
});

test("a swarm does not tell of its own nodes as new peers, and of others once", () => {
  const { terminal, reporter } = swarmOf(2);
  reporter.report(listening("a", 4001), 1);
  reporter.report(peerEvent("a", "b", "127.0.0.1:4002"), 1);
  reporter.report(peerEvent("a", "x", "127.0.0.1:9"), 1);
  reporter.report(listening("b", 4002), 2);
  assert.deepEqual(terminal.takeLines().slice(-1), [`${now}  New peer ${idOf("x")} 127.0.0.1:9`]);
  reporter.report(peerEvent("b", "x", "127.0.0.1:9"), 2);
  reporter.report(peerEvent("b", "a", "127.0.0.1:4001"), 2);
  reporter.report(lostEvent("a", "x"), 1);
  assert.deepEqual(terminal.takeLines(), []);
  reporter.report(lostEvent("b", "x"), 2);
  assert.deepEqual(terminal.takeLines(), [`${now}  Lost peer ${idOf("x")} is silent`]);
  reporter.report(peerEvent("b", "x", "127.0.0.1:10"), 2);
  assert.deepEqual(terminal.takeLines(), [`${now}  New peer ${idOf("x")} 127.0.0.1:10`]);
});

test("a swarm shows the closest peers of its nodes as one block with their numbers", () => {
  const { terminal, reporter } = runningSwarm(["a", "b", "c"]);
  const known = (name: string, port: number) => ({ id: idOf(name), address: `127.0.0.1:${port}` });
  reporter.report({ event: "closest", id: idOf("b"), peers: [known("c", 4003), known("a", 4001)] }, 2);
  reporter.report({ event: "closest", id: idOf("a"), peers: [known("b", 4002)] }, 1);
  const outsiders = [
    { id: idOf("x"), address: "10.0.0.1:5" },
    { id: idOf("y"), address: null },
  ];
  assert.deepEqual(terminal.takeLines(), []);
  reporter.report({ event: "closest", id: idOf("c"), peers: outsiders }, 3);
  assert.deepEqual(terminal.takeLines(), [
    `${now}  Each node and its closest peers`,
    "  1  2 @bxxxxxxx :4002",
    "  2  3 @cxxxxxxx :4003       1 @axxxxxxx :4001",
    "  3    @xxxxxxxx 10.0.0.1:5    @yxxxxxxx ?",
  ]);
});

test("a block that has not changed is one line", () => {
  const { terminal, reporter } = runningSwarm(["a", "b"]);
  const round = (peers: readonly { id: string; address: string | null }[]): string[] => {
    for (const [name, index] of [
      ["a", 1],
      ["b", 2],
    ] as const) {
      reporter.report({ event: "closest", id: idOf(name), peers }, index);
    }
    return terminal.takeLines();
  };
  assert.equal(round([]).length, 3);
  const unchanged = [`${now}  Each node has the same closest peers as before`];
  assert.deepEqual(round([]), unchanged);
  assert.deepEqual(round([]), unchanged);
  assert.equal(round([{ id: idOf("x"), address: null }]).length, 3);
});

test("the block does not wait for a node that stands still or has died", () => {
  const { terminal, reporter } = runningSwarm(["a", "b", "c"]);
  const tell = (name: string, index: number): void => {
    reporter.report({ event: "closest", id: idOf(name), peers: [] }, index);
  };
  const blocks = (): number => terminal.takeLines().filter((line) => line.includes("closest")).length;
  for (const [name, index] of [
    ["a", 1],
    ["b", 2],
  ] as const)
    tell(name, index);
  assert.equal(blocks(), 0);
  tell("a", 1);
  assert.equal(blocks(), 1);
  tell("b", 2);
  tell("c", 3);
  assert.equal(blocks(), 1);
  reporter.report({ event: "died", id: idOf("c"), pid: 77, code: 1, signal: null }, 3);
  tell("b", 2);
  assert.equal(blocks(), 0);
  tell("a", 1);
  assert.equal(blocks(), 1);
});

test("of a large swarm 16 nodes are shown and the rest is counted", () => {
  const { terminal, reporter } = swarmOf(100);
  for (let index = 1; index <= 100; index++) reporter.report(listening(`n${index}`, 4000 + index), index);
  const lines = terminal.takeLines();
  assert.equal(lines.filter((line) => line.includes("listening")).length, 16);
  assert.ok(lines.includes("       … and 84 nodes more"));
  for (let index = 1; index <= 100; index++) {
    reporter.report({ event: "closest", id: idOf(`n${index}`), peers: [] }, index);
  }
  const block = terminal.takeLines();
  assert.equal(block.length, 18);
  assert.equal(block.at(-1), "       … and 84 nodes more");
  assert.equal(reporter.closestNodes, 16);
});

test("a swarm says when all know all, and how long it took", () => {
  const { terminal, reporter } = runningSwarm(["a", "b"]);
  reporter.report({ event: "complete", nodes: 2, ms: 1234 }, 0);
  assert.deepEqual(terminal.takeLines(), [`${now}  2 nodes know one another after 1.2 s`]);
});

test("a node whose process died is told of at once, and again when all others have noticed", () => {
  const { terminal, reporter } = runningSwarm(["a", "b", "c"]);
  reporter.report({ event: "died", id: idOf("c"), pid: 77, code: null, signal: "SIGKILL" }, 3);
  assert.deepEqual(terminal.takeLines(), [`${now}  Node 3 (process 77) was ended by SIGKILL; 2 nodes left`]);
  reporter.report(lostEvent("a", "c"), 1);
  assert.deepEqual(terminal.takeLines(), []);
  reporter.report(lostEvent("b", "c"), 2);
  assert.deepEqual(terminal.takeLines(), [`${now}  Lost peer ${idOf("c")} is silent`]);
});

test("a swarm that closes says so once and then nothing", () => {
  const { terminal, reporter } = runningSwarm(["a", "b"]);
  reporter.report({ event: "closing", id: idOf("a") }, 1);
  reporter.report(lostEvent("b", "a"), 2);
  reporter.report({ event: "closing", id: idOf("b") }, 2);
  assert.deepEqual(terminal.takeLines(), [`${now}  Closing 2 nodes.`]);
});

test("with --json every event is a line", () => {
  const terminal = recordedTerminal();
  const reporter = createJsonReporter(terminal);
  const events = [listening("a", 1), peerEvent("a", "b", null), { event: "complete", nodes: 2, ms: 5 }] as const;
  for (const event of events) reporter.report(event, 1);
  assert.deepEqual(
    terminal.takeLines().map((line) => JSON.parse(line)),
    events,
  );
});

test("on a terminal of 60 columns no line but the address to be copied is wider", () => {
  const narrow = recordedTerminal(60);
  const node = new NodeReporter(narrow, hints, clock);
  const swarm = new SwarmReporter(narrow, 2, hints, clock);
  for (const reporter of [node, swarm]) {
    for (const [i, name] of ["a", "b"].entries()) reporter.report(listening(name, 4001 + i), i + 1);
    reporter.report(peerEvent("a", "c", "127.0.0.1:40123"), 1);
    reporter.report({ event: "closest", id: idOf("a"), peers: [{ id: idOf("c"), address: "127.0.0.1:40123" }] }, 1);
    reporter.report(lostEvent("a", "c"), 1);
  }
  const lines = narrow.takeLines();
  assert.equal(lines.filter((line) => line.includes("New peer") && line.includes(" 127.0.0.1:40123")).length, 2);
  assert.equal(lines.filter((line) => line.includes("Lost peer") && line.endsWith(" is silent")).length, 2);
  for (const line of lines) assert.ok(line.length <= 60 || line.startsWith("  address  dswarm://"), line);
});

test("a swarm tells of nodes that were added and stopped, and goes on telling", () => {
  const { terminal, reporter } = runningSwarm(["a", "b"]);
  reporter.report(listening("c", 4003), 3);
  assert.match(terminal.takeLines().join("\n"), /^\S+  Node 3 was added: @\S+ on port 4003$/);
  reporter.report({ event: "stopped", id: idOf("b") }, 2);
  assert.match(terminal.takeLines().join("\n"), /^\S+  Node 2 was stopped; 2 nodes left$/);
  reporter.report({ event: "closing", id: idOf("a") }, 1);
  assert.match(terminal.takeLines().join("\n"), /Closing 2 nodes\.$/);
});
