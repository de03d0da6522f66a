// How much a node stores for its peers in a second: each record costs a signature to check and a write. A caller has a budget, and so has
// its host, since keys are free.
import type { Record as RecordMessage } from "../../gen/dswarm/v1/dht_pb.ts";
import type { Clock } from "../util/clock.ts";
import { RateLimiter } from "../util/rate-limiter.ts";
import { hostGroup } from "./contact-host.ts";
import type { Caller } from "./dht-peers.ts";
import type { DhtConfig } from "./options.ts";

const maxKeys = 4096;
// Bytes of a value that cost as much as a record: a caller that replaces one of 64 KiB again and again must not wear out the disk.
const bytesPerToken = 16_384;
// A caller that has stored less than this lately is served though others of its host have used up the host's budget. A new key costs a
// handshake, which is as dear as these.
const modestTokens = 16;

/** The budgets of callers and their hosts. Bounded by 4096 callers and as many hosts. */
export class StoreBudget {
  readonly #callers: RateLimiter;
  readonly #hosts: RateLimiter;
  readonly #modest: number;

  constructor(clock: Clock, config: DhtConfig) {
    const { storesPerSecond, storeBurst, hostStoresPerSecond, hostStoreBurst } = config;
    this.#callers = new RateLimiter(clock, { perSecond: storesPerSecond, burst: storeBurst, maxKeys });
    this.#hosts = new RateLimiter(clock, { perSecond: hostStoresPerSecond, burst: hostStoreBurst, maxKeys });
    this.#modest = storeBurst - modestTokens;
  }

  /** Takes what a record costs from the budgets of a caller. Returns false where one of them is used up. */
  take({ id, host }: Caller, cost: number): boolean {
    const caller = id.toString();
    if (!this.#callers.take(caller, cost)) return false;
    return this.#hosts.take(hostGroup(host), cost) || this.#callers.left(caller) >= this.#modest;
  }
}

/** What it costs to store a record: 1, and 1 more for each 16 KiB of its value. */
export function costOf(message: RecordMessage | undefined): number {
  const kind = message?.kind;
  if (kind?.case !== "immutable" && kind?.case !== "mutable") return 1;
  return 1 + Math.floor(kind.value.value.length / bytesPerToken);
}
