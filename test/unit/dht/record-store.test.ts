// The store of records: newer replaces older, time takes away, nobody takes more room than his, and all is there again after a
// restart.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import * as fc from "fast-check";
import { type Database, openDatabase } from "../../../src/dht/database.ts";
import { dhtDefaults, resolveDhtOptions } from "../../../src/dht/options.ts";
import { type DhtRecord, recordId } from "../../../src/dht/record.ts";
import { createImmutable, createMutable } from "../../../src/dht/record-codec.ts";
import { recordToRow, rowEncodings } from "../../../src/dht/record-row.ts";
import { RecordStore } from "../../../src/dht/record-store.ts";
import { resolveStoreOptions, type StoreOptions, storeDefaults } from "../../../src/dht/store-options.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import type { LogFields, Logger } from "../../../src/util/log.ts";
import { silentLogger } from "../../../src/util/log.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const signers = [1, 2, 3].map((n) => keyPairFromSeed(new Uint8Array(32).fill(n)));
const [keys = assert.fail(), other = assert.fail()] = signers;
const from = other.id;
const self = keyPairFromSeed(new Uint8Array(32).fill(9)).id;

async function openStore(t: TestContext, options: StoreOptions = {}, clock = new VirtualClock(5)) {
  const database = await openDatabase(undefined);
  const store = await RecordStore.open({ self, database, config: resolveStoreOptions(options), clock });
  t.after(() => store.close());
  return { store, clock };
}

function valueOf(n: number, length = 10): DhtRecord {
  const value = new Uint8Array(length);
  value[0] = n;
  return createImmutable(value);
}

function mutableOf(sequence: bigint, byte = 0, signer = keys): DhtRecord {
  return createMutable({ keys: signer, sequence, value: new Uint8Array([byte]) });
}

test("a newer record replaces an older one, which never comes back", async (t) => {
  const { store } = await openStore(t);
  assert.equal(await store.put(mutableOf(2n), { ttlS: 60, from }), "stored");
  await assert.rejects(store.put(mutableOf(1n), { ttlS: 60, from }), { code: "record_stale" });
  assert.equal(await store.put(mutableOf(3n), { ttlS: 60, from }), "stored");
  assert.equal(await store.put(mutableOf(3n), { ttlS: 60, from }), "refreshed");
  assert.equal(store.size, 1);
});

test("of two with one sequence all nodes come to keep the same", async (t) => {
  const two = [mutableOf(1n, 1), mutableOf(1n, 2)];
  const kept: unknown[] = [];
  for (const order of [two, two.toReversed()]) {
    const { store } = await openStore(t);
    for (const record of order) await store.put(record, { ttlS: 60, from }).catch(() => undefined);
    const [held] = await store.get(mutableOf(1n).key);
    assert.ok(held?.record.kind === "mutable");
    kept.push(held.record.value);
  }
  assert.deepEqual(kept[0], kept[1]);
});

test("an update on a condition replaces what is not newer than that", async (t) => {
  const { store } = await openStore(t);
  const put = (sequence: bigint, expectedSequence: bigint) =>
    store.put(mutableOf(sequence), { ttlS: 60, from, expectedSequence });
  await put(5n, 0n);
  await assert.rejects(put(7n, 4n), { code: "record_conflict" });
  await assert.rejects(put(7n, 0n), { code: "record_conflict" });
  await put(7n, 5n);
  // It has missed the eighth.
  await put(9n, 8n);
  await assert.rejects(put(8n, 9n), { code: "record_stale" });
  const [held] = await store.get(mutableOf(9n).key);
  assert.ok(held?.record.kind === "mutable" && held.record.sequence === 9n);
});

test("a record expires, is refreshed to what it was given last, and never lives longer than it may", async (t) => {
  const { store, clock } = await openStore(t, { maxTtlS: 100 });
  const record = valueOf(1);
  await store.put(record, { ttlS: 1_000_000, from });
  assert.equal((await store.get(record.key))[0]?.ttlS, 100);
  await clock.advance(50_000);
  await store.put(record, { ttlS: 10, from });
  assert.equal((await store.get(record.key))[0]?.ttlS, 50);
  await store.put(record, { ttlS: 60, from });
  assert.equal((await store.get(record.key))[0]?.ttlS, 60);
  await clock.advance(60_000);
  assert.deepEqual(await store.get(record.key), []);
  await clock.advance(600_000);
  assert.equal(store.size, 0);
  await assert.rejects(store.put(record, { ttlS: 0, from }), { code: "record_expired" });
});

