// Records that are passed on: not all nodes have connections with one another, so that who puts may ask few of the k closest itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createImmutable, createMutable, recordToMessage } from "../../src/dht/record-codec.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { compareDistance, type NodeId, sharedBits } from "../../src/identity/node-id.ts";
import { type DhtNetwork, dhtNetwork, lie, type NetworkNode } from "./dht-network.ts";

const k = 20;
const replicationMs = 3_600_000;

/** With those of the same half of the ids, and a quarter of the others. */
function isConnected({ bytes: a }: NodeId, { bytes: b }: NodeId): boolean {
  const mixed = Math.imul((a.at(-1) ?? 0) ^ (b.at(-1) ?? 0), 0x9e37_79b1);
  return sharedBits(a, b) > 0 || (mixed >>> 16) % 4 === 0;
}

function closest({ nodes }: DhtNetwork, key: RecordKey): readonly NetworkNode[] {
  return nodes.toSorted((a, b) => compareDistance(key.bytes, a.dht.id.bytes, b.dht.id.bytes)).slice(0, k);
}

test("the k closest keep what is put, though few of them are asked by a putter with few connections there", async () => {
  const network = await dhtNetwork(80, 21, {}, isConnected);
  let stores = 0;
  let farPuts = 0;
  let holders = 0;
  const putters = network.nodes.slice(0, 20);
  for (const [i, { dht, endpoint }] of putters.entries()) {
    const value = new TextEncoder().encode(`value ${i}`);
    const key = RecordKey.ofValue(value);
    // A node of the key's own half has connections with all of the k closest, and asks them itself.
    const isFar = sharedBits(dht.id.bytes, key.bytes) === 0;
    const store = endpoint.store.bind(endpoint);
    endpoint.store = async (...call) => {
      if (isFar) stores += 1;
      return await store(...call);
    };
    if (isFar) farPuts += 1;
    const { replicas } = await network.run(dht.put(value));
    assert.ok(replicas >= k);
    holders += closest(network, key).filter((node) => node.dht.store.has(key)).length;
  }
  assert.ok(holders / putters.length > 0.99 * k, `${holders / putters.length} of ${k}`);
  assert.ok(farPuts >= 5, `${farPuts} puts from the other half`);
  assert.ok(stores / farPuts <= k / 2, `${stores / farPuts} of ${k} asked by the putter`);
});

test("an update and its condition are passed on: what came from elsewhere in the meantime stays", async () => {
  const network = await dhtNetwork(60, 29, {}, isConnected);
  const [node, courier] = network.nodes;
  assert.ok(node !== undefined && courier !== undefined);
  const first = await network.run(node.dht.update(Uint8Array.of(1)));
  for (const { dht } of closest(network, first.key)) assert.ok(dht.store.has(first.key));
  // Another process with the same key: its update reaches all when the node has asked all for the sequence and none has its update.
  const rival = createMutable({ keys: node.keys, sequence: first.sequence + 1n, value: Uint8Array.of(2) });
  const store = node.endpoint.store.bind(node.endpoint);
  let isRivalled = false;
  const rivalled = Promise.withResolvers<void>();
  node.endpoint.store = async (...call) => {
    if (!isRivalled) {
      isRivalled = true;
      const record = recordToMessage(rival, 60);
      const { signal } = new AbortController();
      const others = closest(network, first.key).filter((other) => other !== node && other !== courier);
      await Promise.all(others.map(({ endpoint }) => courier.endpoint.store(endpoint.contact, { record }, signal)));
      rivalled.resolve();
    }
    await rivalled.promise;
    return store(...call);
  };
  const late = node.dht.update(Uint8Array.of(3), { expectedSequence: first.sequence });
  await assert.rejects(network.run(late), { code: "record_conflict" });
  const found = await network.each(network.nodes.slice(2, 20), async ({ dht }) => dht.get(first.key));
  for (const record of found) assert.deepEqual(record?.value, Uint8Array.of(2));
});

test("one that is silent does not keep back the word of those that keep it", async () => {
  const network = await dhtNetwork(4, 24);
  const [caller, callee, silent, other] = network.nodes;
  assert.ok(caller !== undefined && callee !== undefined && silent !== undefined && other !== undefined);
  silent.endpoint.serve({
    ping: (request, from) => silent.honest.ping(request, from),
    findNode: (request, from) => silent.honest.findNode(request, from),
    findValue: (request, from) => silent.honest.findValue(request, from),
    store: () => new Promise(() => {}),
  });
  const value = Uint8Array.of(1);
  const record = recordToMessage(createImmutable(value), 60);
  const forwardTo = [silent, other].map(({ dht }) => dht.id.bytes);
  const startedAt = network.clock.now();
  const answer = caller.endpoint.store(callee.endpoint.contact, { record, forwardTo }, new AbortController().signal);
  const { keptBy } = await network.run(answer);
  assert.deepEqual(keptBy, [other.dht.id.bytes]);
  assert.ok(network.clock.now() - startedAt < 800, "before a query fails");
  assert.ok(other.dht.store.has(RecordKey.ofValue(value)));
});

test("a fifth that only say that they pass it on lose no value, and within an hour honest nodes have made up for them", async () => {
  const network = await dhtNetwork(80, 23, {}, isConnected);
  const liars = network.nodes.filter((_, i) => i % 5 === 4);
  const honest = network.nodes.filter((node) => !liars.includes(node));
  lie(liars, []);
  const keys: RecordKey[] = [];
  for (const [i, { dht }] of honest.slice(0, 30).entries()) {
    const { key } = await network.run(dht.put(new TextEncoder().encode(`value ${i}`)));
    keys.push(key);
  }
  const readers = honest.slice(30, 35);
  for (const key of keys) {
    const found = await network.each(readers, ({ dht }) => dht.get(key));
    assert.ok(found.every((record) => record !== undefined));
  }
  for (const { dht } of network.nodes) dht.start({ join: false });
  await network.sleep(1.5 * replicationMs);
  for (const key of keys) {
    const expected = closest(network, key).filter((node) => !liars.includes(node));
    const holders = expected.filter((node) => node.dht.store.has(key));
    assert.equal(holders.length, expected.length);
  }
});
