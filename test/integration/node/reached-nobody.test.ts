// A node that reaches none of the nodes it is to have says so, and not that there is nothing. One that is meant to be alone is the whole
// of its DHT.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { formatPeerAddress } from "../../../src/identity/peer-address.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { announceAs } from "./announces.ts";
import { freeTcpPort, send, startNode, testNetwork, until } from "./rig.ts";

const key = RecordKey.ofName("nothing is there");
const stranger = generateKeyPair().id;

/** The address of a node that is not there. */
async function nobody(): Promise<string> {
  return formatPeerAddress({ id: generateKeyPair().id, host: "127.0.0.1", port: await freeTcpPort() });
}

async function emptyDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "dswarm-alone-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Everything that looks for something in the DHT fails with `unreachable`, and what the node keeps itself is found. */
async function assertReachesNobody(node: DswarmNode): Promise<void> {
  const { dht } = node;
  assert.equal(dht.table.size, 0);
  await assert.rejects(dht.get(key), { code: "unreachable" });
  await assert.rejects(dht.find(key), { code: "unreachable" });
  await assert.rejects(dht.findProviders(key), { code: "unreachable" });
  await assert.rejects(dht.keepers(key), { code: "unreachable" });
  await assert.rejects(dht.findPeer(stranger), { code: "unreachable" });
  await assert.rejects(dht.watch(key).next(), { code: "unreachable" });
  const text = encodeURIComponent(key.toString());
  for (const path of [`values/${text}`, `providers?key=${text}`, `keepers/${text}`, `peers/${stranger.toHex()}`]) {
    const answer = await send(node.port, `/api/${path}`);
    assert.deepEqual([answer.status, JSON.parse(answer.text).reason], [503, "unreachable"], path);
  }
  const { key: own } = await dht.put(Buffer.from("own"));
  assert.ok(await dht.get(own));
  assert.equal((await dht.keepers(own)).length, 1);
}

/** The same is not found. */
async function assertIsAll(node: DswarmNode): Promise<void> {
  const { dht } = node;
  assert.equal(await dht.get(key), undefined);
  assert.equal(await dht.find(key), undefined);
  assert.deepEqual(await dht.findProviders(key), []);
  assert.deepEqual(
    (await dht.keepers(key)).map(({ id }) => id),
    [node.id],
  );
  assert.equal(await dht.findPeer(stranger), undefined);
  assert.equal((await dht.watch(key).next()).value, undefined);
}

test("a node whose bootstrap peers are not there reaches nobody, as a client does", async (t) => {
  for (const isClient of [false, true]) {
    const node = await startNode(t, { discovery: false, bootstrap: [await nobody()], dht: { isClient } });
    if (isClient) await assert.rejects(node.dht.get(key), { code: "unreachable" });
    else await assertReachesNobody(node);
  }
});

test("a node that reaches a bootstrap peer later finds that there is nothing", async (t) => {
  const keys = generateKeyPair();
  const port = await freeTcpPort();
  const address = formatPeerAddress({ id: keys.id, host: "127.0.0.1", port });
  const node = await startNode(t, { discovery: false, bootstrap: [address] });
  await assert.rejects(node.dht.get(key), { code: "unreachable" });
  await startNode(t, { discovery: false, keys, port });
  await until("it is in the table", () => node.dht.table.has(keys.id));
  assert.equal(await node.dht.get(key), undefined);
});

test("a node that hears peers and reaches none of them reaches nobody", async (t) => {
  const network = await testNetwork();
  const node = await startNode(t, network);
  await assertIsAll(node);
  const keys = generateKeyPair();
  await announceAs(keys, network, { port: await freeTcpPort() });
  await until("it is heard", () => node.peers.get(keys.id) !== undefined);
  await assert.rejects(node.dht.get(key), { code: "unreachable" });
});

test("a node that finds none of those of its last run reaches nobody", async (t) => {
  const dataDir = await emptyDirectory(t);
  const other = await startNode(t, { discovery: false });
  const before = await startNode(t, { discovery: false, dataDir, bootstrap: [other.address] });
  await until("it is in the table", () => before.dht.table.has(other.id));
  await before.close();
  await other.close();
  await assertReachesNobody(await startNode(t, { discovery: false, dataDir }));
});

test("a node that is meant to be alone finds that there is nothing", async (t) => {
  const keys = generateKeyPair();
  const port = await freeTcpPort();
  const own = formatPeerAddress({ id: keys.id, host: "127.0.0.1", port });
  await assertIsAll(await startNode(t, { discovery: false }));
  await assertIsAll(await startNode(t, { discovery: false, keys, port, bootstrap: [own] }));
  await assertIsAll(await startNode(t, { discovery: false, dataDir: await emptyDirectory(t) }));
});

test("a node whose only peers serve no DHT finds that there is nothing", async (t) => {
  const node = await startNode(t, { discovery: false });
  const client = await startNode(t, { discovery: false, bootstrap: [node.address], dht: { isClient: true } });
  await until("they are connected", () => node.isConnected(client.id));
  await assertIsAll(node);
});
