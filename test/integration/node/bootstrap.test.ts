// Nodes without multicast find one another by address.
import assert from "node:assert/strict";
import { test } from "node:test";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import { formatPeerAddress } from "../../../src/identity/peer-address.ts";
import { startChild } from "./child-node.ts";
import { apiJson, apiPing, freeTcpPort, knows, LogKeeper, startNode, until } from "./rig.ts";

test("two nodes without discovery find each other by a bootstrap address", async (t) => {
  const first = await startNode(t, { discovery: false });
  const second = await startNode(t, { discovery: false, bootstrap: [first.address] });
  await knows(first, second.id);
  await until("they are connected", () => second.isConnected(first.id));
  for (const [node, other] of [
    [first, second],
    [second, first],
  ] as const) {
    const [result, ...more] = await apiPing(node.port);
    assert.equal(more.length, 0);
    assert.equal(result?.id, other.id.toString());
    assert.equal(result.ok, true);
  }
  assert.equal((await apiJson(first.port, "/api/peers")).peers[0].source, "PEER_SOURCE_INBOUND");
  assert.equal((await apiJson(second.port, "/api/peers")).peers[0].source, "PEER_SOURCE_BOOTSTRAP");
  // The one that only knows the other by its connection forgets it with that.
  await second.close();
  await until("it is forgotten", () => first.peers.size === 0);
});

test("by a bootstrap address with a host name a node comes to know the others on the machine", async (t) => {
  const first = await startNode(t, { discovery: false });
  const second = await startNode(t, { discovery: false, bootstrap: [first.address] });
  await knows(first, second.id);
  const address = formatPeerAddress({ id: first.id, host: "localhost", port: first.port });
  const third = await startNode(t, { discovery: false, bootstrap: [address] });
  await until("the second is in its table", () => third.dht.table.has(second.id));
});

test("a bootstrap peer that starts later, and one that restarts, are connected to", async (t) => {
  const keys = generateKeyPair();
  const port = await freeTcpPort();
  const seed = Buffer.from(keys.secretKey.subarray(0, 32)).toString("hex");
  const log = new LogKeeper();
  const address = formatPeerAddress({ id: keys.id, host: "127.0.0.1", port });
  const node = await startNode(t, { discovery: false, bootstrap: [address], logger: log });
  const failures = (): number => log.lines.filter(({ fields }) => fields.event === "bootstrap_failed").length;
  await until("an attempt has failed", () => failures() > 0);
  assert.equal(node.peers.size, 1);

  const child = await startChild(t, { discovery: false, port, seed });
  assert.equal(child.address, address);
  await until("they are connected", () => node.isConnected(keys.id));
  await child.kill();
  await until("the loss is noticed", () => !node.isConnected(keys.id));
  const again = await startChild(t, { discovery: false, port, seed });
  await until("they are connected again", () => node.isConnected(keys.id));
  await again.told("peer", { id: node.id.toString() });
  assert.equal((await apiPing(node.port))[0]?.ok, true);
  again.command({ command: "close" });
  await again.ended();
  again.assertUnharmed();
});

test("a node leaves its own address out of its bootstrap addresses", async (t) => {
  const keys = generateKeyPair();
  const port = await freeTcpPort();
  const address = formatPeerAddress({ id: keys.id, host: "127.0.0.1", port });
  const log = new LogKeeper();
  const other = await startNode(t, { discovery: false });
  const node = await startNode(t, { discovery: false, keys, port, bootstrap: [address, other.address], logger: log });
  await until("the other is connected", () => node.isConnected(other.id));
  assert.equal(node.peers.size, 1);
  assert.deepEqual(log.complaints, []);
});

test("what a bootstrap address says wrongly is a failed attempt, reported with its reason", async (t) => {
  const server = await startNode(t, { discovery: false });
  const log = new LogKeeper();
  const address = formatPeerAddress({ id: generateKeyPair().id, host: "127.0.0.1", port: server.port });
  const node = await startNode(t, { discovery: false, bootstrap: [address], logger: log });
  await until("it is reported", () => log.complaints.length > 0);
  const { fields } = log.lines.find(({ level }) => level === "warn") ?? assert.fail("nothing is logged");
  assert.equal(fields["address"], address);
  assert.match(String(fields["reason"]), /does not hold the expected key/);
  const [result] = await apiPing(node.port);
  assert.equal(result?.error?.reason, "authentication_failed");
  assert.equal(NodeId.parse(result.id).equals(server.id), false);
});
