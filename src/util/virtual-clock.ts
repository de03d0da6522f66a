// A clock that moves only when told to, with a seeded generator: the same seed gives the same run.
import TinyQueue from "tinyqueue";
import type { Clock } from "./clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

/** Simulated time and seeded randomness. The randomness is not fit for secrets. */
export class VirtualClock implements Clock {
  /** Bounded by the timers that its users keep. */
  readonly #timers = new TinyQueue<Timer>([], (a, b) => a.at - b.at || a.order - b.order);
  readonly #epochMs: number;
  #now = 0;
  #order = 0;
  #state: number;

  /**
   * @param seed 32-bit seed of the random generator
   * @param epochMs wall time at the start, milliseconds since the Unix epoch
   */
  constructor(seed = 1, epochMs = 1_600_000_000_000) {
    this.#state = seed >>> 0;
    this.#epochMs = epochMs;
  }

  now(): number {
    return this.#now;
  }

  wallMs(): number {
    return this.#epochMs + this.#now;
  }

  setTimeout(callback: () => void, delayMs: number): () => void {
    const timer: Timer = { at: this.#now + (delayMs > 0 ? delayMs : 0), order: this.#order++, callback };
    this.#timers.push(timer);
    return () => {
      timer.callback = undefined;
    };
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
    for (let timer = this.#timers.peek(); timer !== undefined && timer.at <= until; timer = this.#timers.peek()) {
      this.#timers.pop();
      if (timer.callback === undefined) continue;
      this.#now = Math.max(this.#now, timer.at);
      timer.callback();
      return true;
    }
    return false;
  }
}
