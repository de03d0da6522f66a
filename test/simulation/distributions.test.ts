// Latencies and sessions are distributed as they say.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Churn, weibull, weibullScale } from "../../src/testbed/churn.ts";
import { distributionOf } from "../../src/testbed/distribution.ts";
import {
  constantLatency,
  type Latency,
  lognormalLatency,
  planeLatency,
  uniformLatency,
} from "../../src/testbed/latency.ts";
import { runUntil, sleep } from "../../src/testbed/run.ts";
import { VirtualClock } from "../../src/util/virtual-clock.ts";

const corner = { x: 0, y: 0 };
const opposite = { x: 1, y: 0 };
const draws = 20_000;

function sampled(latency: Latency, to = opposite) {
  const clock = new VirtualClock(99);
  return distributionOf(Array.from({ length: draws }, () => latency.oneWayMs(corner, to, () => clock.random())));
}

function near(actual: number, expected: number, share = 0.03): void {
  assert.ok(Math.abs(actual - expected) <= share * expected, `${actual} is not near ${expected}`);
}

test("a constant latency is always the same", () => {
  const { p50, max, mean } = sampled(constantLatency(7));
  assert.deepEqual([p50, max, mean], [7, 7, 7]);
});

test("a uniform latency has its median in the middle and stays within its bounds", () => {
  const { p50, max } = sampled(uniformLatency(10, 30));
  near(p50, 20);
  assert.ok(max <= 30);
});

test("a lognormal latency has the median that it is given, and its mean above it", () => {
  const { p50, p99, mean } = sampled(lognormalLatency(40, 0.5));
  near(p50, 40);
  near(mean, 40 * Math.exp(0.125));
  near(p99, 40 * Math.exp(0.5 * 2.326), 0.06);
});

test("a latency on the plane grows with the distance, and is the same for a pair but for jitter", () => {
  near(sampled(planeLatency(5, 100)).p50, 105);
  near(sampled(planeLatency(5, 100), { x: 0.1, y: 0 }).p50, 15);
  assert.equal(sampled(planeLatency(5, 100, 0)).max, 105);
});

test("latencies that cannot be are refused", () => {
  assert.throws(() => constantLatency(-1), RangeError);
  assert.throws(() => uniformLatency(2, 1), RangeError);
  assert.throws(() => lognormalLatency(NaN), RangeError);
  assert.throws(() => planeLatency(1, Infinity), RangeError);
});

test("Weibull sessions have the median that they are given, whatever the shape", () => {
  for (const shape of [0.4, 0.6, 1, 2]) {
    const clock = new VirtualClock(5);
    const scale = weibullScale(3600, shape);
    const sessions = Array.from({ length: draws }, () => weibull(() => clock.random(), scale, shape));
    near(distributionOf(sessions).p50, 3600, 0.06);
  }
});

test("churn keeps the population steady, and lets as many crash as told", async () => {
  const clock = new VirtualClock(8);
  const up = new Set<number>();
  let born = 0;
  let graceful = 0;
  const failures: unknown[] = [];
  const join = (): Promise<number> => {
    up.add(++born);
    return Promise.resolve(born);
  };
  const churn = new Churn<number>({
    clock,
    options: { medianSessionMs: 60_000, gracefulShare: 0.25 },
    leave: async (node, isGraceful) => {
      assert.ok(up.delete(node));
      if (isGraceful) graceful += 1;
    },
    join,
    onFailure: (error) => failures.push(error),
  });
  for (let i = 0; i < 100; i++) churn.begin(await join());
  await runUntil(clock, sleep(clock, 3_600_000));
  churn.stop();
  assert.equal(up.size, 100);
  assert.equal(churn.departures, born - 100);
  assert.equal(churn.crashes, churn.departures - graceful);
  near(graceful, 0.25 * churn.departures, 0.15);
  const before = churn.departures;
  await runUntil(clock, sleep(clock, 3_600_000));
  assert.deepEqual([churn.departures, failures], [before, []]);
});

const idle = { leave: () => Promise.resolve(), join: () => Promise.resolve(1), onFailure: () => {} };

test("churn that cannot be is refused", () => {
  const clock = new VirtualClock();
  for (const options of [
    { medianSessionMs: 0 },
    { medianSessionMs: 1, shape: 0 },
    { medianSessionMs: 1, gracefulShare: 2 },
  ]) {
    assert.throws(() => new Churn({ ...idle, clock, options }), RangeError);
  }
});

test("a sum-up has nearest-rank percentiles, and NaN for nothing", () => {
  const { count, mean, p50, p99, max } = distributionOf([4, 1, 3, 2]);
  assert.deepEqual([count, mean, p50, p99, max], [4, 2.5, 2, 4, 4]);
  assert.ok(Number.isNaN(distributionOf([]).mean) && Number.isNaN(distributionOf([]).max));
});
