// What gives way in a store that is full: the farthest record of the peer that holds most. Shares, bounds and the contents agree,
// whatever is stored, and after a restart, too.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import * as fc from "fast-check";
import { type Database, openDatabase } from "../../../src/dht/database.ts";
import { type DhtRecord, recordId } from "../../../src/dht/record.ts";
import { createImmutable, createMutable, createProvider } from "../../../src/dht/record-codec.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { headToRow, rowEncodings } from "../../../src/dht/record-row.ts";
import { type PutOptions, type RecordEntry, RecordStore } from "../../../src/dht/record-store.ts";
import { resolveStoreOptions, type StoreOptions } from "../../../src/dht/store-options.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { compareDistance } from "../../../src/identity/node-id.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const refused = { code: "quota_exceeded" };
const self = keyPairFromSeed(new Uint8Array(32).fill(9)).id;
const peers = Array.from({ length: 12 }, (_, n) => keyPairFromSeed(new Uint8Array(32).fill(n + 20)));
const [one = assert.fail(), two = assert.fail(), three = assert.fail()] = peers.map(({ id }) => id);

async function openStore(t: TestContext, options: StoreOptions = {}, database?: Database, clock = new VirtualClock(5)) {
  const init = { self, config: resolveStoreOptions(options), clock };
  const store = await RecordStore.open({ ...init, database: database ?? (await openDatabase(undefined)) });
  t.after(() => store.close());
  return { store, clock };
}

let count = 0;
/** Values that no test has used, the closest to the node first. */
function values(length: number): DhtRecord[] {
  const all = Array.from({ length }, () => createImmutable(Buffer.from(`value ${++count}`)));
  return all.sort((a, b) => compareDistance(self.bytes, a.key.bytes, b.key.bytes));
}

function heldOf(store: RecordStore, { from, isForwarded = false }: Partial<PutOptions>): RecordEntry[] {
  return [...store.entries()].filter((entry) => entry.from === from && entry.isForwarded === isForwarded);
}

test("in a full store the farthest record of the peer that holds most gives way", async (t) => {
  const { store } = await openStore(t, { maxRecords: 10 });
  const [many, few] = [values(10), values(3)];
  for (const record of many) await store.put(record, { ttlS: 60, from: one });
  for (const record of few) assert.equal(await store.put(record, { ttlS: 60, from: two }), "stored");
  assert.equal(store.size, 10);
  for (const record of [...many.slice(0, 7), ...few]) assert.ok(store.has(record.key));
});

test("the peer that holds most gets in only with what is closer than its others", async (t) => {
  const { store } = await openStore(t, { maxRecords: 4 });
  const [closest, ...rest] = values(6);
  const farthest = rest.pop();
  assert.ok(closest !== undefined && farthest !== undefined);
  for (const record of rest) await store.put(record, { ttlS: 60, from: one });
  await assert.rejects(store.put(farthest, { ttlS: 60, from: one }), refused);
  assert.deepEqual([...store.entries()].map(({ id }) => id).sort(), rest.map(recordId).sort());
  await store.put(closest, { ttlS: 60, from: one });
  assert.ok(store.has(closest.key) && !store.has((rest.at(-1) ?? assert.fail()).key));
});

test("many keys of one host take room from one another, not from other hosts", async (t) => {
  const { store } = await openStore(t, { maxRecords: 20 });
  const honest = values(8);
  for (const record of honest) await store.put(record, { ttlS: 60, from: two, host: "192.0.2.2" });
  for (const [n, record] of values(100).entries()) {
    const { id: from } = peers[n % peers.length] ?? assert.fail();
    await store.put(record, { ttlS: 60, from, host: "192.0.2.1" }).catch(() => undefined);
  }
  assert.equal(store.size, 20);
  for (const record of honest) assert.ok(store.has(record.key));
});

test("what a node stores itself never gives way to peers", async (t) => {
  const { store } = await openStore(t, { maxRecords: 5 });
  const own = values(4);
  for (const record of own) await store.put(record, { ttlS: 60, from: undefined });
  for (const record of values(20)) await store.put(record, { ttlS: 60, from: one }).catch(() => undefined);
  for (const record of own) assert.ok(store.has(record.key));
  // What a peer has stored first becomes the node's own when the node publishes it.
  const [stranger] = heldOf(store, { from: one });
  const record = (await store.read(stranger?.id ?? ""))?.record ?? assert.fail();
  await store.put(record, { ttlS: 60, from: undefined });
  await assert.rejects(store.put(values(1)[0] ?? assert.fail(), { ttlS: 60, from: two }), refused);
});

