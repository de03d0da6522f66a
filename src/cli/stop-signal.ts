// When a command that runs until it is told otherwise is told so.
import { systemClock } from "../util/clock.ts";
import { exitCodes } from "./cli-error.ts";

// npm passes a Ctrl-C on that the terminal has already sent to the whole process group: both are one.
const samePressMs = 300;

/**
 * A signal that aborts with the first SIGINT, SIGTERM or SIGHUP, when nobody reads stdout any more, and at the end of
 * stdin where `untilEof`. A second Ctrl-C ends the process at once, with exit code 130.
 */
export function listenForStop({ untilEof = false }: { readonly untilEof?: boolean } = {}): AbortSignal {
  const controller = new AbortController();
  let firstAt: number | undefined;
  const onSignal = (): void => {
    firstAt ??= systemClock.now();
    if (systemClock.now() - firstAt > samePressMs) process.exit(exitCodes.interrupted);
    controller.abort();
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, onSignal);
  // On a full disk a node goes on: only its output is lost.
  process.stdout.on("error", (error) => {
    if (isReaderGone(error)) controller.abort(error);
  });
  if (untilEof) {
    const { stdin } = process;
    for (const event of ["end", "error"]) stdin.on(event, () => controller.abort());
    stdin.resume();
    // What runs keeps the process alive, not the wait for its end. A file has no unref, and ends by itself.
    if ("unref" in stdin) stdin.unref();
  }
  return controller.signal;
}

/**
 * The exit code of a command that was stopped before its end. One whose output nobody reads any more has done what it could.
 * @param code for a stop by a signal
 */
export function codeOfStop({ reason }: AbortSignal, code: number): number {
  return isReaderGone(reason) ? exitCodes.ok : code;
}

/** Whether an error of an output says that its reader has gone (`| head -1`), and not that a disk is full. */
export function isReaderGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EPIPE" || error.code === "EOF");
}

/** Resolves once the signal has aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
