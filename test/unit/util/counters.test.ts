// Named counters.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Counters } from "../../../src/util/counters.ts";

test("a name never counted is 0 and not in the snapshot", () => {
  const counters = new Counters();
  assert.equal(counters.get("a"), 0);
  assert.deepEqual(counters.snapshot(), {});
});

test("counts add up by name, one at a time unless told otherwise", () => {
  const counters = new Counters();
  counters.add("b");
  counters.add("b");
  counters.add("a", 5);
  assert.equal(counters.get("b"), 2);
  assert.deepEqual(counters.snapshot(), { a: 5, b: 2 });
});

test("the snapshot is in alphabetical order and does not change afterwards", () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z]{1,8}$/)), (names) => {
      const counters = new Counters();
      for (const name of names) counters.add(name);
      const snapshot = counters.snapshot();
      assert.deepEqual(Object.keys(snapshot), [...new Set(names)].sort());
      counters.add("later");
      assert.equal(
        Object.values(snapshot).reduce((sum, count) => sum + count, 0),
        names.length,
      );
    }),
  );
});
