// Driving simulated time: goals, bounds, errors, order, and what happens at once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inParallel, runUntil, sleep } from "../../src/testbed/run.ts";
import { SimulationError } from "../../src/testbed/simulation-error.ts";
import { VirtualClock } from "../../src/util/virtual-clock.ts";

test("runs until a promise settles and no further", async () => {
  const clock = new VirtualClock();
  let ranLater = false;
  clock.setTimeout(() => {
    ranLater = true;
  }, 101);
  const value = await runUntil(
    clock,
    sleep(clock, 100).then(() => "done"),
  );
  assert.deepEqual([value, clock.now(), ranLater], ["done", 100, false]);
});

test("runs until a predicate holds, asked before each timer", async () => {
  const clock = new VirtualClock();
  let count = 0;
  const tick = (): void => {
    count += 1;
    clock.setTimeout(tick, 10);
  };
  tick();
  await runUntil(clock, () => count === 1000);
  assert.equal(clock.now(), 9990);
});

test("all that a timer sets off settles before the next timer, long chains and ticks too", async () => {
  const clock = new VirtualClock();
  const order: string[] = [];
  const chain = async (name: string): Promise<void> => {
    for (let i = 0; i < 50; i++) {
      await Promise.resolve();
      if (i % 10 === 0) await new Promise<void>((resolve) => process.nextTick(resolve));
    }
    order.push(`${name} at ${clock.now()}`);
  };
  for (const ms of [1, 2, 2, 3]) clock.setTimeout(() => void chain(`timer ${ms}`), ms);
  await runUntil(clock, sleep(clock, 5));
  assert.deepEqual(order, ["timer 1 at 1", "timer 2 at 2", "timer 2 at 2", "timer 3 at 3"]);
});

async function trace(seed: number): Promise<number[]> {
  const clock = new VirtualClock(seed);
  const times: number[] = [];
  const walk = async (): Promise<void> => {
    for (let i = 0; i < 200; i++) {
      await sleep(clock, clock.random() * 10);
      times.push(clock.now());
    }
  };
  await runUntil(clock, Promise.all([walk(), walk(), walk()]));
  return times;
}

test("the order of two simulations on clocks of their own does not depend on one another", async () => {
  const alone = await trace(3);
  const [together] = await Promise.all([trace(3), trace(4)]);
  assert.deepEqual(together, alone);
});

const isError = (text: string) => (error: unknown) =>
  error instanceof SimulationError && error.seed === 4242 && error.message === text;

test("an error prints the seed and the time: too long, stuck, and what a timer throws", async () => {
  const forever = new Promise<never>(() => {});
  const clock = new VirtualClock(4242);
  clock.setTimeout(() => {}, 10);
  clock.setTimeout(() => {}, 100);
  await assert.rejects(
    runUntil(clock, forever, { maxMs: 50 }),
    isError("seed 4242, at 10 ms: it is not done after 50 ms"),
  );
  await assert.rejects(runUntil(clock, forever), isError("seed 4242, at 100 ms: nothing is left to happen"));
  clock.setTimeout(() => {
    throw new TypeError("a mistake");
  }, 5);
  await assert.rejects(runUntil(clock, forever), isError("seed 4242, at 105 ms: a mistake"));
});

test("a promise that rejects ends the run with its error", async () => {
  const clock = new VirtualClock();
  const failing = sleep(clock, 1).then(() => Promise.reject(new RangeError("as it is")));
  await assert.rejects(runUntil(clock, failing), new RangeError("as it is"));
});

test("an abort ends a run that would never end", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const reason = new Error("enough");
  let ticks = 0;
  const tick = (): void => {
    if (++ticks === 1000) controller.abort(reason);
    clock.setTimeout(tick, 1);
  };
  tick();
  await assert.rejects(runUntil(clock, new Promise(() => {}), { signal: controller.signal }), reason);
});

test("does so many at once, in order, and begins no more after a failure", async () => {
  const clock = new VirtualClock();
  const begun: number[] = [];
  let atOnce = 0;
  let most = 0;
  const work = async (index: number): Promise<void> => {
    begun.push(index);
    most = Math.max(most, ++atOnce);
    await sleep(clock, 10);
    atOnce -= 1;
  };
  await runUntil(clock, inParallel(10, 3, work));
  assert.deepEqual([begun, most, clock.now()], [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 3, 40]);
  begun.length = 0;
  const failing = inParallel(10, 2, async (index) => {
    await work(index);
    if (index === 2) throw new Error("third");
  });
  await assert.rejects(runUntil(clock, failing), /third/);
  await runUntil(clock, sleep(clock, 100));
  assert.deepEqual(begun, [0, 1, 2, 3]);
});
