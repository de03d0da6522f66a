// Waiting for a while, or until something ends the wait.
import type { Clock } from "./clock.ts";

/**
 * Resolves after `ms` milliseconds, or as soon as one of the signals has aborted; it does not reject. Nothing of it stays with the
 * signals then: they may live long, and be waited with often.
 */
export function pause(clock: Clock, ms: number, signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  if (signals.some((signal) => signal?.aborted)) return Promise.resolve();
  return new Promise((resolve) => {
    const over = (): void => {
      stop();
      for (const signal of signals) signal?.removeEventListener("abort", over);
      resolve();
    };
    const stop = clock.setTimeout(over, ms);
    for (const signal of signals) signal?.addEventListener("abort", over);
  });
}
