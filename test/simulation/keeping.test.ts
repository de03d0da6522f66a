// How records stay where they belong: replication that spares what others have just done and lengthens no life, records that go
// to a node that comes and is closer, and copies on the way of a lookup.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { RecordSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import type { RecordKey } from "../../src/dht/record-key.ts";
import { compareDistance } from "../../src/identity/node-id.ts";
import { type DhtNetwork, dhtNetwork, lie, type NetworkNode } from "./dht-network.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const forever = 1000 * hourMs;

function byDistance(network: DhtNetwork, { bytes }: RecordKey): readonly NetworkNode[] {
  return network.nodes.toSorted((a, b) => compareDistance(bytes, a.dht.id.bytes, b.dht.id.bytes));
}

function holders(network: DhtNetwork, key: RecordKey): readonly NetworkNode[] {
  return network.nodes.filter(({ dht }) => dht.store.has(key));
}

test("of the holders of a record one replicates it each hour, and the others see that it did", async () => {
  const network = await dhtNetwork(20, 61, { routing: { refreshMs: forever } });
  const [{ dht } = {}] = network.nodes;
  assert.ok(dht !== undefined);
  const { key } = await network.run(dht.put(Uint8Array.of(1)));
  assert.equal(holders(network, key).length, 20);
  const calls = () => network.nodes.reduce((sum, { endpoint }) => sum + endpoint.calls, 0);
  const before = calls();
  await network.sleep(5.5 * hourMs);
  // Once: a few queries and a store for each of the other 19. Were it done by each of the 20, it would be 20 times as much.
  const rounds = (calls() - before) / 22;
  assert.ok(rounds >= 4 && rounds <= 10, `${rounds} rounds in five and a half hours`);
  assert.equal(holders(network, key).length, 20);
});

test("replication lengthens no life: what its publisher leaves alone is gone when its time is over", async () => {
  const network = await dhtNetwork(20, 62, { ttlS: 3 * 3600, replicationMs: 10 * minuteMs });
  const [{ dht } = {}, other] = network.nodes;
  assert.ok(dht !== undefined && other !== undefined);
  const { key } = await network.run(dht.put(Uint8Array.of(1)));
  await network.run(dht.unpublish(key));
  await network.sleep(2.9 * hourMs);
  assert.ok((await network.run(other.dht.get(key))) !== undefined);
  await network.sleep(0.2 * hourMs);
  assert.equal(await network.run(other.dht.get(key)), undefined);
});

test("a node that comes and is closer to a record gets it at once, not with the next replication", async () => {
  const k = 4;
  const network = await dhtNetwork(10, 63, { replicationMs: forever, routing: { k } });
  const [{ dht } = {}] = network.nodes;
  assert.ok(dht !== undefined);
  const { key } = await network.run(dht.put(Uint8Array.of(1)));
  const isNear = (node: NetworkNode) => byDistance(network, key).slice(0, k).includes(node);
  let near: NetworkNode | undefined;
  for (let i = 0; i < 30 && near === undefined; i++) {
    const newcomer = await network.join();
    if (isNear(newcomer)) near = newcomer;
  }
  assert.ok(near !== undefined);
  await network.sleep(minuteMs);
  assert.ok(near.dht.store.has(key));
});

test("a get leaves a copy with the closest that did not have it, where the options say so, for a shorter time", async () => {
  for (const cacheOnPath of [true, false]) {
    const k = 4;
    const network = await dhtNetwork(60, 64, { cacheOnPath, replicationMs: forever, routing: { k } });
    const [{ dht } = {}] = network.nodes;
    assert.ok(dht !== undefined);
    const { key } = await network.run(dht.put(Uint8Array.of(1)));
    const before = holders(network, key);
    for (const reader of network.nodes) await network.run(reader.dht.get(key));
    await network.sleep(minuteMs);
    const copies = holders(network, key).filter((node) => !before.includes(node));
    assert.equal(copies.length > 0, cacheOnPath, `${copies.length} copies`);
    for (const copy of copies) {
      const [held] = await copy.dht.store.get(key);
      assert.ok(held !== undefined && held.ttlS <= 86_400 / 2, "half a day at most");
    }
  }
});