test("each bound holds at its edge, and what is over one changes nothing", async (t) => {
  const refused = { code: "quota_exceeded" };
  const all = await openStore(t, { maxRecords: 2 });
  for (const n of [1, 2]) await all.store.put(valueOf(n), { ttlS: 60, from: undefined });
  await assert.rejects(all.store.put(valueOf(3), { ttlS: 60, from }), refused, "what this node stores itself stays");
  await assert.rejects(all.store.put(valueOf(3), { ttlS: 60, from: undefined }), refused);
  assert.equal(all.store.size, 2);
  await all.clock.advance(60_000);
  await all.store.put(valueOf(3), { ttlS: 60, from });

  const peer = await openStore(t, { maxPeerRecords: 1 });
  await peer.store.put(valueOf(1), { ttlS: 60, from });
  await assert.rejects(peer.store.put(valueOf(2), { ttlS: 60, from }), refused);
  await peer.store.put(valueOf(2), { ttlS: 60, from: keys.id });
  await peer.store.put(valueOf(3), { ttlS: 60, from: undefined });
  await peer.store.publish(valueOf(4), 60);
  await assert.rejects(peer.store.publish(valueOf(5), 60), refused);

  const bytes = await openStore(t, { maxPeerBytes: 400 });
  await bytes.store.put(valueOf(1, 50), { ttlS: 60, from });
  await assert.rejects(bytes.store.put(valueOf(2, 200), { ttlS: 60, from }), refused);
});

function tombstone(n: number, sequence = 2n): DhtRecord {
  return createMutable({ keys, salt: Uint8Array.of(n), sequence, value: new Uint8Array(), isDeleted: true });
}

test("tombstones leave the book in a day, after a restart too, and give way to what is published", async (t) => {
  const database = await openDatabase(undefined);
  const clock = new VirtualClock(5);
  const init = { self, database, config: resolveStoreOptions({ maxPeerRecords: 3 }), clock };
  let store = await RecordStore.open(init);
  t.after(() => store.close());
  for (const n of [1, 2, 3, 4]) await store.publish(tombstone(n), 60);
  assert.deepEqual(
    store.publishedIds(),
    [2, 3, 4].map((n) => recordId(tombstone(n))),
  );
  await store.publish(valueOf(1), 60);
  assert.deepEqual(store.publishedIds(), [recordId(tombstone(3)), recordId(tombstone(4)), recordId(valueOf(1))]);
  await assert.rejects(
    Promise.all([2, 3, 4].map((n) => store.publish(valueOf(n), 60))),
    { code: "quota_exceeded" },
    "values do not give way",
  );
  await store.unpublish(recordId(valueOf(2)));
  await store.publish(tombstone(7), 60);
  await clock.advance(43_200_000);
  await store.publish(tombstone(7, 3n), 60);
  store = await RecordStore.open(init);
  await clock.advance(43_000_000);
  assert.ok(store.publishedIds().includes(recordId(tombstone(7))));
  await clock.advance(800_000);
  assert.ok(!store.publishedIds().includes(recordId(tombstone(7))));
  assert.deepEqual(
    (await database.keys<string>(rowEncodings).all()).filter((key) => key.startsWith("d/")),
    [],
  );
});

test("a tombstone of an older version, which did not note its time, leaves a day after it is loaded", async (t) => {
  const database = await openDatabase(undefined);
  const clock = new VirtualClock(5);
  const init = { self, database, config: resolveStoreOptions(), clock };
  const old = tombstone(1);
  await database.put<string, Uint8Array>(`p/${recordId(old)}`, recordToRow(old, 60), rowEncodings);
  const first = await RecordStore.open(init);
  assert.equal(first.publishedIds().length, 1);
  await clock.advance(43_200_000);
  const second = await RecordStore.open(init);
  t.after(() => second.close());
  assert.equal(second.publishedIds().length, 1);
  await clock.advance(43_900_000);
  assert.deepEqual(second.publishedIds(), []);
});

