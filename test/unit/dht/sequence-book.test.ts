// Numbers that only grow: across restarts, damage and moves of the clock.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type Database, openDatabase } from "../../../src/dht/database.ts";
import { rowEncodings } from "../../../src/dht/record-row.ts";
import { RecordStore } from "../../../src/dht/record-store.ts";
import { resolveStoreOptions } from "../../../src/dht/store-options.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const most = 2n ** 64n - 1n;

/** The same rows in a database of its own, as after a kill: the first is not closed. */
async function copyOf(database: Database): Promise<Database> {
  const copy = await openDatabase(undefined);
  for await (const [key, value] of database.iterator()) await copy.put(key, value);
  return copy;
}

function open(database: Database): Promise<RecordStore> {
  return RecordStore.open({
    self: generateKeyPair().id,
    database,
    config: resolveStoreOptions(),
    clock: new VirtualClock(),
  });
}

test("sequences only grow, whatever the wall clock and restarts do", async () => {
  const step = fc.oneof(
    fc.record({ wall: fc.bigInt(0n, 2n ** 50n), restarts: fc.boolean() }),
    fc.record({ wall: fc.constant(1000n), restarts: fc.boolean() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      let database = await openDatabase(undefined);
      let { sequences } = await open(database);
      let last = -1n;
      for (const { wall, restarts } of steps) {
        const next = await sequences.next("provider", wall);
        assert.ok(next > last && next >= wall, `${next} after ${last} at ${wall}`);
        last = next;
        if (!restarts) continue;
        database = await copyOf(database);
        ({ sequences } = await open(database));
      }
    }),
    { numRuns: 50 },
  );
});

test("numbers that are given out at once differ, and names do not share them", async () => {
  const { sequences } = await open(await openDatabase(undefined));
  const numbers = await Promise.all([7n, 7n, 7n].map((wall) => sequences.next("provider", wall)));
  assert.deepEqual(numbers, [7n, 8n, 9n]);
  assert.equal(await sequences.next("epoch", 7n), 7n);
});

test("the largest sequence is the last one", async () => {
  const { sequences } = await open(await openDatabase(undefined));
  assert.equal(await sequences.next("provider", most), most);
  await assert.rejects(sequences.next("provider", 1n), { code: "record_invalid" });
});

test("a damaged row is deleted, and the numbers begin at the clock's again", async () => {
  const database = await openDatabase(undefined);
  const first = await open(database);
  await first.sequences.next("provider", 5n);
  const row = await database.get<string, Uint8Array>("s/provider", rowEncodings);
  assert.ok(row !== undefined);
  row[11] = (row[11] ?? 0) ^ 1;
  await database.put<string, Uint8Array>("s/provider", row, rowEncodings);
  const again = await open(await copyOf(database));
  assert.equal(await again.sequences.next("provider", 3n), 3n);
});
