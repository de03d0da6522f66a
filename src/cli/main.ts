// The command line `dswarm`; bin/dswarm.mjs starts it.
import { CommanderError } from "commander";
import { ioMessageOf } from "../util/io-error.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import type { FailureFlags } from "./failure.ts";
import { createProgram } from "./program.ts";
import { programName } from "./program-name.ts";
import { isReaderGone } from "./stop-signal.ts";
import { terminalOn } from "./terminal.ts";

const context: Context = {
  stdout: terminalOn(process.stdout),
  stderr: terminalOn(process.stderr),
  programName: programName(),
};
let flags: FailureFlags = {};

async function exitCodeOf(thrown: unknown): Promise<number> {
  // Commander has told of it.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const { reportFailure } = await import("./failure.ts");
  return reportFailure(thrown, flags, context.stderr);
}

let isOutputLost = false;
// A reader that has gone (`| head -1`) is no fault. What runs on and on listens for it as well, and stops.
process.stdout.on("error", (error: Error) => {
  if (isOutputLost || isReaderGone(error)) return;
  isOutputLost = true;
  context.stderr.line(`dswarm: output is lost: ${ioMessageOf(error)}`);
});
process.stderr.on("error", () => undefined);
process.on("exit", () => {
  if (isOutputLost && (process.exitCode ?? exitCodes.ok) === exitCodes.ok) process.exitCode = exitCodes.failure;
});
process.on("uncaughtException", (thrown) => void exitCodeOf(thrown).then((code) => process.exit(code)));

try {
  await createProgram(context)
    .hook("preAction", (_program, command) => {
      flags = command.opts();
    })
    .parseAsync();
} catch (error) {
  process.exitCode = await exitCodeOf(error);
}
