import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Slice } from "../../../src/util/slice.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

suite("a slice of work", () => {
  test("is over after 2048 units", () => {
    const slice = new Slice(new VirtualClock());
    slice.begin();
    let units = 0;
    while (!slice.add(4)) units += 4;
    assert.equal(units + 4, 2048);
    slice.begin();
    assert.equal(slice.isOver, false);
  });

  test("is over after 2 ms, at which it looks every 32 units", async () => {
    const clock = new VirtualClock();
    const slice = new Slice(clock);
    slice.begin();
    await clock.advance(2);
    let units = 0;
    while (!slice.add(1)) units += 1;
    assert.equal(units + 1, 32);
    assert.equal(slice.look(), 2);
  });

  test("may be over at its begin", () => {
    const slice = new Slice(new VirtualClock());
    slice.begin(true);
    assert.equal(slice.isOver, true);
  });
});
