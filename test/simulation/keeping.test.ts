// How records stay where they belong: replication that spares what others have just done and lengthens no life, records that go
// to a node that comes and is closer, and copies on the way of a lookup.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RecordKey } from "../../src/dht/record-key.ts";
import { compareDistance } from "../../src/identity/node-id.ts";
import { type DhtNetwork, dhtNetwork, type NetworkNode } from "./dht-network.ts";

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
