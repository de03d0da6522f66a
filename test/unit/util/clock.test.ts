// The system clock and jitter.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type Clock, jittered, systemClock } from "../../../src/util/clock.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const dayMs = 86_400_000;
const longestTimerMs = 2 ** 31 - 1;

test("jittered stays within its share on either side of the delay", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (seed, delayMs, share) => {
        const delay = jittered(new VirtualClock(seed), delayMs, share);
        assert.ok(delay >= delayMs * (1 - share) - 1e-6 && delay <= delayMs * (1 + share) + 1e-6);
      },
    ),
  );
});

function clockThatDraws(random: number): Clock {
  return { ...systemClock, random: () => random };
}

test("jittered reaches both ends of its range, and is the delay itself with a share of 0", () => {
  assert.equal(jittered(clockThatDraws(0), 1000, 0.25), 750);
  assert.equal(jittered(clockThatDraws(0.5), 1000, 0.25), 1000);
  assert.ok(jittered(clockThatDraws(1 - Number.EPSILON), 1000, 0.25) > 1249.99);
  assert.equal(jittered(systemClock, 1000, 0), 1000);
});

test("the system clock never goes back and tells wall time in milliseconds", () => {
  let before = systemClock.now();
  for (let i = 0; i < 1000; i++) {
    const now = systemClock.now();
    assert.ok(now >= before);
    before = now;
  }
  const wallMs = systemClock.wallMs();
  assert.ok(wallMs <= Date.now() && wallMs > Date.parse("2020-01-01"));
});

test("the system clock's random numbers are from 0 to 1 and its bytes of the length asked for", () => {
  for (let i = 0; i < 1000; i++) {
    const random = systemClock.random();
    assert.ok(random >= 0 && random < 1);
  }
  for (const length of [0, 1, 32, 1000]) assert.equal(systemClock.randomBytes(length).length, length);
  assert.notDeepEqual(systemClock.randomBytes(16), systemClock.randomBytes(16));
});

test("the system clock calls back once, and not when cancelled", async () => {
  const calls: string[] = [];
  const cancel = systemClock.setTimeout(() => calls.push("cancelled"), 0);
  cancel();
  cancel();
  await new Promise<void>((resolve) => {
    systemClock.setTimeout(() => calls.push("first"), 0);
    systemClock.setTimeout(resolve, 2);
  });
  assert.deepEqual(calls, ["first"]);
});

test("the system clock keeps delays beyond the 24.8 days that a timer of Node can count", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let calls = 0;
  systemClock.setTimeout(() => calls++, 60 * dayMs);
  for (let stretch = 1; stretch <= 2; stretch++) t.mock.timers.tick(longestTimerMs);
  t.mock.timers.tick(60 * dayMs - 2 * longestTimerMs - 1);
  assert.equal(calls, 0);
  t.mock.timers.tick(1);
  assert.equal(calls, 1);
  t.mock.timers.tick(100 * dayMs);
  assert.equal(calls, 1);
});

test("a long delay of the system clock can be cancelled in any of its stretches", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let calls = 0;
  const early = systemClock.setTimeout(() => calls++, 60 * dayMs);
  const late = systemClock.setTimeout(() => calls++, Number.POSITIVE_INFINITY);
  early();
  t.mock.timers.tick(59 * dayMs);
  late();
  t.mock.timers.tick(100 * dayMs);
  assert.equal(calls, 0);
});
