// What many watches of records leave with signals that live long.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { RecordKey } from "../../src/dht/record-key.ts";
import { dhtNetwork } from "./dht-network.ts";

const watches = 20;
const watchMs = 4000;

test("watches add no listener with each look, and leave none in the end", async (t) => {
  const add = t.mock.method(EventTarget.prototype, "addEventListener");
  // One that is made of a signal stays with it, and no list of listeners shows it.
  const any = t.mock.method(AbortSignal, "any");
  const listeners = (): number => {
    let sum = 0;
    const signals = new Set(add.mock.calls.map((call) => call.this).filter((target) => target instanceof AbortSignal));
    for (const signal of signals) if (!signal.aborted) sum += getEventListeners(signal, "abort").length;
    return sum;
  };
  const network = await dhtNetwork(5, 1);
  const [node] = network.nodes;
  assert.ok(node !== undefined);
  const { signal } = new AbortController();
  const before = listeners();
  const stops = Array.from({ length: watches }, () => new AbortController());
  const reading = stops.map(async (stop, i) => {
    const both = i % 2 === 0 ? stop.signal : signal;
    const key = RecordKey.ofName(`watched ${i}`);
    const values = node.dht.watch(key, { intervalMs: 100, signal: both });
    // Those of the signal that lives on end with the node.
    for await (const value of values) assert.equal(value, undefined);
  });
  await network.sleep(watchMs);
  assert.ok(add.mock.callCount() > 10 * watches, "they look again and again");
  // A watch pauses or looks: it has one listener with either signal then, and one for each question under way.
  assert.ok(listeners() - before <= watches * 8, `${listeners()} listeners, ${before} before`);
  for (const stop of stops) stop.abort();
  const closed = node.dht.close();
  await network.run(closed);
  await network.run(Promise.all(reading).catch(() => undefined));
  assert.equal(getEventListeners(signal, "abort").length, 0);
  assert.equal(any.mock.callCount(), 0);
});
