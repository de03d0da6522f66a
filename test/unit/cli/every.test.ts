// Doing something again and again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { every } from "../../../src/util/every.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

test("calls back at each interval until it is stopped", async () => {
  const clock = new VirtualClock();
  const calledAt: number[] = [];
  const stop = every(clock, 100, () => void calledAt.push(clock.now()));
  await clock.advance(350);
  stop();
  await clock.advance(1000);
  assert.deepEqual(calledAt, [100, 200, 300]);
});

test("waits for a callback that takes its time, and does not call again when it was stopped meanwhile", async () => {
  const clock = new VirtualClock();
  const { promise, resolve } = Promise.withResolvers<void>();
  let calls = 0;
  const stop = every(clock, 100, () => {
    calls += 1;
    return promise;
  });
  await clock.advance(1000);
  assert.equal(calls, 1);
  stop();
  resolve();
  await clock.advance(1000);
  assert.equal(calls, 1);
});
