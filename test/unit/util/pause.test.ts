import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { pause } from "../../../src/util/pause.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

function listeners(...signals: AbortSignal[]): number {
  return signals.reduce((sum, signal) => sum + getEventListeners(signal, "abort").length, 0);
}

test("a pause ends with its time or a signal, and leaves neither a listener nor a timer", async () => {
  const clock = new VirtualClock();
  const [first, second] = [new AbortController(), new AbortController()];
  const signals = [first.signal, undefined, second.signal];
  for (let i = 0; i < 3; i++) {
    const paused = pause(clock, 1000, signals);
    assert.equal(listeners(first.signal, second.signal), 2);
    await clock.advance(1000);
    await paused;
    assert.equal(listeners(first.signal, second.signal), 0);
  }
  const paused = pause(clock, 1000, signals);
  second.abort();
  await paused;
  assert.equal(listeners(first.signal, second.signal), 0);
  await pause(clock, 1000, signals);
  assert.equal(clock.nextAt, Infinity);
});
