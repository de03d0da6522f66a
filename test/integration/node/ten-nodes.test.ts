// Ten nodes find one another, in one process and in ten, and answer /api.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NodeId } from "../../../src/identity/node-id.ts";
import { startChild } from "./child-node.ts";
import {
  allAcquainted,
  apiJson,
  apiPing,
  assertPinged,
  byDistance,
  send,
  startNode,
  testNetwork,
  until,
} from "./rig.ts";

const ten = Array.from({ length: 10 });

test("ten nodes in one process know all others and ping the three closest", async (t) => {
  const options = await testNetwork();
  const startedAt = performance.now();
  const nodes = await Promise.all(ten.map(() => startNode(t, options)));
  const listeningAt = performance.now();
  await allAcquainted(nodes);
  const listenMs = Math.round(listeningAt - startedAt);
  t.diagnostic(
    `listening after ${listenMs} ms, all acquainted ${Math.round(performance.now() - listeningAt)} ms later`,
  );
  for (const node of nodes) {
    const others = nodes.filter((other) => other !== node).map(({ id }) => id);
    assert.equal(node.peers.size, others.length);
    assert.deepEqual(
      node.peers.closest().map(({ id }) => id.toString()),
      byDistance(node.id, others),
    );
    assertPinged(await apiPing(node.port), byDistance(node.id, others).slice(0, 3));
  }
});

test("ten processes know all others and ping the three closest; when half are killed, the others go on", async (t) => {
  // Ten processes that start at once keep one another waiting: longer than this, no node falls silent.
  const options = await testNetwork({ intervalMs: 500 });
  const startedAt = performance.now();
  const children = await Promise.all(ten.map(() => startChild(t, options)));
  const listeningAt = performance.now();
  for (const child of children) {
    for (const { id } of children) if (id !== child.id) await child.told("peer", { id });
  }
  const listenMs = Math.round(listeningAt - startedAt);
  t.diagnostic(
    `listening after ${listenMs} ms, all acquainted ${Math.round(performance.now() - listeningAt)} ms later`,
  );
  for (const { id, port } of children) {
    const others = children.filter((other) => other.id !== id).map((other) => NodeId.parse(other.id));
    const expected = byDistance(NodeId.parse(id), others);
    const { peers } = await apiJson(port, "/api/peers");
    assert.deepEqual(
      peers.map((peer: { id: string }) => peer.id),
      expected,
    );
    assertPinged(await apiPing(port), expected.slice(0, 3));
  }

  const [dead, alive] = [children.slice(0, 5), children.slice(5)];
  await Promise.all(dead.map((child) => child.kill()));
  for (const child of alive) for (const { id } of dead) await child.told("peerLost", { id, reason: "expired" });
  const newcomer = await startNode(t, options);
  for (const child of alive) {
    await child.told("peer", { id: newcomer.id.toString() });
    const results = await apiPing(child.port, "?count=20");
    assert.equal(results.length, alive.length);
    for (const { ok, error } of results) assert.equal(ok, true, error?.message);
    child.assertUnharmed();
  }
  await until("the newcomer knows them", () => alive.every(({ id }) => newcomer.peers.get(NodeId.parse(id))));
});

test("every way to call the API of a node gives the same", async (t) => {
  const options = await testNetwork();
  const nodes = await Promise.all(ten.slice(0, 5).map(() => startNode(t, options)));
  await allAcquainted(nodes);
  const [node, ...others] = nodes;
  assert.ok(node);
  const { port } = node;
  const ids = others.map(({ id }) => id);
  const closest = byDistance(node.id, ids);
  const post = { method: "POST" };

  assertPinged(await apiPing(port, "?count=2"), closest.slice(0, 2));
  // In any text form and order; the answer is in order of distance, one a peer.
  const [first, second] = ids;
  assert.ok(first && second);
  const query = new URLSearchParams([
    ["ids", second.toHex()],
    ["ids", first.toString()],
    ["ids", second.toBase64url()],
  ]);
  assertPinged(await apiPing(port, `?${query.toString()}`), byDistance(node.id, [first, second]));
  for (const path of ["/api/ping", "/api/dswarm.v1.NodeService/PingPeers"]) {
    const answer = await send(port, path, post, `{"count":4}`);
    assert.equal(answer.status, 200);
    assertPinged(JSON.parse(answer.text).results, closest);
  }

  const { peers } = await apiJson(port, "/api/peers?limit=2");
  assert.equal(peers.length, 2);
  assert.deepEqual(JSON.parse((await send(port, "/api/peers", post, `{"limit":2}`)).text).peers.length, 2);
  const [peer] = peers;
  assert.equal(peer.id, closest[0]);
  assert.equal(peer.connected, true);
  assert.equal(peer.verified, true);
  assert.equal(peer.source, "PEER_SOURCE_ANNOUNCE");
  assert.ok(peer.rttMs >= 0 && peer.sharedBits >= 0 && peer.lastHeardMs >= 0);

  const status = await apiJson(port, "/api/status");
  assert.equal(status.id, node.id.toString());
  assert.equal(status.address, node.address);
  assert.equal(status.port, port);
  assert.equal(status.network, options.network);
  assert.equal(status.peers, 4);
  assert.equal(status.connections, 4);
  assert.match(status.certificateSha256, /^[0-9a-f]{64}$/);
  assert.ok(status.uptimeMs > 0 && status.counters["api.requests"] > 0);
});

test("a bad request to the API is refused and says why", async (t) => {
  const { port, id } = await startNode(t, { discovery: false });
  const refused: readonly (readonly [string, number, RegExp])[] = [
    ["?count=21", 400, /count: at most 20/],
    ["?timeoutMs=60001", 400, /timeout_ms: at most 60000/],
    [`?${"ids=x&".repeat(21)}`, 400, /ids: at most 20/],
    ["?ids=x", 400, /not a valid node id/],
    [`?ids=${id.toHex()}`, 400, /does not connect to itself/],
  ];
  for (const [query, status, message] of refused) {
    const answer = await send(port, `/api/ping${query}`);
    assert.equal(answer.status, status);
    assert.match(JSON.parse(answer.text).message, message);
  }
  assert.equal((await send(port, "/nothing")).status, 404);
  const withoutApi = await startNode(t, { discovery: false, api: false });
  assert.equal((await send(withoutApi.port, "/api/ping")).status, 404);
});
