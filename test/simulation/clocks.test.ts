// Wall clocks that are wrong, put right, or run on while the machine is suspended.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { RecordSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import { createProvider, recordToMessage } from "../../src/dht/record-codec.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { dhtNetwork } from "./dht-network.ts";

const hourMs = 3_600_000;
const service = RecordKey.ofName("a.Service");

test("what a node provides follows its last word, whatever its wall clock does in between", async () => {
  const network = await dhtNetwork(8, 71);
  const [{ dht } = {}, other] = network.nodes;
  assert.ok(dht !== undefined && other !== undefined);
  const move = fc.record({ wallMs: fc.integer({ min: -40 * hourMs, max: hourMs }), provides: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 1, maxLength: 6 }), async (moves) => {
      for (const { wallMs, provides } of moves) {
        network.clock.moveWall(wallMs);
        if (provides) await network.run(dht.provide(service));
        else await network.run(dht.unprovide(service));
      }
      const found = await network.run(other.dht.findProviders(service));
      assert.equal(found.length, moves.at(-1)?.provides === true ? 1 : 0);
    }),
    { numRuns: 20 },
  );
});

test("of changes that are made at once the last one holds", async () => {
  const network = await dhtNetwork(8, 72);
  const [{ dht } = {}, other] = network.nodes;
  assert.ok(dht !== undefined && other !== undefined);
  for (let i = 0; i < 10; i++) {
    await network.run(Promise.all([dht.provide(service), dht.unprovide(service), dht.provide(service)]));
    assert.equal((await network.run(other.dht.findProviders(service))).length, 1);
    await network.run(Promise.all([dht.unprovide(service), dht.provide(service), dht.unprovide(service)]));
    assert.equal((await network.run(other.dht.findProviders(service))).length, 0);
  }
});

test("a provider that has lost its data directory goes on from its largest sequence that peers hold", async () => {
  const network = await dhtNetwork(30, 73);
  const [{ dht, keys, endpoint } = {}, other] = network.nodes;
  assert.ok(dht !== undefined && keys !== undefined && endpoint !== undefined && other !== undefined);
  // It was published before, when the clock was a year ahead: this node has no note of it.
  const sequence = BigInt(network.clock.wallMs() + 365 * 24 * hourMs);
  const early = createProvider({ keys, key: service, addresses: [{ host: "10.1.1.1", port: 1 }], sequence });
  const message = create(RecordSchema, recordToMessage(early, 3600));
  const forever = new AbortController().signal;
  for (const node of network.nodes.slice(1)) {
    await network.run(endpoint.store(node.endpoint.contact, { record: message }, forever));
  }
  const published = await network.run(dht.provide(service));
  assert.ok(published.sequence > sequence);
  const [found] = await network.run(other.dht.findProviders(service));
  assert.equal(found?.sequence, published.sequence);
  await network.run(dht.unprovide(service));
  assert.deepEqual(await network.run(other.dht.findProviders(service)), []);
});

test("after a suspend of 25 hours values, updates and providers are found again within a minute", async () => {
  const network = await dhtNetwork(25, 74);
  const values = [];
  for (const [i, { dht }] of network.nodes.entries()) {
    const { key } = await network.run(dht.put(Uint8Array.of(i)));
    const update = await network.run(dht.update(Uint8Array.of(i)));
    await network.run(dht.provide(service));
    values.push(key, update.key);
  }
  network.clock.moveWall(25 * hourMs);
  await network.sleep(60_000);
  const [reader] = network.nodes;
  assert.ok(reader !== undefined);
  for (const key of values) assert.ok((await network.run(reader.dht.get(key))) !== undefined, key.toString());
  assert.equal((await network.run(reader.dht.findProviders(service))).length, network.nodes.length);
});

test("a publisher that was suspended alone publishes again at once; what was not due is left alone", async () => {
  const network = await dhtNetwork(8, 75, { replicationMs: 1000 * hourMs, routing: { refreshMs: 1000 * hourMs } });
  const [{ dht, endpoint } = {}] = network.nodes;
  assert.ok(dht !== undefined && endpoint !== undefined);
  await network.run(dht.put(Uint8Array.of(1)));
  const before = endpoint.calls;
  network.clock.moveWall(2 * hourMs);
  await network.sleep(60_000);
  const rejoined = endpoint.calls - before;
  assert.ok(rejoined > 0 && rejoined < 10, `a lookup and no more: ${rejoined} calls`);
  network.clock.moveWall(21 * hourMs);
  await network.sleep(60_000);
  assert.ok(endpoint.calls - before > rejoined + 10, "now it was due");
});

test("records live as long as they have left, and no longer, when the wall clock is put back", async () => {
  const network = await dhtNetwork(8, 76, { replicationMs: 1000 * hourMs });
  // Stored while the clock was a month ahead.
  network.clock.moveWall(31 * 24 * hourMs);
  await network.sleep(60_000);
  const [{ dht } = {}, other] = network.nodes;
  assert.ok(dht !== undefined && other !== undefined);
  const { key } = await network.run(dht.put(Uint8Array.of(1)));
  await network.run(dht.unpublish(key));
  network.clock.moveWall(-31 * 24 * hourMs);
  await network.sleep(60_000);
  const found = await network.run(other.dht.find(key));
  assert.ok(found !== undefined && found.ttlS <= 86_400, `${found?.ttlS} s left`);
  await network.sleep(24 * hourMs);
  assert.equal(await network.run(other.dht.get(key)), undefined);
});
