// When a command that runs until it is told otherwise is told so.
import { systemClock } from "../util/clock.ts";
import { exitCodes } from "./cli-error.ts";

// npm passes a Ctrl-C on that the terminal has already sent to the whole process group: both are one.
const samePressMs = 300;

/**
 * A signal that aborts with the first SIGINT, SIGTERM or SIGHUP, when nobody reads stdout any more, when stdout takes nothing any more,
 * and at the end of stdin where `untilEof`. A second Ctrl-C ends the process at once, with exit code 130.
 * @param options.isNode whether it is a node that runs, which goes on when a full disk takes no output
 */
export function listenForStop({
  untilEof = false,
  isNode = false,
}: {
  readonly untilEof?: boolean;
  readonly isNode?: boolean;
} = {}): AbortSignal {
  const controller = new AbortController();
  let firstAt: number | undefined;
  const onSignal = (): void => {
    firstAt ??= systemClock.now();
    if (systemClock.now() - firstAt > samePressMs) process.exit(exitCodes.interrupted);
    controller.abort();
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, onSignal);
  process.stdout.on("error", (error) => {
    if (!isNode || isReaderGone(error)) controller.abort(error);
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
 * The exit code of a command that was stopped before its end. One whose output nobody reads any more has done what it could; one whose
 * output is lost has failed.
 * @param code for a stop by a signal
 */
export function codeOfStop({ reason }: AbortSignal, code: number): number {
  if (isReaderGone(reason)) return exitCodes.ok;
  return reason instanceof Error && "code" in reason && "syscall" in reason ? exitCodes.failure : code;
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
