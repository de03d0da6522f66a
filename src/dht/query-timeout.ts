// How long an answer is waited for, as the answers so far suggest: smoothed round trips in the manner of RFC 6298.

/** Bounds of a `QueryTimeout`. */
export interface QueryTimeoutOptions {
  /** Soft timeout before the first answer, milliseconds. @default 1000 */
  readonly initialMs?: number;
  /** The soft timeout is never shorter, milliseconds. @default 200 */
  readonly minMs?: number;
  /** The soft timeout is never longer, milliseconds. @default 2500 */
  readonly maxMs?: number;
  /** The hard timeout is this many times the soft one; at least 1. @default 4 */
  readonly hardFactor?: number;
}

const queryTimeoutDefaults: Required<QueryTimeoutOptions> = {
  initialMs: 1000,
  minMs: 200,
  maxMs: 2500,
  hardFactor: 4,
};

// Weights of a sample (RFC 6298, section 2.3).
const meanWeight = 1 / 8;
const deviationWeight = 1 / 4;
// Round trips that hardly vary leave this share of their mean as slack.
const minSlackShare = 1 / 2;
// One peer that dawdles moves the timeout by no more than a sample of this many times the timeout would.
const maxSampleFactor = 2;
// A few dead peers in a row say nothing of the network; more in a row suggest that it has become slow.
const timeoutsThatDouble = 4;

/**
 * Timeouts of queries to any peer, learnt from all of them. Past the soft timeout another peer is asked as well, past the
 * hard one at the latest the query has failed. One for all lookups of a node: each begins with what those before it have learnt.
 */
export class QueryTimeout {
  readonly #bounds: Required<QueryTimeoutOptions>;
  #meanMs: number | undefined;
  #deviationMs = 0;
  #estimateMs: number;
  #timeoutsInARow = 0;

  /** @throws RangeError where the bounds contradict one another */
  constructor(options: QueryTimeoutOptions = {}) {
    const bounds = { ...queryTimeoutDefaults, ...options };
    if (!(bounds.minMs > 0 && bounds.minMs <= bounds.maxMs && bounds.maxMs < Infinity)) {
      throw new RangeError(`minMs and maxMs: 0 < ${bounds.minMs} <= ${bounds.maxMs} does not hold`);
    }
    if (!(bounds.initialMs > 0)) throw new RangeError(`initialMs: ${bounds.initialMs} is not positive`);
    if (!(bounds.hardFactor >= 1)) throw new RangeError(`hardFactor: ${bounds.hardFactor} is under 1`);
    this.#bounds = bounds;
    this.#estimateMs = bounds.initialMs;
  }

  /** Milliseconds after which a query is slow: from `minMs` to `maxMs`. */
  get softMs(): number {
    const { minMs, maxMs } = this.#bounds;
    const backedOffMs = this.#estimateMs * 2 ** Math.floor(this.#timeoutsInARow / timeoutsThatDouble);
    return Math.min(Math.max(backedOffMs, minMs), maxMs);
  }

  /** Milliseconds after which a query has failed: `hardFactor` times `softMs`. */
  get hardMs(): number {
    return this.softMs * this.#bounds.hardFactor;
  }

  /** The smoothed round trip, milliseconds; undefined before the first answer. */
  get meanRttMs(): number | undefined {
    return this.#meanMs;
  }

  /** A query was answered `rttMs` milliseconds after it was sent, however late that is. */
  answered(rttMs: number): void {
    const sampleMs = Math.min(rttMs, maxSampleFactor * this.softMs);
    if (this.#meanMs === undefined) {
      this.#meanMs = sampleMs;
      this.#deviationMs = sampleMs / 2;
    } else {
      this.#deviationMs += deviationWeight * (Math.abs(this.#meanMs - sampleMs) - this.#deviationMs);
      this.#meanMs += meanWeight * (sampleMs - this.#meanMs);
    }
    this.#estimateMs = this.#meanMs + Math.max(4 * this.#deviationMs, minSlackShare * this.#meanMs);
    this.#timeoutsInARow = 0;
  }

  /** A query ran into its hard timeout. Many in a row, with no answer between, make the timeouts longer. */
  timedOut(): void {
    this.#timeoutsInARow = Math.min(this.#timeoutsInARow + 1, 16 * timeoutsThatDouble);
  }
}
