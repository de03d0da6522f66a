// Texts for people: nothing from outside acts on the terminal, columns line up.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { alignColumns, counted, howItEnded, printable, seconds, shortId, timeOfDay } from "../../../src/cli/text.ts";

test("replaces what a terminal would act on and keeps the rest", () => {
  assert.equal(printable("a\u001b[31mred\u0007\r\nb"), "a\ufffd[31mred\ufffd\ufffd\ufffdb");
  assert.equal(printable("\u009b2J\u007f\u202eabc\u2066"), "\ufffd2J\ufffd\ufffdabc\ufffd");
  assert.equal(printable("Grüße, 世界 👋 – @a/b+c="), "Grüße, 世界 👋 – @a/b+c=");
});

test("printable text holds no control character, whatever came in", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const shown = printable(text);
      assert.equal(shown.length, text.length);
      assert.doesNotMatch(shown, /\p{Cc}/u);
      assert.equal(printable(shown), shown);
    }),
  );
});

test("aligns columns by their widest cell, without spaces at the end of lines", () => {
  const rows = [
    ["PEER", "ADDRESS", "MS"],
    ["@a", "127.0.0.1:4242", "1.20"],
    ["@longer", "-", "gone"],
  ];
  assert.deepEqual(alignColumns(rows), [
    "PEER     ADDRESS         MS",
    "@a       127.0.0.1:4242  1.20",
    "@longer  -               gone",
  ]);
  assert.deepEqual(alignColumns([]), []);
});

test("aligns rows of different lengths", () => {
  assert.deepEqual(alignColumns([["a"], ["b", "c"], ["long", "d", "e"]]), ["a", "b     c", "long  d  e"]);
});

test("shows ids short, durations in seconds, counts with their noun, times of day", () => {
  assert.equal(shortId("@fCzQuNJcHnG1VKfaBOIZ8qUkSMN8iP0rG4JBuMjxCDg="), "@fCzQuNJc");
  assert.equal(seconds(1234), "1.2 s");
  assert.equal(seconds(0), "0.0 s");
  assert.equal(counted(1, "node"), "1 node");
  assert.equal(counted(0, "node"), "0 nodes");
  assert.equal(timeOfDay(new Date(2026, 0, 2, 3, 4, 5).getTime()), "03:04:05");
});

test("says how a process ended", () => {
  assert.equal(howItEnded({ code: 3, signal: null }), "ended with exit code 3");
  assert.equal(howItEnded({ code: null, signal: "SIGKILL" }), "was ended by SIGKILL");
});
