// How many signatures strangers may make us verify (about 40 µs each).
import type { Clock } from "../util/clock.ts";
import { RateLimiter } from "../util/rate-limiter.ts";

/** Where a datagram came from. */
export interface Source {
  /** IPv4 address. */
  readonly address: string;
  /** UDP port. */
  readonly port: number;
}

const burstSeconds = 10;
const addressFactor = 4;
const totalFactor = 8;
const maxSources = 4096;

/**
 * Token buckets for one source port, one source address and all sources together. Nodes of one machine send from one address
 * and, sharing the group's port, often from one port too: so a bucket holds what hundreds of nodes need that start at
 * once. The last bucket bounds what forged source addresses can cost.
 */
export class SourceLimits {
  readonly #byPort: RateLimiter;
  readonly #byAddress: RateLimiter;
  readonly #total: RateLimiter;

  /** @param perSecond tokens per second of one source port */
  constructor(clock: Clock, perSecond: number) {
    const limiter = (factor: number, maxKeys: number): RateLimiter =>
      new RateLimiter(clock, { perSecond: perSecond * factor, burst: perSecond * factor * burstSeconds, maxKeys });
    this.#byPort = limiter(1, maxSources);
    this.#byAddress = limiter(addressFactor, maxSources);
    this.#total = limiter(totalFactor, 1);
  }

  /** Takes a token of each bucket. Returns false when one has none. */
  take({ address, port }: Source): boolean {
    // The narrowest first, so that a flood from one port is not charged to its address as well.
    return this.#byPort.take(`${address}:${port}`) && this.#byAddress.take(address) && this.#total.take("");
  }
}
