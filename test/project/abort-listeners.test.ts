// No source leaves a listener with an AbortSignal that outlives the work.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";

// Waits for the end of the process, once.
const allowed = "src/cli/stop-signal.ts";

test("what listens to an abort stops listening, and no signal is made of others", () => {
  for (const file of globSync("src/**/*.{ts,tsx}")) {
    const text = readFileSync(file, "utf8");
    // The signals that it is made of keep what it makes, for as long as anybody listens.
    assert.ok(!text.includes("AbortSignal.any("), file);
    if (file === allowed) continue;
    const added = text.match(/addEventListener\("abort"/g)?.length ?? 0;
    const removed = text.match(/removeEventListener\("abort"/g)?.length ?? 0;
    assert.ok(removed >= added, `${file}: ${added} listeners are added, and ${removed} removed`);
  }
});
