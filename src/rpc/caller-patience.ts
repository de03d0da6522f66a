// When a caller gives a call up: its deadline and its signal.
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../util/clock.ts";

/** When and why the caller gives a call up. */
export class CallerPatience {
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;
  readonly #stopTimer: (() => void) | undefined;

  /**
   * @param timeoutMs milliseconds from now; undefined is none
   * @param giveUp called at most once, with the error for the caller; not called from the constructor
   */
  constructor(
    clock: Clock,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    giveUp: (error: ConnectError) => void,
  ) {
    if (timeoutMs !== undefined) {
      this.#stopTimer = clock.setTimeout(() => giveUp(deadlineError()), Math.min(timeoutMs, 2 ** 31 - 1));
    }
    if (signal !== undefined) {
      this.#signal = signal;
      this.#onAbort = () => giveUp(abortedError(signal.reason));
      signal.addEventListener("abort", this.#onAbort);
    }
  }

  /** The call is over. */
  stop(): void {
    this.#stopTimer?.();
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

/** The error of a call that cannot start, as its signal is aborted or its time is up; undefined where it can. */
export function tooLateError(signal: AbortSignal | undefined, timeoutMs: number | undefined): ConnectError | undefined {
  if (signal?.aborted === true) return abortedError(signal.reason);
  return timeoutMs !== undefined && timeoutMs <= 0 ? deadlineError() : undefined;
}

function deadlineError(): ConnectError {
  return new ConnectError("the deadline has passed", Code.DeadlineExceeded);
}

function abortedError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  if (reason instanceof Error && reason.name === "TimeoutError") return deadlineError();
  return new ConnectError("the call was cancelled", Code.Canceled, undefined, undefined, reason);
}
