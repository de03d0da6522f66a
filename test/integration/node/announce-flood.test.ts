// A flood of announces of invented keys keeps no newcomer from being reached by all, and costs no peer that is proven its place.
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { DswarmNode } from "../../../src/node/node.ts";
import { startNode, type TestNetwork, testNetwork, until } from "./rig.ts";

interface Flood {
  readonly strangers: number;
  readonly perSecond: number;
  readonly rounds: number;
  /** UDP ports that the announces come from. */
  readonly sources: number;
  /** TCP ports that accept connections and never answer; with none, the announces name closed ports. */
  readonly tarpits: number;
}

const endless = 1_000_000;
// No more than a busy machine needs: it takes one to three seconds.
const deadlineMs = 60_000;

/** Resolves once the flood has begun. It ends with the test. */
async function startFlood(t: TestContext, { network, discovery }: TestNetwork, flood: Flood): Promise<ChildProcess> {
  const { strangers, perSecond, rounds, sources, tarpits } = flood;
  const program = fileURLToPath(new URL("announce-flood-process.ts", import.meta.url));
  const numbers = [discovery.udpPort, strangers, perSecond, rounds, sources, tarpits];
  const child = fork(program, [network, ...numbers.map(String)]);
  t.after(async () => {
    if (child.exitCode !== null) return;
    const exit = once(child, "exit");
    if (child.connected) child.disconnect();
    await exit;
  });
  await once(child, "message");
  return child;
}

function haveReachedOneAnother(nodes: readonly DswarmNode[]): boolean {
  return nodes.every((node) =>
    nodes.every((other) => other === node || (isProven(node, other) && node.dht.table.has(other.id))),
  );
}

function isProven(node: DswarmNode, other: DswarmNode): boolean {
  return node.peers.provenAddress(other.id) !== undefined;
}

/** Three nodes that know one another, with few dials for strangers, so that a flood uses them up soon. */
async function startSwarm(t: TestContext, maxPeers: number) {
  const options = { ...(await testNetwork({ intervalMs: 500, maxPeers })), unprovenDialsPerSecond: 8 };
  const nodes: DswarmNode[] = [];
  const lost: string[] = [];
  const start = async (): Promise<DswarmNode> => {
    const node = await startNode(t, options);
    nodes.push(node);
    node.on("peerLost", (id) => nodes.some((other) => other.id.equals(id)) && lost.push(id.toString()));
    return node;
  };
  for (let i = 0; i < 3; i++) await start();
  await until("all have reached one another", () => haveReachedOneAnother(nodes), deadlineMs);
  return { options, nodes, lost, start };
}

const floods = {
  "name closed ports": { strangers: 600, perSecond: 1500, rounds: endless, sources: 1, tarpits: 0, dials: 128 },
  "name ports that never answer": {
    strangers: 600,
    // Four nodes of one process hear it all, and a busy machine is to have time for dials besides.
    perSecond: 500,
    rounds: endless,
    sources: 10,
    tarpits: 40,
    dials: 10,
  },
};

for (const [name, { dials, ...flood }] of Object.entries(floods)) {
  test(`all nodes reach a newcomer while announces of strangers flood in that ${name}`, async (t) => {
    const { options, nodes, lost, start } = await startSwarm(t, 256);
    await startFlood(t, options, flood);
    const hasDialed = () =>
      nodes.every(({ counters }) => counters.get("announce.displaced") > 256 && counters.get("dial.made") > dials);
    await until("the flood has used up what strangers may use", hasDialed, deadlineMs);
    const displaced = nodes.map(({ counters }) => counters.get("announce.displaced"));
    const startedAt = performance.now();
    await start();
    await until("all have reached the newcomer", () => haveReachedOneAnother(nodes), deadlineMs);
    t.diagnostic(`${Math.round(performance.now() - startedAt)} ms`);
    await until("the flood goes on", () =>
      displaced.every((before, i) => (nodes[i]?.counters.get("announce.displaced") ?? 0) > before),
    );
    assert.deepEqual(lost, []);
  });
}

test("all nodes reach a newcomer after 4200 strangers have announced themselves in 2.5 seconds", async (t) => {
  const { options, nodes, lost, start } = await startSwarm(t, 4096);
  const flood = await startFlood(t, options, { strangers: 4200, perSecond: 1700, rounds: 1, sources: 1, tarpits: 0 });
  await once(flood, "message");
  const startedAt = performance.now();
  await start();
  await until("all have reached the newcomer", () => haveReachedOneAnother(nodes), deadlineMs);
  t.diagnostic(`${Math.round(performance.now() - startedAt)} ms`);
  assert.deepEqual(lost, []);
});
