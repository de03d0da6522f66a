// Token buckets under simulated time.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { RateLimiter } from "../../../src/util/rate-limiter.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const roundingSlack = 1e-6;

test("gives the burst at once, then no more", () => {
  const limiter = new RateLimiter(new VirtualClock(), { perSecond: 1, burst: 3, maxKeys: 10 });
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => limiter.take("a")),
    [true, true, true, false, false],
  );
});

test("gives one more for each token that has come back", async () => {
  const clock = new VirtualClock();
  const limiter = new RateLimiter(clock, { perSecond: 2, burst: 2, maxKeys: 10 });
  limiter.take("a");
  limiter.take("a");
  await clock.advance(499);
  assert.equal(limiter.take("a"), false);
  await clock.advance(1);
  assert.equal(limiter.take("a"), true);
  assert.equal(limiter.take("a"), false);
});

test("keeps no more than the burst, however long nothing is taken", async () => {
  const clock = new VirtualClock();
  const limiter = new RateLimiter(clock, { perSecond: 1000, burst: 2, maxKeys: 10 });
  limiter.take("a");
  await clock.advance(1e9);
  assert.deepEqual(
    [1, 2, 3].map(() => limiter.take("a")),
    [true, true, false],
  );
});

test("never gives more than burst + perSecond × seconds in any window of time", () => {
  const waits = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3000 })), { maxLength: 60 });
  fc.assert(
    fc.property(
      waits,
      fc.double({ min: 0, max: 20, noNaN: true }),
      fc.integer({ min: 1, max: 10 }),
      (waitsMs, perSecond, burst) => {
        const clock = new VirtualClock();
        const limiter = new RateLimiter(clock, { perSecond, burst, maxKeys: 1 });
        const takenAt: number[] = [];
        for (const ms of waitsMs) {
          clock.setTimeout(() => {}, ms);
          clock.step();
          if (limiter.take("a")) takenAt.push(clock.now());
        }
        for (const [first, from] of takenAt.entries()) {
          for (const [more, to] of takenAt.slice(first).entries()) {
            const allowed = burst + (perSecond * (to - from)) / 1000 + roundingSlack;
            assert.ok(more + 1 <= allowed, `${more + 1} taken where ${allowed} are allowed`);
          }
        }
      },
    ),
  );
});

test("a steady taker at the allowed rate is never refused", async () => {
  const clock = new VirtualClock();
  const limiter = new RateLimiter(clock, { perSecond: 4, burst: 1, maxKeys: 1 });
  for (let i = 0; i < 100; i++) {
    assert.ok(limiter.take("a"));
    await clock.advance(250);
  }
});

test("keys have buckets of their own", () => {
  const limiter = new RateLimiter(new VirtualClock(), { perSecond: 0, burst: 1, maxKeys: 10 });
  assert.deepEqual(
    ["a", "b", "a", "b", "__proto__"].map((key) => limiter.take(key)),
    [true, true, false, false, true],
  );
});

test("forgets the least recently used key beyond maxKeys, and only that", () => {
  const limiter = new RateLimiter(new VirtualClock(), { perSecond: 0, burst: 1, maxKeys: 2 });
  limiter.take("a");
  limiter.take("b");
  limiter.take("a");
  limiter.take("c");
  assert.equal(limiter.take("a"), false);
  assert.equal(limiter.take("b"), true);
});

test("refuses rather than allows when its settings are not numbers", () => {
  const limiter = new RateLimiter(new VirtualClock(), { perSecond: Number.NaN, burst: 1, maxKeys: 2 });
  assert.equal(limiter.take("a"), false);
});
