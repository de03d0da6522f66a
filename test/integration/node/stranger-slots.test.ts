// Strangers of a LAN that hold as many connections as they can keep neither the owner nor honest peers out.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { StrangerSlotsReport } from "./stranger-slots-process.ts";

test("strangers that fill the slots of a node keep out neither its owner nor honest peers", async (t) => {
  const program = fileURLToPath(new URL("stranger-slots-process.ts", import.meta.url));
  const run = promisify(execFile);
  try {
    await run("unshare", ["-rn", "ip", "link"]);
  } catch (error) {
    t.skip(`network namespaces cannot be made here: ${error instanceof Error ? error.message : String(error)}`);
    return;
  }
  const { stdout } = await run("unshare", ["-rn", process.execPath, program], { timeout: 120_000 });
  const report: StrangerSlotsReport = JSON.parse(stdout);
  const served = Array.from({ length: 12 }, () => 200);
  assert.deepEqual(report, { besideRequests: served, besideSilence: served, handshakes: 12, lingering: 0 });
});
