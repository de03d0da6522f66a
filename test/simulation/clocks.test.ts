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