test("any puts and pauses leave what a simple model has", async () => {
  const step = fc.oneof(
    fc.record({ n: fc.nat({ max: 2 }), sequence: fc.nat({ max: 4 }), ttlS: fc.integer({ min: 1, max: 100 }) }),
    fc.integer({ min: 1, max: 60 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const clock = new VirtualClock(5);
      const store = await RecordStore.open({
        self,
        database: await openDatabase(undefined),
        config: resolveStoreOptions(),
        clock,
      });
      const model = new Map<string, { record: DhtRecord; sequence: number; untilMs: number }>();
      for (const each of steps) {
        if (typeof each === "number") {
          await clock.advance(each * 1000);
          continue;
        }
        const record = mutableOf(BigInt(each.sequence), 0, signers[each.n]);
        const id = recordId(record);
        const held = model.get(id);
        const isLive = held !== undefined && held.untilMs > clock.wallMs();
        const isStale = isLive && held.sequence > each.sequence;
        const put = store.put(record, { ttlS: each.ttlS, from });
        if (isStale) await assert.rejects(put, { code: "record_stale" });
        else await put;
        if (isStale) continue;
        const untilMs = clock.wallMs() + each.ttlS * 1000;
        const isSame = isLive && held.sequence === each.sequence;
        model.set(id, { record, sequence: each.sequence, untilMs: isSame ? Math.max(held.untilMs, untilMs) : untilMs });
      }
      for (const { record, sequence, untilMs } of model.values()) {
        const leftS = (untilMs - clock.wallMs()) / 1000;
        const [held] = await store.get(record.key);
        // A refresh that adds less than two seconds is not written.
        assert.ok(leftS - 2 <= (held?.ttlS ?? 0) && (held?.ttlS ?? 0) <= Math.max(leftS, 0));
        if (held !== undefined) assert.ok(held.record.kind === "mutable" && held.record.sequence === BigInt(sequence));
      }
      await store.close();
    }),
    { numRuns: 50 },
  );
});

test("what was acknowledged is there after a restart, and a database of garbage is kept aside if the owner wants that", async (t) => {
  const path = join(await mkdtemp(join(tmpdir(), "dswarm-store-")), "records");
  t.after(() => rm(join(path, ".."), { recursive: true, force: true }));
  const clock = new VirtualClock(5);
  const reports: LogFields[] = [];
  const logger: Logger = { ...silentLogger, error: (fields) => void reports.push(fields) };
  const open = async (replaceDamaged = false) =>
    RecordStore.open({
      self,
      database: await openDatabase(path, { logger, clock, replaceDamaged }),
      config: resolveStoreOptions(),
      clock,
      logger,
    });
  const records = [valueOf(1), mutableOf(4n)];
  let store = await open();
  for (const record of records) {
    await store.publish(record, 60);
    await store.put(record, { ttlS: 60, from });
  }
  await assert.rejects(openDatabase(path), { code: "data_dir_in_use" });
  await store.close();
  store = await open();
  for (const record of records) {
    const [held] = await store.get(record.key);
    assert.deepEqual([held?.record, held?.ttlS], [record, 60]);
    assert.deepEqual(await store.publishedRecord(recordId(record)), record);
  }
  assert.deepEqual(
    [...store.entries()].map((entry) => String(entry.from)),
    [String(from), String(from)],
  );
  await store.close();
  assert.equal(reports.length, 0);
  for (const file of await readdir(path)) {
    if (/\.(ldb|log)$|^MANIFEST/.test(file)) await writeFile(join(path, file), Buffer.alloc(5000, 0xee));
  }
  await assert.rejects(open(), { code: "database_damaged", message: /--replace-damaged/ });
  assert.deepEqual(await readdir(join(path, "..")), ["records"]);
  store = await open(true);
  assert.equal(store.size, 0);
  assert.deepEqual(
    reports.map(({ event }) => event),
    ["database_damaged"],
  );
  assert.equal((await readdir(join(path, ".."))).length, 2);
  await store.put(valueOf(9), { ttlS: 60, from });
  await store.close();
});

test("a record that moves from one peer to another counts with the other alone", async (t) => {
  const { store } = await openStore(t, { maxPeerRecords: 1 });
  await store.put(mutableOf(1n), { ttlS: 60, from });
  for (const sequence of [2n, 3n]) await store.put(mutableOf(sequence), { ttlS: 60, from: keys.id });
  await store.put(valueOf(1), { ttlS: 60, from });
  await assert.rejects(store.put(valueOf(2), { ttlS: 60, from: keys.id }), { code: "quota_exceeded" });
  assert.equal(store.size, 2);
  assert.equal(
    store.bytes,
    [...store.entries()].reduce((sum, { bytes }) => sum + bytes, 0),
  );
});

