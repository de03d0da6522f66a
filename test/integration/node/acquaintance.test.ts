// As long as a node has reason to, it knows a peer, and no longer; its events tell of it.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { generateKeyPair, type KeyPair } from "../../../src/identity/keys.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { announceAs } from "./announces.ts";
import { startNode, type TestNetwork, testNetwork, until } from "./rig.ts";

/** A node that hears of peers, and what it tells of one of them. */
interface Listening {
  readonly node: DswarmNode;
  readonly options: TestNetwork;
  readonly keys: KeyPair;
  readonly told: string[];
}

async function startListening(t: TestContext, intervalMs = 20): Promise<Listening> {
  const options = await testNetwork({ intervalMs });
  const node = await startNode(t, options);
  const keys = generateKeyPair();
  const told: string[] = [];
  node.on("peer", ({ id, origin }) => id.equals(keys.id) && told.push(`peer ${origin}`));
  node.on("peerLost", (id, reason) => id.equals(keys.id) && told.push(`lost ${reason}`));
  node.on("connected", (id) => id.equals(keys.id) && told.push("connected"));
  node.on("disconnected", (id) => id.equals(keys.id) && told.push("disconnected"));
  return { node, options, keys, told };
}

/** Resolves when whoever was heard before and is silent has expired: one that is heard now has. */
async function allExpire({ node, options }: Listening): Promise<void> {
  const later = generateKeyPair();
  let hasExpired = false;
  node.on("peerLost", (id) => {
    hasExpired ||= id.equals(later.id);
  });
  await announceAs(later, options, { port: 1 });
  await until("one heard later has expired", () => hasExpired);
}

/** A peer that says nothing on the multicast group of its own. */
function startSilent(t: TestContext, { keys, options }: Listening): Promise<DswarmNode> {
  return startNode(t, { keys, network: options.network, discovery: false });
}

test("a peer that is silent for too long expires", async (t) => {
  const listening = await startListening(t);
  const { options, keys, told } = listening;
  await announceAs(keys, options, { port: 1 });
  await allExpire(listening);
  assert.deepEqual(told, ["peer announce", "lost expired"]);
});

test("a peer whose announces end while it is connected is lost with the connection", async (t) => {
  const listening = await startListening(t);
  const { node, options, keys, told } = listening;
  const peer = await startSilent(t, listening);
  await peer.ping(node.address);
  await until("it has connected", () => told.length === 2);
  await announceAs(keys, options, { port: peer.port });
  await until("it is heard", () => (node.peers.get(keys.id)?.addresses.length ?? 0) > 0);
  await allExpire(listening);
  // What it announced counts no more; where it was dialed and has proven its key does.
  const proven = node.peers.provenAddress(keys.id);
  assert.deepEqual(node.peers.get(keys.id)?.addresses, proven === undefined ? [] : [proven]);
  assert.deepEqual(told, ["peer inbound", "connected"]);
  await node.ping(keys.id);
  await peer.close();
  await until("it is lost", () => told.length === 4);
  assert.deepEqual(told.slice(2), ["disconnected", "lost left"]);
});

test("a peer that dials first and announces itself then outlives its connection, until it is silent", async (t) => {
  const listening = await startListening(t, 60);
  const { node, options, keys, told } = listening;
  const peer = await startSilent(t, listening);
  await peer.ping(node.address);
  await until("it has connected", () => told.length === 2);
  const announcing = setInterval(() => void announceAs(keys, options, { port: peer.port, epochMs: 7 }), 20);
  t.after(() => clearInterval(announcing));
  // Its address is known before that, as the node proves the port of its ping.
  await until("it is heard", () => node.counters.get("announce.accepted") > 0);
  await peer.close();
  await until("it is gone", () => told.length === 3);
  assert.ok(node.peers.get(keys.id));
  clearInterval(announcing);
  await allExpire(listening);
  assert.deepEqual(told, ["peer inbound", "connected", "disconnected", "lost expired"]);
});

test("a peer named by its address stays known when it is gone, and is reached when it is back", async (t) => {
  const listening = await startListening(t);
  const { node, keys, told } = listening;
  const peer = await startSilent(t, listening);
  const { port } = peer;
  const client = node.client(EchoService, peer.address);
  await node.ping(peer.id);
  await peer.close();
  await until("it is gone", () => told.includes("disconnected"));
  await assert.rejects(client.echo({}), /unavailable/);
  const again = await startNode(t, { keys, port, network: node.config.network, discovery: false });
  again.serve(EchoService, { echo: () => ({}) });
  await until("it is reached", () =>
    client.echo({}).then(
      () => true,
      () => false,
    ),
  );
  assert.deepEqual(told, ["peer bootstrap", "connected", "disconnected", "connected"]);
});
