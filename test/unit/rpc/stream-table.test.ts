// The open streams of a connection by id.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Stream } from "../../../src/rpc/stream.ts";
import { StreamTable } from "../../../src/rpc/stream-table.ts";

// The table reads nothing of a stream but its id.
function streamOf(id: number): Stream {
  return { id } as unknown as Stream;
}

// Few ids that differ little, and some that differ by powers of two only: they want the same slots.
const ids = fc.oneof(
  fc.integer({ min: 1, max: 80 }),
  fc.integer({ min: 0, max: 40 }).map((n) => 7 + n * 2048),
  fc.integer({ min: 1, max: 2 ** 31 - 1 }),
);

test("whatever is added and removed, the table holds what a map would hold", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), ids), { maxLength: 400 }), (steps) => {
      const table = new StreamTable();
      const model = new Map<number, Stream>();
      for (const [isAdded, key] of steps) {
        if (!isAdded) {
          table.delete(key);
          model.delete(key);
        } else if (!model.has(key)) {
          const stream = streamOf(key);
          table.add(stream);
          model.set(key, stream);
        }
        assert.equal(table.size, model.size);
        assert.equal(table.get(key), model.get(key));
      }
      for (const [key, stream] of model) assert.equal(table.get(key), stream);
      assert.deepEqual(new Set(table), new Set(model.values()));
    }),
  );
});

test("a table that has grown serves on when most streams are gone, and when they come back", () => {
  const table = new StreamTable();
  for (let round = 0; round < 3; round++) {
    for (let key = 1; key < 6000; key += 2) table.add(streamOf(key));
    for (let key = 1; key < 6000; key += 2) if (key % 1000 !== 1) table.delete(key);
    assert.deepEqual(
      [...table].map((stream) => stream.id).sort((a, b) => a - b),
      [1, 1001, 2001, 3001, 4001, 5001],
    );
    for (const stream of table) table.delete(stream.id);
    assert.equal(table.size, 0);
    assert.equal(table.get(1001), undefined);
  }
});
