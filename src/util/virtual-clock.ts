// A clock that moves only when told to, with a seeded generator: the same seed gives the same run.
import TinyQueue from "tinyqueue";
import type { Clock } from "./clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

const earlier = (a: Timer, b: Timer): number => a.at - b.at || a.order - b.order;
// Below this, cancelled timers are not worth sweeping.
const minSwept = 1024;

/** Simulated time and seeded randomness. The randomness is not fit for secrets. */
export class VirtualClock implements Clock {
  /** What the random generator began with, 32 bits. */
  readonly seed: number;
  /** Bounded by the timers that its users keep: cancelled ones, once they are the most, are swept out. */
  #timers = new TinyQueue<Timer>([], earlier);
  #cancelled = 0;
  #epochMs: number;
  #now = 0;
  #timersRun = 0;
  #order = 0;
  #state: number;

  /**
   * @param seed 32-bit seed of the random generator
   * @param epochMs wall time at the start, milliseconds since the Unix epoch
   */
  constructor(seed = 1, epochMs = 1_600_000_000_000) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
    this.#epochMs = epochMs;
  }

  now(): number {
    return this.#now;
  }

  wallMs(): number {
    return Math.floor(this.#epochMs + this.#now);
  }

  /** Moves the wall clock alone, as a suspend of the machine (forward) or whoever sets it does. @param ms below 0 is back */
  moveWall(ms: number): void {
    this.#epochMs += ms;
  }

  setTimeout(callback: () => void, delayMs: number): () => void {
    const timer: Timer = { at: this.#now + (delayMs > 0 ? delayMs : 0), order: this.#order++, callback };
    this.#timers.push(timer);
    return () => {
      if (timer.callback === undefined) return;
      timer.callback = undefined;
      this.#cancelled += 1;
      if (this.#cancelled >= minSwept && this.#cancelled * 2 > this.#timers.length) this.#sweep();
    };
  }

  /** A timer that is due now: it runs after those that are due already. */
  nextTurn(callback: () => void): () => void {
    return this.setTimeout(callback, 0);
  }

  /** When the earliest timer is due, on `now`; Infinity when there is none. */
  get nextAt(): number {
    return this.#earliest()?.at ?? Infinity;
  }

  /** Timers that have run so far. */
  get timersRun(): number {
    return this.#timersRun;
  }

  /** mulberry32: a 32-bit generator of full period. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  randomBytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => Math.floor(this.random() * 256));
  }

  /** Runs the earliest timer, moving time to it. Returns false when none is left. */
  step(): boolean {
    return this.#runNext(Number.MAX_VALUE);
  }

  /** Moves time forward by `ms`, running what falls due, and letting promises settle after each timer. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await new Promise(setImmediate);
      if (!this.#runNext(until)) break;
    }
    this.#now = Math.max(this.#now, until);
  }

  #runNext(until: number): boolean {
    const timer = this.#earliest();
    if (timer === undefined || timer.at > until) return false;
    this.#timers.pop();
    const { callback } = timer;
    timer.callback = undefined;
    this.#now = Math.max(this.#now, timer.at);
    this.#timersRun += 1;
    callback?.();
    return true;
  }

  #earliest(): Timer | undefined {
    for (let timer = this.#timers.peek(); timer !== undefined; timer = this.#timers.peek()) {
      if (timer.callback !== undefined) return timer;
      this.#timers.pop();
      this.#cancelled -= 1;
    }
    return undefined;
  }

  #sweep(): void {
    this.#timers = new TinyQueue(
      this.#timers.data.filter(({ callback }) => callback !== undefined),
      earlier,
    );
    this.#cancelled = 0;
  }
}
