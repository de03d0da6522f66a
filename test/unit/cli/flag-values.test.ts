// Values of flags.
import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidArgumentError } from "commander";
import { nonEmpty, placeOf, repeated, wholeNumber } from "../../../src/cli/flag-values.ts";

test("reads whole numbers of the range, its ends included", () => {
  const port = wholeNumber(0, 65_535);
  assert.equal(port("0"), 0);
  assert.equal(port("65535"), 65_535);
  assert.equal(port("0080"), 80);
});

for (const text of [
  "",
  " ",
  "-1",
  "65536",
  "1.5",
  "1e3",
  "0x10",
  "+1",
  "1 ",
  "NaN",
  "Infinity",
  "99999999999999999999",
]) {
  test(`refuses ${JSON.stringify(text)} as a port and names the range`, () => {
    assert.throws(
      () => wholeNumber(0, 65_535)(text),
      (error) => error instanceof InvalidArgumentError && error.message === "Give a whole number from 0 to 65535.",
    );
  });
}

test("counts the bytes of a name, not its characters", () => {
  assert.equal(nonEmpty("é".repeat(127)), "é".repeat(127));
  assert.throws(() => nonEmpty("é".repeat(128)), InvalidArgumentError);
  assert.throws(() => nonEmpty(""), InvalidArgumentError);
});

test("collects repeated values without changing those before", () => {
  const none: readonly string[] = Object.freeze([]);
  assert.deepEqual(repeated("b", repeated("a", none)), ["a", "b"]);
});

test("reads places and refuses anything else", () => {
  assert.deepEqual(placeOf("1700000000000:12"), { startedAtMs: 1_700_000_000_000, index: 12 });
  for (const text of ["", "1", "1:", ":1", "a:1", "1:1:1"]) assert.throws(() => placeOf(text), InvalidArgumentError);
});