test("a peer's own share is apart from what it passes on, of which the farthest gives way", async (t) => {
  const { store } = await openStore(t, { maxPeerRecords: 3 });
  const passedOn = values(10);
  for (const record of passedOn.toReversed()) await store.put(record, { ttlS: 60, from: one, isForwarded: true });
  assert.deepEqual(
    heldOf(store, { from: one, isForwarded: true })
      .map(({ id }) => id)
      .sort(),
    passedOn.slice(0, 3).map(recordId).sort(),
  );
  for (const record of values(3)) await store.put(record, { ttlS: 60, from: one });
  await assert.rejects(store.put(values(1)[0] ?? assert.fail(), { ttlS: 60, from: one }), refused);
});

test("a record counts for its publisher once that stores it, and never for a forwarder again", async (t) => {
  const { store } = await openStore(t);
  const [record = assert.fail()] = values(1);
  const holder = () => [...store.entries()].map(({ from, isForwarded }) => [from, isForwarded])[0];
  await store.put(record, { ttlS: 60, from: one, isForwarded: true });
  assert.deepEqual(holder(), [one, true]);
  await store.put(record, { ttlS: 60, from: two });
  assert.deepEqual(holder(), [two, false]);
  await store.put(record, { ttlS: 90, from: three, isForwarded: true });
  assert.deepEqual(holder(), [two, false]);
});

test("a record moves to a much smaller share, and not to one that gives way first", async (t) => {
  const { store } = await openStore(t);
  const records = values(10);
  const [record = assert.fail()] = records;
  for (const each of records) await store.put(each, { ttlS: 60, from: one });
  await store.put(record, { ttlS: 60, from: two });
  assert.deepEqual(
    heldOf(store, { from: two }).map(({ id }) => id),
    [recordId(record)],
  );
  await store.put(record, { ttlS: 60, from: one });
  assert.equal(heldOf(store, { from: two }).length, 1);
});

test("bytes give way as records do", async (t) => {
  const { store } = await openStore(t, { maxBytes: 20_000 });
  const big = Array.from({ length: 3 }, (_, n) => createImmutable(new Uint8Array(6000).fill(n)));
  for (const record of big) await store.put(record, { ttlS: 60, from: one });
  for (const record of values(20)) await store.put(record, { ttlS: 60, from: two });
  assert.ok(store.bytes <= 20_000);
  assert.deepEqual([heldOf(store, { from: one }).length, heldOf(store, { from: two }).length], [2, 20]);
});

const service = RecordKey.ofName("a service");

function providerOf(n: number, sequence = 1n, isWithdrawn = false): DhtRecord {
  const keys = keyPairFromSeed(Uint8Array.from({ length: 32 }, (_, i) => (i < 2 ? (n >> (8 * i)) & 255 : 7)));
  return createProvider({ keys, key: service, addresses: [{ host: "127.0.0.1", port: 1 }], sequence, isWithdrawn });
}

function providerId(record: DhtRecord) {
  return record.kind === "provider" ? record.provider.id : assert.fail();
}

test("a flood of invented providers from one connection pushes out nobody else", async (t) => {
  const { store, clock } = await openStore(t, { maxProviders: 16 });
  const [forwarded, proven, late] = [providerOf(1), providerOf(2), providerOf(3)];
  await store.put(forwarded, { ttlS: 60, from: two, isForwarded: true });
  await store.put(proven, { ttlS: 60, from: providerId(proven) });
  await clock.advance(1000);
  for (let n = 100; n < 200; n++) await store.put(providerOf(n), { ttlS: 60, from: one });
  assert.equal((await store.get(service)).length, 16);
  await store.put(late, { ttlS: 60, from: three, isForwarded: true });
  const ids = new Set((await store.get(service)).map(({ record }) => recordId(record)));
  for (const record of [forwarded, proven, late]) assert.ok(ids.has(recordId(record)));
});

