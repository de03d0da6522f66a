// Strangers that fill the stores of real nodes: whoever is honest puts, provides and finds as before.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { DhtService } from "../../../gen/dswarm/v1/dht_pb.ts";
import type { Published } from "../../../src/dht/publisher.ts";
import type { DhtRecord } from "../../../src/dht/record.ts";
import { createImmutable, createProvider, recordToMessage } from "../../../src/dht/record-codec.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import type { StoreOptions } from "../../../src/dht/store-options.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { startNode } from "./rig.ts";

/** Nodes that have one another in their tables. */
async function honestNodes(t: TestContext, count: number, store: StoreOptions): Promise<DswarmNode[]> {
  const nodes: DswarmNode[] = [];
  for (let i = 0; i < count; i++) nodes.push(await startNode(t, { discovery: false, dht: { store } }));
  const contacts = nodes.map(({ id, port }) => ({ id, addresses: [{ host: "127.0.0.1", port }] }));
  for (const node of nodes) {
    for (const contact of contacts) if (!contact.id.equals(node.id)) await node.dht.ping(contact);
  }
  return nodes;
}

/** A key that has been thrown away by the time that anybody looks. */
function stranger(t: TestContext): Promise<DswarmNode> {
  return startNode(t, { discovery: false, dht: { isClient: true } });
}

/** Has a node keep records, and pass them on; returns how many it took. */
async function flood(
  attacker: DswarmNode,
  victim: DswarmNode,
  records: readonly DhtRecord[],
  forwardTo: readonly DswarmNode[] = [],
): Promise<number> {
  const { store } = attacker.client(DhtService, victim.address);
  const ids = forwardTo.map(({ id }) => id.bytes);
  const answers = await Promise.allSettled(
    records.map((record) => store({ record: recordToMessage(record, 86_400), forwardTo: ids })),
  );
  return answers.filter(({ status }) => status === "fulfilled").length;
}

function junk(count: number): DhtRecord[] {
  return Array.from({ length: count }, () => createImmutable(generateKeyPair().id.bytes));
}

test("strangers that have a node pass records on take nothing of its own share elsewhere", async (t) => {
  const [victim, ...others] = await honestNodes(t, 3, { maxPeerRecords: 30 });
  assert.ok(victim !== undefined);
  for (let n = 0; n < 3; n++) assert.equal(await flood(await stranger(t), victim, junk(30), others), 30);
  for (const { dht } of others) {
    const passedOn = [...dht.store.entries()].filter(({ from }) => from?.equals(victim.id));
    assert.ok(passedOn.length === 30 && passedOn.every(({ isForwarded }) => isForwarded));
  }
  for (let n = 0; n < 20; n++) {
    const published: Published = await victim.dht.put(Uint8Array.of(n));
    assert.equal(published.replicas, others.length);
  }
});

test("strangers that fill the stores are what gives way to honest nodes", async (t) => {
  const nodes = await honestNodes(t, 3, { maxRecords: 200, maxPeerRecords: 50 });
  const early = await nodes[1]?.dht.put(Uint8Array.of(200));
  for (let n = 0; n < 9; n++) {
    const attacker = await stranger(t);
    for (const node of nodes) await flood(attacker, node, junk(50));
  }
  for (const { dht } of nodes) assert.equal(dht.store.size, 200);
  const [writer, , reader] = nodes;
  assert.ok(writer !== undefined && reader !== undefined && early !== undefined);
  for (let n = 0; n < 15; n++) {
    const value = Uint8Array.of(n);
    const published: Published = await writer.dht.put(value);
    assert.equal(published.replicas, 2);
    for (const { dht } of nodes) assert.ok(dht.store.has(published.key));
    assert.deepEqual((await reader.dht.get(published.key))?.value, value);
  }
  for (const { dht } of nodes) assert.ok(dht.store.size <= 200 && dht.store.has(early.key));
});

test("invented providers keep no provider out, and fill no answer", async (t) => {
  const nodes = await honestNodes(t, 4, { maxProviders: 32 });
  const [first, second, late, asker] = nodes;
  assert.ok(first !== undefined && second !== undefined && late !== undefined && asker !== undefined);
  const key = RecordKey.ofName("a service");
  await first.dht.provide(key);
  const addresses = [{ host: "127.0.0.1", port: 9 }];
  const invented = Array.from({ length: 100 }, () =>
    createProvider({ keys: generateKeyPair(), key, addresses, sequence: 1n }),
  );
  const attacker = await stranger(t);
  for (const node of nodes) assert.equal(await flood(attacker, node, invented), 100);
  for (const node of [second, late]) {
    const published: Published = await node.dht.provide(key);
    assert.equal(published.replicas, 3);
  }
  for (const node of nodes) assert.equal(await flood(attacker, node, invented), 100);
  const honest = [first, second, late].map(({ id }) => id.toString());
  for (const { dht } of nodes) {
    const found = (await dht.findProviders(key)).map(({ provider }) => provider.id.toString());
    assert.ok(found.length <= 64);
    for (const id of honest) assert.ok(found.includes(id), "each honest provider is found");
    const few = await dht.findProviders(key, { limit: 4 });
    assert.equal(few.length, 4);
  }
});

test("a crowd of crashed providers keeps no provider out", async (t) => {
  const nodes = await honestNodes(t, 3, { maxProviders: 8 });
  const [writer, , asker] = nodes;
  assert.ok(writer !== undefined && asker !== undefined);
  const key = RecordKey.ofName("a service");
  for (let n = 0; n < 10; n++) {
    const keys = generateKeyPair();
    const provider = await startNode(t, { discovery: false, keys, dht: { isClient: true } });
    const record = createProvider({ keys, key, addresses: [{ host: "127.0.0.1", port: 9 }], sequence: 1n });
    for (const node of nodes) assert.equal(await flood(provider, node, [record]), 1);
    await provider.abort();
  }
  assert.equal((await writer.dht.provide(key)).replicas, 2);
  const found = await asker.dht.findProviders(key);
  assert.ok(found.some(({ provider }) => provider.id.equals(writer.id)));
});
