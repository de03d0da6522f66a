import assert from "node:assert/strict";
import { test } from "node:test";
import { shownValue, valueInLine } from "../../../src/cli/value-output.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

test("text is shown as it is, with its lines and tabs", () => {
  assert.deepEqual(shownValue(bytes("a\n\tb\n")), ["a", "\tb"]);
  assert.deepEqual(shownValue(bytes("héllo")), ["héllo"]);
  assert.deepEqual(shownValue(new Uint8Array(0)), [""]);
});

test("what is no text, or would act on the terminal, is shown as a dump with how to save it", () => {
  assert.deepEqual(shownValue(Uint8Array.of(0xff, 0x41)), [
    "2 bytes, not text; to save: --out FILE",
    "00000000  ff 41                                            |.A|",
  ]);
  for (const text of ["\u001b[2J", "a\rb", "\u202ea", "a\u0000"]) {
    assert.match(shownValue(bytes(text))[0] ?? "", /not text/, JSON.stringify(text));
  }
  const long = shownValue(new Uint8Array(1000).fill(0xff));
  assert.deepEqual([long.length, long.at(-1)], [18, "…"]);
});

test("a value in one line has no line break", () => {
  assert.equal(valueInLine(bytes("one")), "one");
  assert.equal(valueInLine(bytes("a\nb")), '"a\\nb"');
  assert.equal(valueInLine(Uint8Array.of(0xff)), "1 byte, not text");
});
