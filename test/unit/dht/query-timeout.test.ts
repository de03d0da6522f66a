import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { QueryTimeout } from "../../../src/dht/query-timeout.ts";

test("before the first answer a query is slow after 1 s and has failed after 4 s", () => {
  const timeouts = new QueryTimeout();
  assert.deepEqual([timeouts.softMs, timeouts.hardMs, timeouts.meanRttMs], [1000, 4000, undefined]);
});

test("the timeout follows the round trips, down to its lower bound", () => {
  const timeouts = new QueryTimeout({ minMs: 20 });
  timeouts.answered(100);
  assert.deepEqual([timeouts.meanRttMs, timeouts.softMs], [100, 300]);
  for (let i = 0; i < 100; i++) timeouts.answered(100);
  assert(Math.abs(timeouts.softMs - 150) < 0.1, "half of the mean is left as slack");
  for (let i = 0; i < 100; i++) timeouts.answered(2);
  assert.equal(timeouts.softMs, 20);
});

test("round trips that vary make it longer", () => {
  const timeouts = new QueryTimeout();
  for (let i = 0; i < 100; i++) timeouts.answered(i % 2 === 0 ? 100 : 200);
  assert(timeouts.softMs > 300 && timeouts.softMs < 400, `${timeouts.softMs}`);
});

test("a network that has become slow is learnt, and one peer that dawdles does not seem to be one", () => {
  const timeouts = new QueryTimeout();
  for (let i = 0; i < 50; i++) timeouts.answered(50);
  const before = timeouts.softMs;
  timeouts.answered(100_000);
  assert(timeouts.softMs <= 4 * before, `${timeouts.softMs}`);
  for (let i = 0; i < 50; i++) timeouts.answered(1500);
  assert(timeouts.softMs > 1500);
});

test("four timeouts in a row double it until the next answer", () => {
  const timeouts = new QueryTimeout();
  for (let i = 0; i < 3; i++) timeouts.timedOut();
  assert.equal(timeouts.softMs, 1000);
  timeouts.timedOut();
  assert.equal(timeouts.softMs, 2000);
  for (let i = 0; i < 10_000; i++) timeouts.timedOut();
  assert.deepEqual([timeouts.softMs, timeouts.hardMs], [2500, 10_000]);
  timeouts.answered(100);
  assert.equal(timeouts.softMs, 300);
});

test("it stays between its bounds whatever happens", () => {
  const happenings = fc.array(fc.option(fc.double({ min: 0, max: 1e9, noNaN: true })));
  fc.assert(
    fc.property(happenings, (rtts) => {
      const timeouts = new QueryTimeout({ minMs: 10, maxMs: 700, hardFactor: 3 });
      for (const rttMs of rtts) {
        if (rttMs === null) timeouts.timedOut();
        else timeouts.answered(rttMs);
        assert(timeouts.softMs >= 10 && timeouts.softMs <= 700);
        assert.equal(timeouts.hardMs, 3 * timeouts.softMs);
      }
    }),
  );
});

test("bounds that contradict one another are refused", () => {
  for (const options of [{ minMs: 0 }, { minMs: 3000 }, { maxMs: Infinity }, { initialMs: 0 }, { hardFactor: 0.5 }]) {
    assert.throws(() => new QueryTimeout(options), RangeError);
  }
});
