// How many signatures strangers may make a node verify (about 40 µs each), and whose turn it is.
import type { Clock } from "../util/clock.ts";
import { RateLimiter } from "../util/rate-limiter.ts";
import { type Source, SourceShares } from "./source-shares.ts";

const burstSeconds = 10;
const addressFactor = 4;
const totalFactor = 8;
const maxAddresses = 4096;
const maxWaiting = 1024;
const pauseMs = 50;

/**
 * Hands items on as fast as they may be verified: at once, while the rates allow it. What must wait waits by source, and the sources
 * take turns, so that one announce of a newcomer is verified soon, whatever other sources send. Bounded by 1024 items that wait.
 */
export class VerificationQueue<T extends object> {
  readonly #clock: Clock;
  readonly #handle: (item: T) => void;
  readonly #waiting = new SourceShares<T>();
  readonly #byAddress: RateLimiter;
  readonly #total: RateLimiter;
  #stop: (() => void) | undefined;

  /**
   * @param perSecond a quarter of the items per second of one address, an eighth of those of all
   * @param handle takes one item; must not throw
   */
  constructor(clock: Clock, perSecond: number, handle: (item: T) => void) {
    const limiter = (factor: number, maxKeys: number): RateLimiter =>
      new RateLimiter(clock, { perSecond: perSecond * factor, burst: perSecond * factor * burstSeconds, maxKeys });
    this.#clock = clock;
    this.#handle = handle;
    this.#byAddress = limiter(addressFactor, maxAddresses);
    this.#total = limiter(totalFactor, 1);
  }

  /** Adds an item. Returns one that gives way, of the source that has most here; undefined while there is room. */
  push(item: T, source: Source): T | undefined {
    this.#waiting.add(item, source);
    if (this.#stop === undefined) this.#proceed();
    if (this.#waiting.size <= maxWaiting) return undefined;
    const { excess } = this.#waiting;
    if (excess !== undefined) this.#waiting.delete(excess);
    return excess;
  }

  /** Forgets what waits. */
  clear(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#waiting.clear();
  }

  #proceed(): void {
    this.#stop = undefined;
    while (this.#waiting.size > 0 && this.#total.take("")) {
      const item = this.#waiting.take((address) => this.#byAddress.take(address));
      if (item === undefined) {
        this.#total.give("");
        break;
      }
      this.#handle(item);
    }
    if (this.#waiting.size > 0) this.#stop = this.#clock.setTimeout(() => this.#proceed(), pauseMs);
  }
}
