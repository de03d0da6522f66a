// Token buckets by key, for what strangers may make a node do.

import { createBoundedCache } from "./bounded-cache.ts";
import type { Clock } from "./clock.ts";
import { TokenBucket, type TokenBucketOptions } from "./token-bucket.ts";

/** Settings of a RateLimiter. */
export interface RateLimiterOptions extends TokenBucketOptions {
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
    this.#buckets = createBoundedCache<TokenBucket>(options.maxKeys);
  }

  /** Takes tokens of the key, 1 unless told otherwise. Returns false, and takes none, when there are fewer. */
  take(key: string, tokens = 1): boolean {
    return this.#bucket(key).take(tokens);
  }

  /** Tokens that the key has. */
  left(key: string): number {
    return this.#bucket(key).left;
  }

  #bucket(key: string): TokenBucket {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#clock, this.#options);
      this.#buckets.set(key, bucket);
    }
    return bucket;
  }

  /** Gives back a token of the key that was taken. */
  give(key: string): void {
    this.#buckets.get(key)?.give();
  }
}