test("providers that this node has seen itself keep most places, and newcomers get in all the same", async (t) => {
  const { store } = await openStore(t, { maxProviders: 8 });
  const seen = Array.from({ length: 8 }, (_, n) => providerOf(n));
  for (const record of seen) await store.put(record, { ttlS: 60, from: providerId(record) });
  for (let n = 100; n < 200; n++) {
    const { id: from } = peers[n % peers.length] ?? assert.fail();
    const record = providerOf(n);
    await store.put(record, { ttlS: 60, from });
    assert.ok((await store.get(service)).some((held) => recordId(held.record) === recordId(record)));
  }
  const left = (await store.get(service)).filter(({ record }) =>
    seen.some((each) => recordId(each) === recordId(record)),
  );
  assert.equal(left.length, 6);
  // A crowd of providers that are gone makes room for the next one.
  const next = providerOf(300);
  await store.put(next, { ttlS: 60, from: providerId(next) });
  assert.ok((await store.get(service)).some(({ record }) => recordId(record) === recordId(next)));
});

test("withdrawn records give way first, and push out nobody", async (t) => {
  const { store } = await openStore(t, { maxProviders: 4 });
  for (const n of [1, 2, 3]) await store.put(providerOf(n), { ttlS: 60, from: one });
  await store.put(providerOf(4, 1n, true), { ttlS: 60, from: one });
  await store.put(providerOf(5), { ttlS: 60, from: one });
  await assert.rejects(store.put(providerOf(6, 1n, true), { ttlS: 60, from: one }), refused);
  // In the place of its own record there is always room for a provider's withdrawal.
  await store.put(providerOf(5, 2n, true), { ttlS: 60, from: one });
  assert.deepEqual(
    (await store.get(service)).map(({ record }) => recordId(record)).sort(),
    [1, 2, 3, 5].map((n) => recordId(providerOf(n))).sort(),
  );
});

test("an answer lists 64 providers, most of them seen by this node, and others each time", async (t) => {
  const { store } = await openStore(t);
  const seen = Array.from({ length: 70 }, (_, n) => providerOf(n));
  for (const record of seen) await store.put(record, { ttlS: 60, from: providerId(record) });
  for (let n = 100; n < 200; n++) await store.put(providerOf(n), { ttlS: 60, from: one });
  const answer = async (asker = self) =>
    (await store.select(service, asker, () => false)).map(({ record }) => recordId(record));
  const seenIds = new Set(seen.map(recordId));
  const listed = new Set<string>();
  for (let n = 0; n < 20; n++) {
    const ids = await answer();
    assert.deepEqual([ids.length, ids.filter((id) => seenIds.has(id)).length], [64, 48]);
    for (const id of ids) listed.add(id);
  }
  assert.ok(listed.size > 130, "not the same in each answer");
  const asked = providerOf(199);
  for (let n = 0; n < 5; n++) assert.ok((await answer(providerId(asked))).includes(recordId(asked)));
});

test("rows of an older version are read, and their records give way as others do", async (t) => {
  const database = await openDatabase(undefined);
  const clock = new VirtualClock(5);
  const { store } = await openStore(t, {}, database, clock);
  const records = values(3);
  for (const record of records) {
    await store.put(record, { ttlS: 60, from: one, host: "192.0.2.1" });
    const row = headToRow({ expiresAtMs: clock.wallMs() + 60_000, from: one, host: "", isForwarded: false });
    assert.equal(row.length, 45);
    await database.put<string, Uint8Array>(`m/${recordId(record)}`, row, rowEncodings);
  }
  const again = await openStore(t, { maxRecords: 2 }, database, clock);
  assert.deepEqual(
    [...again.store.entries()].map(({ id }) => id).sort(),
    records.slice(0, 2).map(recordId).sort(),
    "the farthest is evicted where the bound was lowered",
  );
});

test("a record never has more than a day to live, though the clock was set back", async (t) => {
  const { store, clock } = await openStore(t);
  const [record = assert.fail()] = values(1);
  clock.moveWall(30 * 86_400_000);
  await store.put(record, { ttlS: 86_400, from: one });
  clock.moveWall(-30 * 86_400_000);
  const [held] = await store.get(record.key);
  assert.equal(held?.ttlS, 86_400);
  assert.equal(store.ttlOf(store.entry(recordId(record)) ?? assert.fail()), 86_400);
  await clock.advance(700_000);
  await clock.advance(86_400_000);
  assert.deepEqual(await store.get(record.key), [], "nor does it live longer");
});

