// Pauses between attempts at what cannot be reached: growing, jittered, forgotten when it is reached.
import { createBoundedCache } from "../util/bounded-cache.ts";
import { type Clock, jittered } from "../util/clock.ts";

const jitterShare = 0.2;
const maxKeys = 4096;

/** The pauses of a Backoff, milliseconds. */
export interface Pauses {
  /** After the first failure. Each further failure doubles it. */
  readonly firstMs: number;
  readonly longestMs: number;
}

interface Failure {
  readonly error: unknown;
  readonly pauseMs: number;
  readonly until: number;
}

/** Failed attempts by key. Bounded by 4096 keys; the one that failed longest ago is forgotten first. */
export class Backoff {
  readonly #clock: Clock;
  readonly #pauses: Pauses;
  readonly #failures = createBoundedCache<Failure>(maxKeys);

  constructor(clock: Clock, pauses: Pauses) {
    this.#clock = clock;
    this.#pauses = pauses;
  }

  /** What the last attempt failed with, while it is too early for the next. */
  failure(key: string): { readonly error: unknown } | undefined {
    const failure = this.#failures.get(key);
    return failure !== undefined && this.#clock.now() < failure.until ? failure : undefined;
  }

  /** Notes a failed attempt, and what it failed with. */
  failed(key: string, error: unknown): void {
    const last = this.#failures.get(key);
    const { firstMs, longestMs } = this.#pauses;
    const pauseMs = last === undefined ? firstMs : Math.min(last.pauseMs * 2, longestMs);
    const until = this.#clock.now() + jittered(this.#clock, pauseMs, jitterShare);
    this.#failures.set(key, { error, pauseMs, until });
  }

  /** It was reached: the next attempt may be made at once. */
  reset(key: string): void {
    this.#failures.delete(key);
  }
}
