import assert from "node:assert/strict";
import { test } from "node:test";
import { createConsoleLogger } from "../../../src/util/console-logger.ts";

test("the console logger writes errors with their stack, and no other level", () => {
  const lines: string[] = [];
  const logger = createConsoleLogger((line) => lines.push(line));
  for (const level of ["debug", "info", "warn"] as const) logger[level]({ event: "some" }, "text");
  assert.deepEqual(lines, []);
  logger.error(
    { event: "handler_fault", rpc: "a.B/C", err: new TypeError("100 %s \u001b[2J") },
    "a handler failed at 50 %d",
  );
  assert.equal(lines.length, 1);
  assert.match(
    lines[0] ?? "",
    /^dswarm: handler_fault: a handler failed at 50 %d \{\n {2}rpc: 'a\.B\/C',\n {2}err: TypeError: 100 %s \\x1b\[2J\n +at /,
  );
});

test("the console logger bounds the lines of each event in a minute, and says how many it left out", () => {
  const lines: string[] = [];
  let now = 0;
  const logger = createConsoleLogger(
    (line) => lines.push(line),
    () => now,
  );
  for (let i = 0; i < 1000; i++) logger.error({ event: "flood" });
  logger.error({ event: "other" });
  assert.equal(lines.filter((line) => line.includes("flood")).length, 20);
  assert.equal(lines.filter((line) => line.includes("other")).length, 1);
  now = 60_000;
  lines.length = 0;
  logger.error({ event: "flood" });
  assert.deepEqual(lines, ["dswarm: flood: 980 more lines were left out", "dswarm: flood: "]);
});
