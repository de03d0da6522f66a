// What is told of a wall clock that moves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { watchClock } from "../../../src/util/clock-watch.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

test("a move of the wall clock is told once to each that watches, and nothing else is", async () => {
  const clock = new VirtualClock();
  const moves: number[][] = [[], []];
  const stops = moves.map((list) => watchClock(clock, (ms) => list.push(ms)));
  await clock.advance(3_600_000);
  assert.deepEqual(moves, [[], []]);
  clock.moveWall(90_000_000);
  await clock.advance(5000);
  clock.moveWall(-5000);
  await clock.advance(60_000);
  stops[0]?.();
  clock.moveWall(2000);
  await clock.advance(60_000);
  assert.deepEqual(moves, [
    [90_000_000, -5000],
    [90_000_000, -5000, 2000],
  ]);
  stops[1]?.();
  assert.equal(clock.nextAt, Infinity, "no timer is left");
});

test("drift is no move, and what moved while nobody watched is not told", async () => {
  const clock = new VirtualClock();
  const moves: number[] = [];
  watchClock(clock, (ms) => moves.push(ms))();
  clock.moveWall(90_000_000);
  const stop = watchClock(clock, (ms) => moves.push(ms));
  for (let i = 0; i < 100; i++) {
    clock.moveWall(20);
    await clock.advance(5000);
  }
  stop();
  assert.deepEqual(moves, []);
});
