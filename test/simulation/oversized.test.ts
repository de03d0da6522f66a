// Answers and requests that are larger than the protocol allows.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createProvider, recordToMessage } from "../../src/dht/record-codec.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { keyPairFromSeed } from "../../src/identity/keys.ts";
import { dhtNetwork, lie } from "./dht-network.ts";

const forever = new AbortController().signal;
const ttlS = 3600;

test("of an answer with more records than may be none is taken, and providers are found from those that keep to it", async () => {
  const network = await dhtNetwork(60, 9);
  const key = RecordKey.ofValue(new TextEncoder().encode("a service"));
  const providers = network.nodes.slice(0, 3);
  await network.each(providers, ({ dht }) => dht.provide(key));
  // Each is genuine, signed by a key of its own.
  const invented = Array.from({ length: 131 }, (_, i) => {
    const keys = keyPairFromSeed(new Uint8Array(32).fill(i + 1));
    const addresses = [{ host: "10.9.9.9", port: 9 }];
    return recordToMessage(createProvider({ keys, key, addresses, sequence: 1n }), ttlS);
  });
  const liars = network.nodes.slice(3).filter((_, i) => i % 4 === 0);
  lie(liars, invented);
  const readers = network.nodes.filter((node) => !liars.includes(node));
  const expected = providers.map(({ dht }) => dht.id.toString()).toSorted();
  for (const found of await network.each(readers, ({ dht }) => dht.findProviders(key))) {
    assert.deepEqual(found.map(({ provider }) => provider.id.toString()).toSorted(), expected);
  }
});

test("a value of 65,536 bytes is kept, one of more is refused with a code and leaves nothing", async () => {
  const network = await dhtNetwork(3, 10);
  const [from, to] = network.nodes;
  assert.ok(from !== undefined && to !== undefined);
  const store = (value: Uint8Array): Promise<unknown> =>
    network.run(
      from.endpoint.store(
        to.endpoint.contact,
        { record: { kind: { case: "immutable", value: { value } }, ttlS } },
        forever,
      ),
    );
  await store(new Uint8Array(65_536).fill(1));
  assert.ok(to.dht.store.has(RecordKey.ofValue(new Uint8Array(65_536).fill(1))));
  const { size } = to.dht.store;
  for (const bytes of [65_537, 1_000_000]) await assert.rejects(store(new Uint8Array(bytes)), /value/);
  assert.equal(to.dht.store.size, size);
});
