// Completion offers the numbers that running nodes have.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { complete } from "../../../src/cli/completion.ts";
import { createProgram } from "../../../src/cli/program.ts";
import { RuntimeFiles } from "../../../src/cli/runtime-files.ts";
import { recordedTerminal } from "./recorded-terminal.ts";

const add = (port: number): (() => void) =>
  RuntimeFiles.open().add({
    pid: process.pid,
    id: "@yyHmJUZRNS3L8YoeXrxs7qNHzR3C7uHY3lZgVK8rtVE=",
    port,
    url: `https://localhost:${port}`,
    address: `dswarm://yyHmJUZRNS3L8YoeXrxs7qNHzR3C7uHY3lZgVK8rtVE@127.0.0.1:${port}`,
    certificateSha256: "00".repeat(32),
    startedAt: `${port}`,
    index: 1,
  });

test("a node is offered by the number that it keeps", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "dswarm-completion-"));
  const before = process.env["XDG_RUNTIME_DIR"];
  process.env["XDG_RUNTIME_DIR"] = directory;
  t.after(() => {
    if (before === undefined) delete process.env["XDG_RUNTIME_DIR"];
    else process.env["XDG_RUNTIME_DIR"] = before;
    rmSync(directory, { recursive: true });
  });
  const [removeFirst] = [add(4001), add(4002), add(4003)];
  removeFirst?.();
  const stdout = recordedTerminal();
  const context = { stdout, stderr: stdout, programName: "dswarm" };
  complete(["peers", "--node", ""], "bash", createProgram(context), context);
  assert.deepEqual(stdout.takeLines(), ["2", "3"]);
});