test("a short life is lengthened too", async (t) => {
  const { store, clock } = await openStore(t);
  const record = valueOf(1);
  await store.put(record, { ttlS: 2, from });
  for (let n = 0; n < 5; n++) {
    await clock.advance(900);
    assert.equal(await store.put(record, { ttlS: 2, from }), "refreshed");
  }
  assert.equal((await store.get(record.key))[0]?.ttlS, 2);
});

test("a refresh leaves a record in its place in the order", async (t) => {
  const { store } = await openStore(t);
  const values = [1, 2, 3].map((n) => valueOf(n));
  for (const record of values) await store.put(record, { ttlS: 60, from });
  for (const record of values.slice(0, 2)) await store.put(record, { ttlS: 90, from });
  store.touch(recordId(values[0] ?? assert.fail()));
  assert.deepEqual(
    [...store.entries()].map(({ id }) => id),
    values.map(recordId),
  );
});

test("what is put and what is answered are copies", async (t) => {
  const { store } = await openStore(t);
  const value = new Uint8Array([1, 2, 3]);
  const record = createImmutable(value);
  await store.put(record, { ttlS: 60, from });
  value.fill(9);
  for (let n = 0; n < 2; n++) {
    const [held] = await store.get(record.key);
    assert.ok(held?.record.kind === "immutable");
    assert.deepEqual(held.record.value, new Uint8Array([1, 2, 3]));
    held.record.value.fill(7);
  }
});

test("a get while a record is replaced answers the new one, and ends though puts never do", async (t) => {
  const { store } = await openStore(t);
  await store.put(mutableOf(0n), { ttlS: 60, from });
  const over = new AbortController();
  const flood = (async () => {
    for (let n = 1; n < 20_000 && !over.signal.aborted; n++) {
      await Promise.all([1, 2].map((k) => store.put(valueOf(n % 200, k + 10), { ttlS: 60, from })));
    }
  })();
  for (let n = 1n; n < 20n; n++) {
    const put = store.put(mutableOf(n), { ttlS: 60, from });
    // Decided on, or waiting for the group that is being written.
    await Promise.resolve();
    const [[held]] = await Promise.all([store.get(mutableOf(n).key), put]);
    assert.ok(held?.record.kind === "mutable" && held.record.sequence === n);
    const [next] = await store.get(mutableOf(n).key);
    assert.ok(next?.record.kind === "mutable" && next.record.sequence === n);
  }
  over.abort();
  await flood;
});

test("what is published is due a time after the k closest got it, and at once after a start", async () => {
  const clock = new VirtualClock(5);
  const database = await openDatabase(undefined);
  const config = resolveStoreOptions();
  const store = await RecordStore.open({ self, database, config, clock });
  const records = [valueOf(1), mutableOf(1n)];
  const [one = "", two = ""] = records.map(recordId);
  const due = (some: RecordStore, ageMs: number) => some.publishedBefore(clock.now() - ageMs);
  for (const record of records) await store.publish(record, 60);
  assert.deepEqual(due(store, 1000), [one, two], "nobody has got them yet");
  store.touchPublished(one);
  await clock.advance(600);
  store.touchPublished(two);
  store.touchPublished("immutable &nothing of this id");
  assert.deepEqual(due(store, 1000), []);
  await clock.advance(400);
  assert.deepEqual(due(store, 1000), [one]);
  await store.publish(mutableOf(2n), 60);
  assert.deepEqual(due(store, 1000), [one], "as before, until the k closest have got it");
  assert.deepEqual(due(store, 400), [one, two]);
  const again = await RecordStore.open({ self, database, config, clock });
  assert.deepEqual(due(again, 1_000_000), [one, two]);
  await store.unpublish(one);
  assert.deepEqual(due(store, 0), [two]);
  await store.close();
  await again.close();
});

/** What the disk may do to a row. */
const harms: Readonly<Record<string, (database: Database, key: string) => Promise<void>>> = {
  damaged: async (database, key) => {
    const row = await database.get<string, Uint8Array>(key, rowEncodings);
    assert.ok(row !== undefined);
    row[row.length - 1] = (row[row.length - 1] ?? 0) ^ 1;
    await database.put<string, Uint8Array>(key, row, rowEncodings);
  },
  "not found any more": (database, key) => database.del<string>(key, rowEncodings),
};

