import assert from "node:assert/strict";
import { test } from "node:test";
import { BufferPool } from "../../../src/util/buffer-pool.ts";

test("a pool gives back what it was given, by size", () => {
  const pool = new BufferPool([10, 100], 2);
  const [small, large, huge] = [pool.take(10), pool.take(11), pool.take(101)];
  assert.deepEqual([small.length, large.length, huge.length], [10, 100, 101]);
  for (const buffer of [small, large, huge]) pool.giveBack(buffer);
  assert.equal(pool.take(0), small);
  assert.equal(pool.take(100), large);
  assert.notEqual(pool.take(101), huge);
});

test("a pool keeps no more than its spares", () => {
  const pool = new BufferPool([10], 2);
  const buffers = [pool.take(1), pool.take(1), pool.take(1)];
  assert.equal(new Set(buffers).size, 3);
  for (const buffer of buffers) pool.giveBack(buffer);
  assert.deepEqual(new Set([pool.take(1), pool.take(1)]), new Set(buffers.slice(0, 2)));
  assert.ok(!buffers.includes(pool.take(1)));
});
