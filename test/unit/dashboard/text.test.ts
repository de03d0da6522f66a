// Figures and foreign text as the dashboard shows them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { byteCount, counted, duration, shown } from "../../../src/dashboard/text.ts";

test("durations keep to two or three digits at each border of a unit", () => {
  const texts: readonly (readonly [ms: number, text: string])[] = [
    [0, "0.0 ms"],
    [9.94, "9.9 ms"],
    [9.96, "10 ms"],
    [999.4, "999 ms"],
    [999.6, "1.0 s"],
    [9960, "10 s"],
    [59_600, "1 min"],
    [3_599_000, "59 min"],
    [3_600_000, "1 h"],
    [11_100_000, "3 h 5 min"],
    [187_200_000, "2 d 4 h"],
    [-1, "–"],
    [Number.NaN, "–"],
  ];
  for (const [ms, text] of texts) assert.equal(duration(ms), text);
});

test("counts and sizes are words for people", () => {
  assert.equal(counted(1, "hop", "hops"), "1 hop");
  assert.equal(counted(0, "hop", "hops"), "0 hops");
  assert.equal(counted(12_345, "hop", "hops"), "12,345 hops");
  assert.equal(byteCount(1023), "1023 B");
  assert.equal(byteCount(1536), "1.5 KiB");
});

test("what is not seen, or turns the direction of writing, is shown as such, and length is bounded", () => {
  assert.equal(shown("a\u202eb\u200bc\u0000"), "a\u{fffd}b\u{fffd}c\u{fffd}");
  assert.equal(shown("x".repeat(200), 10), `${"x".repeat(10)}…`);
});
