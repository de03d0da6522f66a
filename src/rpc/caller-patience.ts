// When a caller gives a call up: its deadline and its signal.
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../util/clock.ts";

const maxWireTimeoutMs = 2 ** 31 - 1;

/** Milliseconds as Open carries them: whole, and 0 for none. */
export function wireTimeout(timeoutMs: number | undefined): number {
  return timeoutMs === undefined ? 0 : Math.ceil(Math.min(timeoutMs, maxWireTimeoutMs));
}

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
      this.#stopTimer = clock.setTimeout(() => giveUp(deadlineError()), timeoutMs);
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

/** The error of a call whose signal has aborted already; undefined where it has not. */
export function abortedErrorOf(signal: AbortSignal | undefined): ConnectError | undefined {
  return signal?.aborted === true ? abortedError(signal.reason) : undefined;
}

function deadlineError(): ConnectError {
  return new ConnectError("the deadline has passed", Code.DeadlineExceeded);
}

function abortedError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  if (reason instanceof Error && reason.name === "TimeoutError") return deadlineError();
  return new ConnectError("the call was cancelled", Code.Canceled, undefined, undefined, reason);
}
