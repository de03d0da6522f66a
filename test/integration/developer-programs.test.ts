// Programs of developers whose reader goes before they have printed all (`| head -1`).
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { test } from "node:test";

for (const program of ["conformance/main.ts", "attacks/main.ts"]) {
  test(`${program} --list ends quietly once its reader has gone`, { timeout: 60_000 }, async (t) => {
    const child = spawn(process.execPath, [program, "--list"], { stdio: ["ignore", "pipe", "pipe"] });
    t.after(() => child.kill("SIGKILL"));
    child.stdout.destroy();
    const [errors, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
    assert.deepEqual([code, errors], [0, ""]);
  });
}
