// Doing something again and again.
import type { Clock } from "./clock.ts";

/** Calls back every `intervalMs` after the last call has ended. Returns a function that stops it. */
export function every(clock: Clock, intervalMs: number, callback: () => Promise<void> | void): () => void {
  let isStopped = false;
  let cancel: (() => void) | undefined;
  const arm = (): void => {
    cancel = clock.setTimeout(() => {
      void Promise.resolve(callback()).then(() => {
        if (!isStopped) arm();
      });
    }, intervalMs);
  };
  arm();
  return () => {
    isStopped = true;
    cancel?.();
  };
}
