// How a node ends: nothing that was promised is lost, everybody is told, nothing stays open.
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent } from "node:https";
import { createServer } from "node:net";
import { test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { createNode } from "../../../src/create-node.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { type DswarmNode, startNode as startBareNode } from "../../../src/node/node.ts";
import { startChild } from "./child-node.ts";
import { allAcquainted, apiPing, LogKeeper, send, startNode, testNetwork, until } from "./rig.ts";

async function assertGone({ port }: DswarmNode): Promise<void> {
  await assert.rejects(send(port, "/api/ping"), { code: "ECONNREFUSED" });
}

test("close is idempotent, and what is asked of a closed node fails", async (t) => {
  const peer = await startNode(t, { discovery: false });
  const node = await createNode({ discovery: false });
  await node.ping(peer.address);
  const closing = node.close();
  assert.equal(node.close(), closing);
  await closing;
  await node.close();
  await assertGone(node);
  assert.equal(node.connections, 0);
  await assert.rejects(node.ping(peer.address), /the node is closed/);
  await assert.rejects(node.client(EchoService, peer.id).echo({}), /the node is closed/);
});

test("await using closes a node", async () => {
  let left: DswarmNode;
  {
    await using node = await createNode({ discovery: false });
    left = node;
    assert.deepEqual(await apiPing(node.port), []);
  }
  await assertGone(left);
});

test("a node that is aborted tells nobody: its connections break off, and its port is free", async (t) => {
  const options = await testNetwork({ intervalMs: 60_000 });
  const peer = await startNode(t, options);
  const node = await createNode(options);
  await allAcquainted([peer, node]);
  await node.ping(peer.id);
  const lost: unknown[] = [];
  peer.on("peerLost", (id) => lost.push(id));
  const broken = once(peer, "disconnected");
  const aborting = node.abort();
  const [id, reason] = await broken;
  assert.equal(String(id), node.id.toString());
  assert.equal(reason.code, "link_truncated");
  await aborting;
  await node.abort();
  await node.close();
  await assertGone(node);
  // A leave would have come before this one, on the same loopback.
  const other = await createNode(options);
  await allAcquainted([peer, other]);
  await other.close();
  await until("the leave of the other is heard", () => lost.length > 0);
  assert.deepEqual(lost.map(String), [other.id.toString()]);
  assert.notEqual(peer.peers.get(node.id), undefined);
});

test("peers are told when a node closes, by goodbye, and nobody has anything to complain of", async (t) => {
  const options = await testNetwork({ intervalMs: 60_000 });
  const logs = [new LogKeeper(), new LogKeeper(), new LogKeeper()] as const;
  const start = (logger: LogKeeper): Promise<DswarmNode> => startNode(t, { ...options, logger });
  const [node, dialed, dialer] = [await start(logs[0]), await start(logs[1]), await start(logs[2])];
  await allAcquainted([node, dialed, dialer]);
  await node.ping(dialed.id);
  await dialer.ping(node.id);
  const told = [dialed, dialer].map(async (peer) => {
    const [lost, ended] = await Promise.all([once(peer, "peerLost"), once(peer, "disconnected")]);
    assert.deepEqual(lost.map(String), [node.id.toString(), "left"]);
    assert.deepEqual(ended, [node.id, undefined]);
    assert.equal(peer.peers.get(node.id), undefined);
  });
  await node.close();
  await Promise.all(told);
  await apiPing(dialed.port);
  for (const { complaints } of logs) assert.deepEqual(complaints, []);
  for (const { counters } of [node, dialed, dialer]) {
    const failures = Object.keys(counters.snapshot()).filter((name) => /fail/.test(name));
    assert.deepEqual(failures, []);
  }
});

test("a node without discovery is lost to its peers when it closes", async (t) => {
  const node = await startNode(t, { discovery: false });
  const peer = await startNode(t, { discovery: false });
  await node.ping(peer.address);
  const lost = once(peer, "peerLost");
  await node.close();
  assert.deepEqual((await lost).map(String), [node.id.toString(), "left"]);
});

test("calls in flight finish, those of the node and those of its peers", async (t) => {
  const gate = Promise.withResolvers<void>();
  let started = 0;
  const implementation = {
    async echo({ payload }: { payload: Uint8Array }) {
      started += 1;
      await gate.promise;
      return { payload };
    },
  };
  const node = await startNode(t, { discovery: false });
  const peer = await startNode(t, { discovery: false });
  for (const each of [node, peer]) each.serve(EchoService, implementation);
  await node.ping(peer.address);
  const payload = new Uint8Array(5);
  const calls = [
    node.client(EchoService, peer.id).echo({ payload }),
    peer.client(EchoService, node.id).echo({ payload }),
  ];
  await until("both calls run", () => started === 2);
  const closing = node.close();
  // The peer does not know yet.
  calls.push(peer.client(EchoService, node.id).echo({ payload }));
  await until("the third call runs", () => started === 3);
  gate.resolve();
  for (const answer of await Promise.all(calls)) assert.equal(answer.payload.length, 5);
  await closing;
});

test("a peer that watches does not hold up the end, and learns of it", async (t) => {
  const node = await startNode(t, { discovery: false });
  const peer = await startNode(t, { discovery: false });
  const seen: number[] = [];
  const watching = (async () => {
    for await (const { status } of peer.client(Health, node.address).watch({})) seen.push(status);
  })();
  await until("it watches", () => seen.length === 1);
  const ended = assert.rejects(watching, /the node is closed/);
  await node.close();
  await ended;
  assert.deepEqual(seen, [1, 2]);
});

test("closing ends attempts to connect", async (t) => {
  const silent = createServer((socket) => t.after(() => socket.destroy()));
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.after(() => silent.close());
  const address = silent.address();
  assert.ok(typeof address === "object" && address !== null);
  const name = `dswarm://${generateKeyPair().id.toBase64url()}@127.0.0.1:${address.port}`;
  const node = await startNode(t, { discovery: false, bootstrap: [name], channel: { handshakeTimeoutMs: 600_000 } });
  const ping = assert.rejects(node.ping(name), /the node is closed/);
  const query = `?ids=${encodeURIComponent(name.slice(9, 52))}&timeoutMs=60000`;
  const viaApi = apiPing(node.port, query);
  await until("it is asked", () => node.counters.get("api.requests") === 1);
  await node.close();
  await ping;
  // An HTTP request that was under way is answered.
  const [result] = await viaApi;
  assert.equal(result?.error?.reason, "node_closed");
});

test("a node that is closed while it starts does not start", async () => {
  let handedOut: DswarmNode | undefined;
  const starting = startBareNode(await testNetwork(), (node) => {
    handedOut = node;
    void node.close();
    return (_request, response) => void response.end();
  });
  await assert.rejects(starting, { code: "node_closed" });
  const node = handedOut ?? assert.fail("it was not handed out");
  await node.close();
  await until("its port is closed", () =>
    assertGone(node)
      .then(() => true)
      .catch(() => false),
  );
});

test("a process ends by itself when its node is closed", async (t) => {
  const options = await testNetwork();
  const dead = `dswarm://${generateKeyPair().id.toBase64url()}@127.0.0.1:1`;
  const peer = await startNode(t, options);
  const child = await startChild(t, { ...options, bootstrap: [dead] });
  await child.told("peer", { id: peer.id.toString() });
  child.command({ command: "ping", peer: peer.id.toString() });
  await child.told("pong");
  // An idle connection of a browser, say.
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  assert.equal((await send(child.port, "/api/ping", { agent })).status, 200);
  child.command({ command: "close" });
  child.command({ command: "close" });
  await child.told("closed");
  await child.ended();
  child.assertUnharmed();
});

test("a process ends with its parent", async (t) => {
  const child = await startChild(t, await testNetwork());
  child.endInput();
  await child.ended();
  assert.equal(child.stderr, "");
});
