// Simulated time: order, determinism, cancelling, nesting.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

test("time stands still until it is moved", async () => {
  const clock = new VirtualClock(1, 1000);
  assert.equal(clock.now(), 0);
  assert.equal(clock.wallMs(), 1000);
  await clock.advance(250);
  assert.equal(clock.now(), 250);
  assert.equal(clock.wallMs(), 1250);
  await clock.advance(0.5);
  assert.deepEqual([clock.now(), clock.wallMs()], [250.5, 1250]);
});

test("timers run in the order of their time, those of one time in the order of their making", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (delays) => {
      const clock = new VirtualClock();
      const ran: [number, number][] = [];
      for (const [i, delay] of delays.entries()) clock.setTimeout(() => ran.push([clock.now(), i]), delay);
      while (clock.step());
      const expected = delays
        .map((delay, i): [number, number] => [delay, i])
        .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      assert.deepEqual(ran, expected);
    }),
  );
});

test("step runs one timer, moves time to it and tells when none is left", () => {
  const clock = new VirtualClock();
  const ran: number[] = [];
  clock.setTimeout(() => ran.push(2), 20);
  clock.setTimeout(() => ran.push(1), 10);
  assert.equal(clock.step(), true);
  assert.deepEqual([ran, clock.now()], [[1], 10]);
  assert.equal(clock.step(), true);
  assert.equal(clock.step(), false);
  assert.equal(clock.now(), 20);
});

test("a cancelled timer does not run; cancelling again, or after it ran, does nothing", () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  const cancel = clock.setTimeout(() => ran.push("cancelled"), 1);
  const cancelLate = clock.setTimeout(() => ran.push("ran"), 2);
  cancel();
  cancel();
  assert.equal(clock.step(), true);
  cancelLate();
  assert.equal(clock.step(), false);
  assert.deepEqual(ran, ["ran"]);
});

test("tells when the next timer is due and how many have run, leaving out the cancelled", () => {
  const clock = new VirtualClock(7);
  assert.deepEqual([clock.seed, clock.nextAt], [7, Infinity]);
  clock.setTimeout(() => {}, 5)();
  clock.setTimeout(() => {}, 8);
  assert.equal(clock.nextAt, 8);
  while (clock.step());
  assert.deepEqual([clock.nextAt, clock.timersRun], [Infinity, 1]);
});

const kept = (i: number): boolean => i % 10 === 3;

test("the order of timers survives that most of them are cancelled", () => {
  const clock = new VirtualClock();
  const ran: number[] = [];
  const cancels = Array.from({ length: 5000 }, (_, i) => clock.setTimeout(() => ran.push(i), (i * 7919) % 1000));
  for (const [i, cancel] of cancels.entries()) if (!kept(i)) cancel();
  for (const [i, cancel] of cancels.entries()) if (!kept(i)) cancel();
  while (clock.step());
  const expected = Array.from(cancels, (_, i) => i)
    .filter(kept)
    .sort((a, b) => ((a * 7919) % 1000) - ((b * 7919) % 1000) || a - b);
  assert.deepEqual(ran, expected);
});

test("advance stops at its end though a cancelled timer lies before it and a live one behind", async () => {
  const clock = new VirtualClock();
  const ran: number[] = [];
  clock.setTimeout(() => ran.push(5), 5)();
  clock.setTimeout(() => ran.push(100), 100);
  await clock.advance(10);
  assert.deepEqual([ran, clock.now()], [[], 10]);
  await clock.advance(90);
  assert.deepEqual([ran, clock.now()], [[100], 100]);
});

test("advance runs what falls due up to and with its end, nested timers too", async () => {
  const clock = new VirtualClock();
  const ran: number[] = [];
  const again = () => {
    ran.push(clock.now());
    clock.setTimeout(again, 3);
  };
  clock.setTimeout(again, 3);
  await clock.advance(12);
  assert.deepEqual(ran, [3, 6, 9, 12]);
  await clock.advance(2);
  assert.equal(ran.length, 4);
});

test("advance lets promises settle after each timer, and before the first and after the last", async () => {
  const clock = new VirtualClock();
  const wait = (ms: number) => new Promise<void>((resolve) => clock.setTimeout(resolve, ms));
  const at: number[] = [];
  const run = async () => {
    await new Promise(setImmediate);
    for (const ms of [5, 0, 7]) {
      await wait(ms);
      at.push(clock.now());
    }
  };
  const running = run();
  await clock.advance(12);
  assert.deepEqual(at, [5, 5, 12]);
  await running;
});

test("two advances at once never move time back", async () => {
  const clock = new VirtualClock();
  const times: number[] = [];
  for (let ms = 0; ms < 20; ms++) clock.setTimeout(() => times.push(clock.now()), ms);
  await Promise.all([clock.advance(15), clock.advance(5), clock.advance(0)]);
  assert.equal(clock.now(), 15);
  assert.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
  );
});

test("a negative delay, or one that is no number, counts as 0; an infinite one never runs", async () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  clock.setTimeout(() => ran.push("never"), Number.POSITIVE_INFINITY);
  await clock.advance(10);
  clock.setTimeout(() => ran.push("negative"), -5);
  clock.setTimeout(() => ran.push("no number"), Number.NaN);
  while (clock.step());
  assert.deepEqual([ran, clock.now()], [["negative", "no number"], 10]);
});

test("a timer that throws ends its step, and the next one runs as usual", async () => {
  const clock = new VirtualClock();
  let ran = false;
  clock.setTimeout(() => {
    throw new Error("thrown by a timer");
  }, 1);
  clock.setTimeout(() => {
    ran = true;
  }, 2);
  await assert.rejects(clock.advance(5), /thrown by a timer/);
  assert.equal(clock.now(), 1);
  await clock.advance(5);
  assert.ok(ran);
});

function draw(seed: number): number[] {
  const clock = new VirtualClock(seed);
  return [...Array.from({ length: 100 }, () => clock.random()), ...clock.randomBytes(64)];
}

test("the same seed gives the same random numbers and bytes, another seed others", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (seed) => {
      assert.deepEqual(draw(seed), draw(seed));
      assert.notDeepEqual(draw(seed), draw(seed ^ 1));
    }),
  );
});

test("random numbers are from 0 to 1, spread evenly over it", () => {
  const clock = new VirtualClock(7);
  const tenths = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 100_000; i++) {
    const random = clock.random();
    assert.ok(random >= 0 && random < 1);
    const tenth = Math.floor(random * 10);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  // The standard deviation of each count is 95.
  for (const count of tenths) assert.ok(Math.abs(count - 10_000) < 500, String(tenths));
});

test("a turn comes at the same time, after the timers that are due", () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  clock.setTimeout(() => ran.push("due"), 0);
  clock.setTimeout(() => ran.push("later"), 1);
  clock.nextTurn(() => ran.push("turn"));
  clock.nextTurn(() => ran.push("cancelled"))();
  while (clock.step());
  assert.deepEqual(ran, ["due", "turn", "later"]);
});