for (const [state, harm] of Object.entries(harms)) {
  test(`a row that is ${state} while the store is open is reported, deleted, and never answered`, async (t) => {
    const reports: LogFields[] = [];
    const logger: Logger = { ...silentLogger, error: (fields) => void reports.push(fields) };
    const database = await openDatabase(undefined);
    const config = resolveStoreOptions();
    const store = await RecordStore.open({ self, database, config, clock: new VirtualClock(5), logger });
    t.after(() => store.close());
    const [held, published] = [valueOf(1), valueOf(2)];
    await store.put(held, { ttlS: 60, from });
    await store.publish(published, 60);
    for (const key of [`r/${recordId(held)}`, `p/${recordId(published)}`]) {
      await harm(database, key);
    }
    assert.deepEqual(await store.get(held.key), []);
    assert.equal(await store.publishedRecord(recordId(published)), undefined);
    assert.deepEqual(
      reports.map(({ event, ...fields }) => [event, fields["id"]]),
      [held, published].map((record) => ["record_damaged", recordId(record)]),
    );
    assert.deepEqual(store.publishedIds(), []);
    assert.equal(await store.put(held, { ttlS: 60, from }), "stored");
    assert.equal((await store.get(held.key)).length, 1);
  });
}

test("rows that are no records are reported and deleted when a store is opened", async (t) => {
  const reports: LogFields[] = [];
  const logger: Logger = { ...silentLogger, error: (fields) => void reports.push(fields) };
  const database = await openDatabase(undefined);
  const init = { self, database, config: resolveStoreOptions(), clock: new VirtualClock(5), logger };
  const first = await RecordStore.open(init);
  await first.put(valueOf(1), { ttlS: 60, from });
  await first.put(valueOf(2), { ttlS: 60, from });
  const whole = await database.get<string, Uint8Array>(`r/${recordId(valueOf(1))}`, rowEncodings);
  const rows: [string, Uint8Array][] = [
    ["", new Uint8Array()],
    ["m/immutable x", new Uint8Array(45)],
    ["p/y", new Uint8Array(3)],
    ["r/immutable z", whole ?? assert.fail()],
    ["zzz", new Uint8Array(70_000)],
    [`m/${recordId(valueOf(2))}`, new Uint8Array(2)],
  ];
  for (const [key, row] of rows) await database.put<string, Uint8Array>(key, row, rowEncodings);
  const second = await RecordStore.open(init);
  t.after(() => second.close());
  assert.deepEqual(
    [...second.entries()].map(({ id }) => id).toSorted(),
    [recordId(valueOf(1)), recordId(valueOf(2))].toSorted(),
  );
  // Without its head a record is kept for two hours.
  assert.equal((await second.get(valueOf(2).key))[0]?.ttlS, 7200);
  assert.ok(reports.length >= rows.length && reports.every(({ event }) => event === "record_damaged"));
  const left = await database.keys<string>(rowEncodings).all();
  const ids = [valueOf(1), valueOf(2)].map(recordId);
  assert.deepEqual(left, ["m/", "r/"].flatMap((kind) => ids.map((id) => kind + id)).toSorted());
});

test("a store that cannot be read leaves no database open, and a closed one takes nothing", async (t) => {
  const database = await openDatabase(undefined);
  const init = { self, database, config: resolveStoreOptions(), clock: new VirtualClock(5) };
  const broken = t.mock.method(database, "iterator", () => {
    throw new Error("it cannot be read");
  });
  await assert.rejects(RecordStore.open(init), { code: "storage_failed" });
  assert.equal(database.status, "closed");
  broken.mock.restore();
  const { store } = await openStore(t);
  const put = store.put(valueOf(1), { ttlS: 60, from });
  await Promise.all([put, store.close(), store.close()]);
  await assert.rejects(store.put(valueOf(2), { ttlS: 60, from }), { code: "storage_failed" });
  await assert.rejects(store.publish(valueOf(2), 60), { code: "storage_failed" });
});

test("what cannot be written leaves all as it was", async (t) => {
  const database = await openDatabase(undefined);
  const store = await RecordStore.open({ self, database, config: resolveStoreOptions(), clock: new VirtualClock(5) });
  t.after(() => store.close());
  const record = mutableOf(1n);
  const id = recordId(record);
  await store.put(record, { ttlS: 60, from });
  await store.publish(record, 60);
  const facts = () => [[...store.entries()], store.bytes, store.publishedIds()];
  const before = facts();
  const broken = t.mock.method(database, "batch", () => Promise.reject(new Error("the disk is full")));
  const works = [
    () => store.put(record, { ttlS: 90, from }),
    () => store.put(mutableOf(2n), { ttlS: 60, from: keys.id }),
    () => store.put(valueOf(1), { ttlS: 60, from }),
    () => store.remove(id),
    () => store.publish(valueOf(1), 60),
    () => store.unpublish(id),
  ];
  for (const work of works) {
    await assert.rejects(work(), { code: "storage_failed" });
    assert.deepEqual(facts(), before);
  }
  await Promise.allSettled(works.map((work) => work()));
  assert.deepEqual(facts(), before);
  broken.mock.restore();
  assert.equal(await store.put(record, { ttlS: 90, from }), "refreshed");
});