test("twenty that say that they keep a record, and do not, take it from no holder", async () => {
  const network = await dhtNetwork(30, 65, { replicationMs: 10 * minuteMs });
  const [{ dht } = {}] = network.nodes;
  assert.ok(dht !== undefined);
  const { key } = await network.run(dht.put(Uint8Array.of(1)));
  await network.sleep(minuteMs);
  const honest = holders(network, key);
  assert.ok(honest.length >= 20);
  // Their keys are anywhere, but the record's are not theirs to be kept by: the holders see 20 that are closer.
  const liars: NetworkNode[] = [];
  for (let i = 0; i < 40; i++) liars.push(await network.join());
  lie(liars, []);
  await network.sleep(2 * hourMs);
  const left = holders(network, key).filter((node) => honest.includes(node));
  assert.equal(left.length, honest.length);
  const reader = network.nodes.find((node) => !liars.includes(node) && !node.dht.store.has(key));
  if (reader !== undefined) assert.ok((await network.run(reader.dht.get(key))) !== undefined);
});

test("whoever stores a record again and again keeps its holders from replicating for a few periods at most", async () => {
  const network = await dhtNetwork(24, 66, { replicationMs: hourMs, routing: { refreshMs: forever } });
  const [{ dht } = {}, liar] = network.nodes;
  assert.ok(dht !== undefined && liar !== undefined);
  const { key } = await network.run(dht.put(Uint8Array.of(1)));
  let replicated = 0;
  for (const { endpoint, honest } of network.nodes) {
    endpoint.serve({
      ping: (request, caller) => honest.ping(request, caller),
      findNode: (request, caller) => honest.findNode(request, caller),
      findValue: (request, caller) => honest.findValue(request, caller),
      store: (request, caller) => {
        if (!caller.id.equals(liar.dht.id)) replicated += 1;
        return honest.store(request, caller);
      },
    });
  }
  for (let half = 0; half < 42; half++) {
    for (const node of holders(network, key)) {
      const message = create(RecordSchema, {
        kind: { case: "immutable", value: { value: Uint8Array.of(1) } },
        ttlS: 3600,
      });
      if (node !== liar)
        await network.run(
          liar.endpoint.store(node.endpoint.contact, { record: message }, new AbortController().signal),
        );
    }
    await network.sleep(0.5 * hourMs);
  }
  assert.ok(replicated > 0, "some have replicated all the same");
});

test("newcomers get what is theirs though those who were to give it are gone without a word, and then serve it alone", async () => {
  const network = await dhtNetwork(10, 67, { replicationMs: forever, routing: { refreshMs: forever } });
  const [{ dht } = {}] = network.nodes;
  assert.ok(dht !== undefined);
  const keys: RecordKey[] = [];
  for (let i = 0; i < 30; i++) keys.push((await network.run(dht.put(Uint8Array.of(i)))).key);
  await network.sleep(10 * minuteMs);
  const old = network.nodes.slice();
  const crash = async (nodes: readonly NetworkNode[]) => {
    for (const node of nodes) {
      node.endpoint.isUp = false;
      await network.run(node.dht.close());
    }
  };
  const survivors = old.slice(4, 6);
  await crash(old.filter((node) => !survivors.includes(node)));
  const newcomers: NetworkNode[] = [];
  for (let i = 0; i < 3; i++) newcomers.push(await network.join(survivors));
  await network.sleep(minuteMs);
  assert.deepEqual(
    newcomers.map((node) => keys.filter((key) => node.dht.store.has(key)).length),
    [30, 30, 30],
  );
  await crash(survivors);
  for (const [i, key] of keys.entries()) {
    const reader = newcomers[i % 3] ?? assert.fail();
    assert.ok((await network.run(reader.dht.get(key))) !== undefined);
  }
});

test("one that comes again and again under other keys is given no more than its share", async () => {
  const network = await dhtNetwork(10, 68, {
    replicationMs: forever,
    handOverBytesPerSecond: 1,
    handOverBurstBytes: 100_000,
  });
  const [{ dht } = {}] = network.nodes;
  assert.ok(dht !== undefined);
  for (let i = 0; i < 20; i++) await network.run(dht.put(new Uint8Array(10_000).fill(i)));
  const sent = () => network.nodes.slice(0, 10).reduce((sum, { endpoint }) => sum + endpoint.bytesSent, 0);
  const before = sent();
  for (let i = 0; i < 20; i++) {
    await network.join();
    await network.sleep(minuteMs);
  }
  const perNode = (sent() - before) / 10;
  // Each newcomer has its own host here: four shares of one are the bound of all.
  assert.ok(perNode < 4 * 100_000 * 1.5, `${perNode} bytes a node`);
});
