import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PacketQueue } from "../../../src/discovery/packet-queue.ts";
import { systemClock } from "../../../src/util/clock.ts";

interface Item {
  readonly number: number;
}

const source = { address: "127.0.0.1", port: 25_519 };

/** A queue that keeps what it hands on. */
function newQueue(): { readonly queue: PacketQueue<Item>; readonly handled: number[] } {
  const handled: number[] = [];
  return { queue: new PacketQueue<Item>(systemClock, ({ number }) => handled.push(number)), handled };
}

describe("PacketQueue", () => {
  it("hands items on in order, none of them before push returns", async () => {
    const { queue, handled } = newQueue();
    for (let i = 0; i < 1000; i++) queue.push({ number: i }, source);
    assert.equal(handled.length, 0);
    while (handled.length < 1000) await new Promise(setImmediate);
    assert.deepEqual(
      handled,
      Array.from({ length: 1000 }, (_, i) => i),
    );
  });

  it("drops the oldest of the source that has most when it is full", async () => {
    const { queue, handled } = newQueue();
    const dropped = Array.from({ length: 1030 }, (_, i) => i).filter((number) => !queue.push({ number }, source));
    assert.deepEqual(dropped, [1024, 1025, 1026, 1027, 1028, 1029], "one went for each of these");
    assert.equal(queue.push({ number: 5000 }, { address: "127.0.0.1", port: 9 }), false);
    while (handled.length < 1024) await new Promise(setImmediate);
    assert.equal(handled[1], 5000, "the sources take turns");
    assert.deepEqual([handled[0], handled.at(-1)], [7, 1029]);
  });

  it("lets the event loop have its turns between slices", async () => {
    const { queue, handled } = newQueue();
    for (let i = 0; i < 200; i++) queue.push({ number: i }, source);
    await new Promise(setImmediate);
    assert.equal(handled.length, 64);
    queue.clear();
  });

  it("hands on nothing that was cleared, and what comes after", async () => {
    const { queue, handled } = newQueue();
    queue.push({ number: 1 }, source);
    queue.clear();
    queue.push({ number: 2 }, source);
    while (handled.length < 1) await new Promise(setImmediate);
    assert.deepEqual(handled, [2]);
  });
});