test("whatever is put, removed, expires and cannot be written, memory and database say the same", async (t) => {
  const step = fc.oneof(
    fc.record({
      what: fc.constantFrom("put", "put", "remove", "publish", "unpublish"),
      n: fc.nat({ max: 2 }),
      sequence: fc.nat({ max: 1 }),
      byte: fc.nat({ max: 1 }),
      ttlS: fc.integer({ min: 1, max: 100 }),
      from: fc.constantFrom(undefined, ...signers.map(({ id }) => id)),
    }),
    fc.record({ what: fc.constant("pause"), ms: fc.nat({ max: 40_000 }) }),
    fc.record({ what: fc.constant("fail"), fails: fc.boolean() }),
  );
  const steps = fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 3 }), async (groups, maxPeerRecords) => {
      const clock = new VirtualClock(5);
      const database = await openDatabase(undefined);
      const config = resolveStoreOptions({ maxPeerRecords, maxRecords: 3 });
      const store = await RecordStore.open({ self, database, config, clock });
      const batch = database.batch.bind(database);
      let isFailing = false;
      const mock = t.mock.method(database, "batch", (operations: [], options: object) =>
        isFailing ? Promise.reject(new Error("the disk is full")) : batch(operations, options),
      );
      const start = (each: { what: string; ttlS: number; from: typeof from | undefined }, record: DhtRecord) => {
        if (each.what === "put") return store.put(record, each);
        if (each.what === "remove") return store.remove(recordId(record));
        return each.what === "publish" ? store.publish(record, 60) : store.unpublish(recordId(record));
      };
      for (const group of groups) {
        const works: Promise<unknown>[] = [];
        for (const each of group) {
          if ("ms" in each) await clock.advance(each.ms);
          else if ("fails" in each) isFailing = each.fails;
          else {
            const record = mutableOf(BigInt(each.sequence), each.byte, signers[each.n]);
            works.push(Promise.allSettled([start(each, record)]));
          }
        }
        await Promise.all(works);
        for (const { from: peer } of store.entries()) {
          const ofPeer = [...store.entries()].filter((entry) => entry.from === peer);
          assert.ok(peer === undefined || ofPeer.length <= maxPeerRecords);
        }
        assert.ok(store.size <= 3);
      }
      isFailing = false;
      mock.mock.restore();
      const again = await RecordStore.open({ self, database, config, clock });
      const facts = (one: RecordStore): string[] =>
        [...one.entries()]
          .filter(({ expiresAtMs }) => expiresAtMs > clock.wallMs())
          .map((entry) => `${entry.id} ${entry.sequence} ${entry.expiresAtMs} ${String(entry.from)} ${entry.bytes}`)
          .sort();
      assert.deepEqual(facts(again), facts(store));
      assert.deepEqual(again.publishedIds().toSorted(), store.publishedIds().toSorted());
      for (const one of [store, again]) {
        const sum = [...one.entries()].reduce((bytes, entry) => bytes + entry.bytes, 0);
        assert.equal(one.bytes, sum);
      }
      await store.close();
      await again.close();
    }),
    { numRuns: 200 },
  );
});

test("settings out of their ranges are refused", () => {
  assert.deepEqual(resolveStoreOptions(), storeDefaults);
  for (const name of Object.keys(storeDefaults)) assert.throws(() => resolveStoreOptions({ [name]: 0 }), RangeError);
  assert.equal(resolveDhtOptions({ ttlS: 5 }).ttlS, 5);
  for (const options of [{ ttlS: 0 }, { ttlS: 86_401 }, { readQuorum: 0 }, { replicationMs: 1 }, { handOverMs: -1 }]) {
    assert.throws(() => resolveDhtOptions(options), RangeError);
  }
  assert.equal(resolveDhtOptions().republishMs, dhtDefaults.republishMs);
});
