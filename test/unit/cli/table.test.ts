// Tables that fit the terminal, whatever is in them.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type Column, tableLines } from "../../../src/cli/table.ts";
import { recordedTerminal } from "./recorded-terminal.ts";

const columns: readonly Column[] = [
  { head: "PEER", cut: "id" },
  { head: "ADDRESS", cut: "text" },
  { head: "MS", right: true },
  { head: "HEARD", drop: 1 },
  { head: "FOUND BY", drop: 2 },
];
const rows = [
  ["@aaaaaaaaaaAAAAAAAAAAAAAAAAAAAA=", "127.0.0.1:4001", "1.25", "1 s ago", "announce"],
  ["@aaaaaaaaaaBAAAAAAAAAAAAAAAAAAA=", "192.168.100.100:4001", "10.25", "20 s ago", "its call"],
];

test("a table that fits is shown whole", () => {
  assert.deepEqual(tableLines(columns, rows, recordedTerminal()), [
    "PEER                              ADDRESS                  MS  HEARD     FOUND BY",
    "@aaaaaaaaaaAAAAAAAAAAAAAAAAAAAA=  127.0.0.1:4001         1.25  1 s ago   announce",
    "@aaaaaaaaaaBAAAAAAAAAAAAAAAAAAA=  192.168.100.100:4001  10.25  20 s ago  its call",
  ]);
});

function at(width: number): string[] {
  return tableLines(columns, rows, recordedTerminal(width));
}

test("first ids are cut to what tells them apart, then columns go, then texts are cut", () => {
  assert.deepEqual(at(79), [
    "PEER          ADDRESS                  MS  HEARD     FOUND BY",
    "@aaaaaaaaaaA  127.0.0.1:4001         1.25  1 s ago   announce",
    "@aaaaaaaaaaB  192.168.100.100:4001  10.25  20 s ago  its call",
  ]);
  assert.equal(at(55)[0], "PEER          ADDRESS                  MS  HEARD");
  assert.equal(at(45)[0], "PEER          ADDRESS                  MS");
  assert.deepEqual(at(35), [
    "PEER          ADDRESS            MS",
    "@aaaaaaaaaaA  127.0.0.1:4001   1.25",
    "@aaaaaaaaaaB  192.168.100.1…  10.25",
  ]);
});

test("no line is wider than the terminal, down to the least that ids, numbers and 8 characters of a text take", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.base64String({ maxLength: 44 }), fc.string(), fc.nat().map(String), fc.string(), fc.string()),
      ),
      fc.integer({ min: 8 + 44 + 10 + 6, max: 200 }),
      (cells, width) => {
        const lines = tableLines(columns, cells, recordedTerminal(width));
        assert.equal(lines.length, cells.length + 1);
        for (const line of lines) assert.ok(line.length <= width, `${line.length} > ${width}: ${line}`);
      },
    ),
  );
});
