// What a process reports on its own, which no test may cause: promises whose rejection nobody handles, and warnings.
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

const faults: string[] = [];

process.on("unhandledRejection", (reason) => faults.push(`unhandled rejection: ${String(reason)}`));
process.on("uncaughtException", (error) => faults.push(`uncaught exception: ${String(error)}`));
process.on("warning", (warning) => {
  if (warning.name !== "ExperimentalWarning") faults.push(`warning: ${warning.message}`);
});

/** Asserts that the process has reported nothing since the last call. */
export async function assertNoProcessFaults(): Promise<void> {
  await nextTurn();
  await nextTurn();
  assert.deepEqual(faults.splice(0), []);
}