test("whatever is stored, bounds hold, shares are the sum of contents, and a restart changes nothing", async () => {
  const step = fc.record({
    kind: fc.constantFrom("value", "mutable", "provider"),
    n: fc.nat({ max: 11 }),
    sequence: fc.nat({ max: 2 }),
    size: fc.constantFrom(0, 50, 900),
    peer: fc.option(fc.nat({ max: 3 }), { nil: undefined }),
    host: fc.constantFrom("192.0.2.1", "192.0.2.2", ""),
    isForwarded: fc.boolean(),
    ttlS: fc.integer({ min: 1, max: 100 }),
    pauseMs: fc.constantFrom(0, 0, 0, 30_000),
    isRemoved: fc.constantFrom(false, false, false, true),
  });
  const bounds = fc.record({
    maxRecords: fc.integer({ min: 1, max: 8 }),
    maxBytes: fc.integer({ min: 300, max: 4000 }),
    maxPeerRecords: fc.integer({ min: 1, max: 5 }),
    maxProviders: fc.integer({ min: 1, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), bounds, async (steps, options) => {
      const clock = new VirtualClock(5);
      const database = await openDatabase(undefined);
      const init = { self, database, config: resolveStoreOptions(options), clock };
      const store = await RecordStore.open(init);
      for (const { kind, n, sequence, size, peer, pauseMs, isRemoved, ...how } of steps) {
        const signer = peers[n] ?? assert.fail();
        const value = new Uint8Array(size).fill(n);
        let record: DhtRecord = createImmutable(Uint8Array.of(n, ...value));
        if (kind === "mutable") record = createMutable({ keys: signer, sequence: BigInt(sequence), value });
        if (kind === "provider") record = providerOf(n % 5, BigInt(sequence), sequence === 2);
        const from = peer === undefined ? undefined : peers[peer]?.id;
        const before = [...store.entries()];
        if (isRemoved) await store.remove(recordId(record));
        else {
          const refusal = await store.put(record, { ...how, from }).then(
            () => undefined,
            (error: { readonly code?: unknown }) => error.code,
          );
          if (refusal === "quota_exceeded") {
            const alive = before.filter(({ expiresAtMs }) => expiresAtMs > clock.wallMs());
            assert.ok(
              alive.every((entry) => store.entry(entry.id) === entry),
              "a refusal changes nothing",
            );
          } else if (refusal === undefined) {
            assert.ok(store.entry(recordId(record)) !== undefined, "what is acknowledged is there");
          }
          const own = before.filter((entry) => entry.from === undefined && entry.expiresAtMs > clock.wallMs());
          for (const { id } of own) assert.ok(store.entry(id) !== undefined, "what is the node's own stays");
        }
        assert.ok(store.size <= options.maxRecords && store.bytes <= options.maxBytes);
        assertShares(store, options);
        await clock.advance(pauseMs);
      }
      const again = await RecordStore.open(init);
      assert.deepEqual(factsOf(again, clock), factsOf(store, clock));
      await store.close();
      await again.close();
    }),
    { numRuns: 300 },
  );
});

function assertShares(
  store: RecordStore,
  { maxPeerRecords, maxProviders }: Required<Pick<StoreOptions, "maxPeerRecords" | "maxProviders">>,
): void {
  const shares = new Map<string, number>();
  const providers = new Map<string, number>();
  let bytes = 0;
  for (const { from, host, isForwarded, kind, key, ...entry } of store.entries()) {
    bytes += entry.bytes;
    if (kind === "provider") providers.set(key.toString(), (providers.get(key.toString()) ?? 0) + 1);
    if (from === undefined) continue;
    const name = `${String(from)} ${host} ${isForwarded}`;
    shares.set(name, (shares.get(name) ?? 0) + 1);
  }
  assert.equal(store.bytes, bytes);
  for (const records of shares.values()) assert.ok(records <= maxPeerRecords);
  for (const records of providers.values()) assert.ok(records <= maxProviders);
}

function factsOf(store: RecordStore, clock: VirtualClock): string[] {
  return [...store.entries()]
    .filter(({ expiresAtMs }) => expiresAtMs > clock.wallMs())
    .map(({ id, sequence, expiresAtMs, from, host, isForwarded, bytes, isGone }) =>
      [id, sequence, expiresAtMs, String(from), host, isForwarded, bytes, isGone].join(" "),
    )
    .sort();
}
