// Notices when the wall clock moves and the monotonic clock does not: the machine was suspended, or somebody set the clock.
import type { Clock } from "./clock.ts";

type Listener = (movedMs: number) => void;

// So soon a move is noticed.
const tickMs = 5000;
// Less is drift, or the rounding of a busy machine.
const toleranceMs = 1000;

/** The watches under way, one timer for all that watch a clock: nodes of one process share it, and a simulation has thousands. */
const watches = new WeakMap<Clock, ClockWatch>();

class ClockWatch {
  /** Bounded by those that watch. */
  readonly listeners = new Set<Listener>();
  readonly #clock: Clock;
  #offset: number;
  #stop: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#offset = this.#currentOffset;
  }

  start(): void {
    if (this.#stop !== undefined) return;
    this.#offset = this.#currentOffset;
    this.#arm();
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  get #currentOffset(): number {
    return this.#clock.wallMs() - this.#clock.now();
  }

  #arm(): void {
    this.#stop = this.#clock.setTimeout(() => {
      this.#arm();
      const movedMs = this.#currentOffset - this.#offset;
      this.#offset += movedMs;
      if (Math.abs(movedMs) < toleranceMs) return;
      for (const listener of this.listeners) listener(Math.round(movedMs));
    }, tickMs);
  }
}

/**
 * Calls back within 5 seconds of each move of the wall clock by a second or more against the monotonic one.
 * @param onMove gets milliseconds: above 0 after a suspend or where the clock was put forward, below 0 where it was put back. Must not throw
 * @returns a function that ends it
 */
export function watchClock(clock: Clock, onMove: Listener): () => void {
  let watch = watches.get(clock);
  if (watch === undefined) {
    watch = new ClockWatch(clock);
    watches.set(clock, watch);
  }
  const { listeners } = watch;
  const ended = watch;
  // Of one function that is given twice each watches.
  const listener: Listener = (movedMs) => onMove(movedMs);
  listeners.add(listener);
  watch.start();
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) ended.stop();
  };
}
