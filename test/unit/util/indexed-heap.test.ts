// A heap whose items are moved and removed anywhere: its top is always the first of those that are in it.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { IndexedHeap } from "../../../src/util/indexed-heap.ts";

test("whatever is pushed, moved and removed, the top is the first", () => {
  const step = fc.record({
    what: fc.constantFrom("push", "push", "update", "remove", "pop"),
    n: fc.nat({ max: 30 }),
    weight: fc.nat({ max: 20 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const heap = new IndexedHeap<{ at: number; weight: number }>((a, b) => a.weight > b.weight);
      const inside: { at: number; weight: number }[] = [];
      for (const { what, n, weight } of steps) {
        const item = what === "pop" ? heap.top : inside[n % Math.max(1, inside.length)];
        if (what === "push") {
          const pushed = { at: -1, weight };
          heap.push(pushed);
          inside.push(pushed);
        } else if (item !== undefined && what === "update") {
          item.weight = weight;
          heap.update(item);
        } else if (item !== undefined) {
          heap.remove(item);
          inside.splice(inside.indexOf(item), 1);
          assert.equal(item.at, -1);
        }
        assert.equal(heap.size, inside.length);
        assert.equal(
          heap.top?.weight,
          inside.length === 0 ? undefined : Math.max(...inside.map((each) => each.weight)),
        );
      }
    }),
  );
});
