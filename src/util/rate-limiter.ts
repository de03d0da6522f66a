// Token buckets by key, for what strangers may make a node do.

import { createBoundedCache } from "./bounded-cache.ts";
import type { Clock } from "./clock.ts";

interface Bucket {
  tokens: number;
  at: number;
}

/** Settings of a RateLimiter. */
export interface RateLimiterOptions {
  /** Tokens that come back each second. */
  readonly perSecond: number;
  /** Tokens at most, and at first. */
  readonly burst: number;
  /** Keys remembered at most; the least recently used is forgotten, and starts full again. */
  readonly maxKeys: number;
}

/** One token bucket a key. Bounded by `maxKeys`. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #options: RateLimiterOptions;
  readonly #buckets;

  constructor(clock: Clock, options: RateLimiterOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#buckets = createBoundedCache<Bucket>(options.maxKeys);
  }

  /** Takes one token of the key. Returns false when there is none. */
  take(key: string): boolean {
    const now = this.#clock.now();
    const { perSecond, burst } = this.#options;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = { tokens: burst, at: now };
      this.#buckets.set(key, bucket);
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    if (!(bucket.tokens >= 1)) return false;
    bucket.tokens -= 1;
    return true;
  }
}
