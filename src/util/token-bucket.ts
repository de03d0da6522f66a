// A token bucket: so many at once, then so many a second.
import type { Clock } from "./clock.ts";

/** Settings of a token bucket. */
export interface TokenBucketOptions {
  /** Tokens that come back each second. */
  readonly perSecond: number;
  /** Tokens at most, and at first. */
  readonly burst: number;
}

/** One token bucket. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #options: TokenBucketOptions;
  #tokens: number;
  #at: number;

  /** @param options kept, not copied: buckets of one kind share them */
  constructor(clock: Clock, options: TokenBucketOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#tokens = options.burst;
    this.#at = clock.now();
  }

  /** Takes tokens, 1 unless told otherwise. Returns false, and takes none, when there are fewer. */
  take(tokens = 1): boolean {
    if (!(this.left >= tokens)) return false;
    this.#tokens -= tokens;
    return true;
  }

  /** Tokens that there are. */
  get left(): number {
    const now = this.#clock.now();
    const { perSecond, burst } = this.#options;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    return this.#tokens;
  }
  /** Gives back a token that was taken. */
  give(): void {
    this.#tokens = Math.min(this.#options.burst, this.#tokens + 1);
  }
}
