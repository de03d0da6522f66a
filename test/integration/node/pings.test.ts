// /api/ping with few peers, none, and dead ones.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import { startChild } from "./child-node.ts";
import { apiPing, assertPinged, byDistance, freeTcpPort, knows, send, startNode, testNetwork, until } from "./rig.ts";

test("a node that knows nobody answers no results", async (t) => {
  const node = await startNode(t, await testNetwork());
  const { status, text } = await send(node.port, "/api/ping");
  assert.equal(status, 200);
  assert.equal(text.trim(), `{"results":[]}`);
});

test("a node that knows two peers answers two results", async (t) => {
  const options = await testNetwork();
  const node = await startNode(t, options);
  const others = [await startNode(t, options), await startNode(t, options)];
  for (const { id } of others) await knows(node, id);
  const ids = others.map(({ id }) => id);
  assertPinged(await apiPing(node.port), byDistance(node.id, ids));
});

test("the round-trip times of peers are known before anybody pings", async (t) => {
  const options = await testNetwork();
  const nodes = [await startNode(t, options), await startNode(t, options), await startNode(t, options)];
  for (const node of nodes) {
    for (const other of nodes) {
      if (other === node) continue;
      await until("a call was answered", () => node.peers.get(other.id)?.rttMs !== undefined);
    }
  }
});

test("a peer killed with kill -9 is reported as unavailable with a reason, the others as before", async (t) => {
  // Long intervals: the dead peer is not forgotten within the test.
  const options = await testNetwork({ intervalMs: 60_000 });
  const node = await startNode(t, options);
  const children = await Promise.all([startChild(t, options), startChild(t, options), startChild(t, options)]);
  for (const { id } of children) await knows(node, NodeId.parse(id));
  const order = byDistance(
    node.id,
    children.map(({ id }) => NodeId.parse(id)),
  );
  assertPinged(await apiPing(node.port), order);
  const [dead] = children;
  assert.ok(dead);
  await dead.kill();
  // Once while the loss of the connection may not be known yet, then when it is.
  for (let round = 0; round < 3; round++) {
    const results = await apiPing(node.port);
    assert.deepEqual(
      results.map(({ id }) => id),
      order,
    );
    for (const { id, ok, error, rttMs, address } of results) {
      assert.equal(ok, id !== dead.id);
      if (ok) continue;
      assert.equal(address, `127.0.0.1:${dead.port}`);
      assert.equal(rttMs, undefined);
      assert.equal(error?.code, "unavailable");
      assert.match(error?.reason ?? "", /^(?:unreachable|link_truncated)$/);
      assert.ok(error?.message);
    }
  }
});

/** A port that accepts connections and says nothing. */
async function silentServer(t: TestContext): Promise<number> {
  const server = createServer((socket) => t.after(() => socket.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}

test("a ping tells apart unknown, unreachable and silent peers", async (t) => {
  const node = await startNode(t, { discovery: false });
  const stranger = generateKeyPair().id;
  const [unknown] = await apiPing(node.port, `?ids=${stranger.toHex()}`);
  assert.equal(unknown?.address, "");
  assert.deepEqual([unknown?.error?.code, unknown?.error?.reason], ["not_found", "peer_unknown"]);

  node.client(EchoService, `dswarm://${stranger.toHex()}@127.0.0.1:${await freeTcpPort()}`);
  const [unreachable] = await apiPing(node.port, `?ids=${stranger.toHex()}`);
  assert.deepEqual([unreachable?.error?.code, unreachable?.error?.reason], ["unavailable", "unreachable"]);

  const silent = await silentServer(t);
  const other = generateKeyPair().id;
  await assert.rejects(node.ping(`dswarm://${other.toHex()}@127.0.0.1:${silent}`, { timeoutMs: 50 }), {
    name: "ConnectError",
    message: /deadline_exceeded/,
  });
  const [late] = await apiPing(node.port, `?ids=${other.toHex()}&timeoutMs=50`);
  assert.equal(late?.ok, false);
  assert.equal(late?.error?.code, "deadline_exceeded");
});
