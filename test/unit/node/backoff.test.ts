import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../../../src/node/backoff.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const pauses = { firstMs: 100, longestMs: 5000 };

test("after a failure the next attempt is told to wait, and with what the last one failed", async () => {
  const clock = new VirtualClock();
  const backoff = new Backoff(clock, pauses);
  assert.equal(backoff.failure("a"), undefined);
  const error = new Error("nobody there");
  backoff.failed("a", error);
  assert.equal(backoff.failure("a")?.error, error);
  assert.equal(backoff.failure("b"), undefined);
  await clock.advance(79);
  assert.ok(backoff.failure("a"));
  await clock.advance(42);
  assert.equal(backoff.failure("a"), undefined);
});

test("pauses double from 100 ms to 5 s, each spread by a fifth", async () => {
  const clock = new VirtualClock(7);
  const backoff = new Backoff(clock, pauses);
  for (const expectedMs of [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]) {
    backoff.failed("a", undefined);
    let pauseMs = 0;
    while (backoff.failure("a") !== undefined) {
      await clock.advance(1);
      pauseMs += 1;
    }
    assert.ok(pauseMs >= expectedMs * 0.8 && pauseMs <= expectedMs * 1.2 + 1, `${pauseMs} for ${expectedMs}`);
  }
});

test("a success lets the next attempt be made at once, and pauses begin anew", async () => {
  const clock = new VirtualClock();
  const backoff = new Backoff(clock, pauses);
  for (let i = 0; i < 6; i++) backoff.failed("a", undefined);
  backoff.reset("a");
  assert.equal(backoff.failure("a"), undefined);
  backoff.failed("a", undefined);
  await clock.advance(121);
  assert.equal(backoff.failure("a"), undefined);
  backoff.reset("never failed");
});

test("the failures of 4096 keys are remembered, those that failed longest ago forgotten first", () => {
  const backoff = new Backoff(new VirtualClock(), pauses);
  for (let i = 0; i <= 4096; i++) backoff.failed(`${i}`, undefined);
  assert.equal(backoff.failure("0"), undefined);
  assert.ok(backoff.failure("1"));
  assert.ok(backoff.failure("4096"));
});
