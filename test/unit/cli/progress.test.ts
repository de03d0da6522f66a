// Progress on stderr, on a terminal and elsewhere.
import assert from "node:assert/strict";
import { test } from "node:test";
import { progressOn } from "../../../src/cli/progress.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { recordedTerminal } from "./recorded-terminal.ts";

for (const [isTerminal, expected] of [
  [true, ["0", "1000", "2000", "3000"]],
  [false, ["30000", "60000", "90000"]],
] as const) {
  test(`progress is a line every ${isTerminal ? "second on a terminal" : "30 seconds elsewhere"}`, () => {
    const clock = new VirtualClock();
    const terminal = { ...recordedTerminal(), isTerminal };
    const tell = progressOn(terminal, clock);
    for (let ms = 0; ms <= Number(expected.at(-1)); ms += 250) {
      clock.setTimeout(() => tell(`${ms}`), ms);
    }
    while (clock.step());
    const told = terminal.takeLines();
    assert.deepEqual(told, expected);
    for (const line of told) assert.doesNotMatch(line, /\p{Cc}/u);
  });
}
