// Pauses between attempts to reach a peer that cannot be reached: growing, jittered, forgotten when there is news of it.

import { createBoundedCache } from "../util/bounded-cache.ts";
import { type Clock, jittered } from "../util/clock.ts";

const firstPauseMs = 100;
const longestPauseMs = 5000;
const jitterShare = 0.2;
const maxPeers = 4096;

interface Failure {
  readonly error: unknown;
  readonly pauseMs: number;
  readonly until: number;
}

/** Failed attempts by key. Bounded by `maxPeers`; the one failed longest ago is forgotten first. */
export class Backoff {
  readonly #clock: Clock;
  readonly #failures = createBoundedCache<Failure>(maxPeers);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What the last attempt failed with, while it is too early for the next. */
  failure(key: string): { readonly error: unknown } | undefined {
    const failure = this.#failures.get(key);
    return failure !== undefined && this.#clock.now() < failure.until ? failure : undefined;
  }

  failed(key: string, error: unknown): void {
    const last = this.#failures.get(key);
    const pauseMs = last === undefined ? firstPauseMs : Math.min(last.pauseMs * 2, longestPauseMs);
    const until = this.#clock.now() + jittered(this.#clock, pauseMs, jitterShare);
    this.#failures.set(key, { error, pauseMs, until });
  }

  /** The peer was reached, or there is news of it: the next attempt may be made at once. */
  reset(key: string): void {
    this.#failures.delete(key);
  }
}
