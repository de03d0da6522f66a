// Connections that are lost come back; attempts at what is dead are few.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import { announceAs } from "./announces.ts";
import { startChild } from "./child-node.ts";
import { apiPing, knows, startNode, testNetwork, until } from "./rig.ts";

const seed = "5e".repeat(32);

/** A port that ends every connection at once, and counts them. */
async function startDeadEnd(t: TestContext): Promise<{ readonly port: number; readonly attempts: number }> {
  const deadEnd = { port: 0, attempts: 0 };
  const server = createServer((socket) => {
    deadEnd.attempts += 1;
    socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  deadEnd.port = address.port;
  return deadEnd;
}

test("a peer killed and started again with its key, on another port, is reached again", async (t) => {
  const options = await testNetwork({ intervalMs: 60_000 });
  const node = await startNode(t, options);
  const first = await startChild(t, { ...options, seed });
  const id = NodeId.parse(first.id);
  await knows(node, id);
  const client = node.client(EchoService, id);
  await client.echo({ payload: new Uint8Array(3) });
  await first.kill();
  await until("the loss is noticed", () => !node.isConnected(id));
  await assert.rejects(client.echo({}), /unavailable/);

  const second = await startChild(t, { ...options, seed });
  assert.notEqual(second.port, first.port);
  await until(
    "its new address is heard",
    () => node.peers.get(id)?.addresses.some((a) => a.port === second.port) ?? false,
  );
  const { payload } = await client.echo({ payload: new Uint8Array(3) });
  assert.equal(payload.length, 3);
  const [result] = await apiPing(node.port);
  assert.equal(result?.ok, true);
  assert.equal(result.address, `127.0.0.1:${second.port}`);
  assert.equal(node.connections, 1);
});

test("attempts at a dead address become rare, and what the peer announces does not bring more", async (t) => {
  const options = await testNetwork({ intervalMs: 60_000 });
  const node = await startNode(t, options);
  const keys = generateKeyPair();
  const dead = await startDeadEnd(t);
  await announceAs(keys, options, { port: dead.port });
  await knows(node, keys.id);

  // Pauses of 100, 200, 400 … ms for the calls, four at once at most; and pauses of 500 ms, 1 s … for the DHT.
  const startedAt = performance.now();
  let calls = 0;
  for (let epochMs = Date.now() + 1; performance.now() < startedAt + 1200 || calls <= 20; epochMs++) {
    await assert.rejects(node.ping(keys.id), /unavailable/);
    calls += 1;
    if (calls % 20 === 0) await announceAs(keys, options, { port: dead.port, epochMs });
    await new Promise((go) => setTimeout(go, 2));
  }
  t.diagnostic(`${calls} calls made ${dead.attempts} attempts`);
  const elapsedS = (performance.now() - startedAt) / 1000;
  assert.ok(dead.attempts >= 2 && dead.attempts <= 7 + elapsedS, `${dead.attempts} attempts in ${elapsedS} s`);
});

test("naming the same dead address again and again does not bring more attempts", async (t) => {
  const node = await startNode(t, { discovery: false });
  const dead = await startDeadEnd(t);
  const name = `dswarm://${generateKeyPair().id.toBase64url()}@127.0.0.1:${dead.port}`;
  for (let i = 0; i < 50; i++) await assert.rejects(node.ping(name), /unavailable/);
  assert.ok(dead.attempts < 10, `${dead.attempts} attempts`);
});

test("many calls at once to a peer without a connection make one connection", async (t) => {
  const server = await startNode(t, { discovery: false });
  const node = await startNode(t, { discovery: false });
  await Promise.all(Array.from({ length: 200 }, () => node.ping(server.address)));
  assert.equal(server.counters.get("handshake.ok"), 1);
  assert.equal(server.connections, 1);
});

test("a connection that was closed for want of calls comes back with the next call, and no peer is lost", async (t) => {
  const options = await testNetwork();
  const node = await startNode(t, { ...options, rpc: { idleTimeoutMs: 50 } });
  const peer = await startNode(t, options);
  await knows(node, peer.id);
  await knows(peer, node.id);
  let lost = 0;
  for (const each of [node, peer]) each.on("peerLost", () => (lost += 1));
  for (let round = 0; round < 3; round++) {
    await node.ping(peer.id);
    const [id, reason] = await once(node, "disconnected");
    assert.ok(peer.id.equals(id));
    assert.equal(reason, undefined);
  }
  assert.equal(lost, 0);
});

test("what a listener of an event throws reaches the process and does the node no harm", async (t) => {
  const node = await startNode(t, { discovery: false });
  const peer = await startNode(t, { discovery: false });
  const thrown: unknown[] = [];
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => thrown.push(error));
  try {
    node.on("connected", () => {
      throw new Error("of the listener");
    });
    await node.ping(peer.address);
    await until("it is thrown", () => thrown.length > 0);
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  }
  assert.match(String(thrown[0]), /of the listener/);
  assert.equal(node.connections, 1);
  await node.ping(peer.id);
});
