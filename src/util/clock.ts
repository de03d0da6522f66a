// Time and randomness, the only source of either in dswarm, so that a simulation can replace both.
import { randomBytes } from "node:crypto";

/** Time and randomness. */
export interface Clock {
  /** Milliseconds since some start; never goes back. */
  now(): number;
  /** Whole milliseconds since the Unix epoch; may be set. */
  wallMs(): number;
  /**
   * Calls back once after `delayMs`, however long; never after Infinity.
   * @returns a function that prevents it; calling that again does nothing
   */
  setTimeout(callback: () => void, delayMs: number): () => void;
  /**
   * Calls back once in the next turn of the event loop, after the I/O of this turn.
   * @returns a function that prevents it; calling that again does nothing
   */
  nextTurn(callback: () => void): () => void;
  /** A number from 0 (included) to 1 (excluded). Not for secrets. */
  random(): number;
  /** Random bytes, `length` of them; fit for secrets on the system clock. */
  randomBytes(length: number): Uint8Array;
}

// Node's timers count to here; a longer delay would fire at once.
const longestTimerMs = 2 ** 31 - 1;

function setLongTimeout(callback: () => void, delayMs: number): () => void {
  let leftMs = delayMs;
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const stepMs = Math.min(leftMs, longestTimerMs);
    leftMs -= stepMs;
    timer = setTimeout(leftMs > 0 ? arm : callback, stepMs);
  };
  arm();
  return () => clearTimeout(timer);
}

/** The clock and random generator of the machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  setTimeout(callback, delayMs) {
    if (delayMs > longestTimerMs) return setLongTimeout(callback, delayMs);
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
  nextTurn(callback) {
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  },
  random: () => Math.random(),
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
};

/** Spreads a delay by a share of itself on either side, so that nodes started together do not act together. */
export function jittered(clock: Clock, delayMs: number, share: number): number {
  return delayMs * (1 + share * (2 * clock.random() - 1));
}
