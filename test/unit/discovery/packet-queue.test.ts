import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PacketQueue } from "../../../src/discovery/packet-queue.ts";
import { systemClock } from "../../../src/util/clock.ts";

describe("PacketQueue", () => {
  it("hands items on in order, none of them before push returns", async () => {
    const handled: number[] = [];
    const queue = new PacketQueue<number>(systemClock, (item) => handled.push(item));
    for (let i = 0; i < 1000; i++) queue.push(i);
    assert.equal(handled.length, 0);
    while (handled.length < 1000) await new Promise(setImmediate);
    assert.deepEqual(
      handled,
      Array.from({ length: 1000 }, (_, i) => i),
    );
  });

  it("refuses the newest item when it is full", async () => {
    const handled: number[] = [];
    const queue = new PacketQueue<number>(systemClock, (item) => handled.push(item));
    const refused = Array.from({ length: 1030 }, (_, i) => i).filter((i) => !queue.push(i));
    assert.deepEqual(refused, [1024, 1025, 1026, 1027, 1028, 1029]);
    while (handled.length < 1024) await new Promise(setImmediate);
    assert.ok(queue.push(1030));
    queue.clear();
  });

  it("lets the event loop have its turns between slices", async () => {
    const handled: number[] = [];
    const queue = new PacketQueue<number>(systemClock, (item) => handled.push(item));
    for (let i = 0; i < 200; i++) queue.push(i);
    await new Promise(setImmediate);
    assert.equal(handled.length, 64);
    queue.clear();
  });

  it("hands on nothing that was cleared, and what comes after", async () => {
    const handled: number[] = [];
    const queue = new PacketQueue<number>(systemClock, (item) => handled.push(item));
    queue.push(1);
    queue.clear();
    queue.push(2);
    while (handled.length < 1) await new Promise(setImmediate);
    assert.deepEqual(handled, [2]);
  });
});
