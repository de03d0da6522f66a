// The public conformance suite of the Secret Handshake, npm shs1-test, in both roles.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { delimiter, dirname } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const executable = fileURLToPath(new URL("shs1-process.ts", import.meta.url));
const require = createRequire(import.meta.url);
const deadlineMs = 120_000;

for (const [role, suite] of [
  ["listener", "test-server.js"],
  ["dialer", "test-client.js"],
] as const) {
  for (const seed of ["dswarm", "2"]) {
    test(`the ${role} passes shs1-test with seed ${seed}`, { timeout: deadlineMs }, async () => {
      // The executable is started by name, so the Node that runs the tests must be the first in the path.
      const PATH = `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}`;
      const run = spawn(process.execPath, [require.resolve(`shs1-test/${suite}`), executable, seed], {
        env: { ...process.env, PATH },
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [output, [status]] = await Promise.all([text(run.stdout), once(run, "exit")]);
      assert.equal(status, 0, output);
      assert.match(output, /Passed the (?:server|client) test suite/);
    });
  }
}
