// When a node announces itself.
//
//     start   250 ms   500 ms   1 s   5 s   5 s …    each ± 20 %, and none shorter than the swarm's size allows
//
// A stranger heard brings the next announce forward, so that a newcomer learns of everybody at once.
import { type Clock, jittered } from "../util/clock.ts";
import type { DiscoveryConfig } from "./options.ts";
import { minGapMs } from "./pace.ts";

const quickGapsMs = [250, 500, 1000];
const jitterShare = 0.2;
// Within this time the nodes of a small swarm show themselves to a newcomer.
const hurryMs = 200;

/** Calls back whenever it is time to announce, once started. */
export class Announcer {
  readonly #config: DiscoveryConfig;
  readonly #clock: Clock;
  readonly #swarmSize: () => number;
  readonly #announce: () => void;
  #sent = 0;
  #sentMs = 0;
  #dueMs = 0;
  #hurried = false;
  #cancel: (() => void) | undefined;
  #closed = false;

  /**
   * @param swarmSize peers that are heard at present
   * @param announce sends one announce
   */
  constructor(config: DiscoveryConfig, clock: Clock, swarmSize: () => number, announce: () => void) {
    this.#config = config;
    this.#clock = clock;
    this.#swarmSize = swarmSize;
    this.#announce = announce;
  }

  /** Announces at once, and from then on at its times. For the start, and when the content has changed. */
  announceNow(): void {
    if (this.#closed) return;
    const { intervalMs } = this.#config;
    this.#sentMs = this.#clock.now();
    this.#hurried = false;
    const gapMs = Math.max(Math.min(quickGapsMs[this.#sent] ?? intervalMs, intervalMs), this.#minGapMs());
    this.#sent += 1;
    this.#schedule(jittered(this.#clock, gapMs, jitterShare));
    this.#announce();
  }

  /** Announces soon: for a newcomer. Many calls make one announce, and the swarm's bound on packets holds. */
  hurry(): void {
    if (this.#closed || this.#hurried || this.#cancel === undefined) return;
    this.#hurried = true;
    const now = this.#clock.now();
    const windowMs = Math.max(Math.min(hurryMs, this.#config.intervalMs), this.#minGapMs());
    const dueMs = Math.max(now, this.#sentMs + windowMs) + this.#clock.random() * windowMs;
    if (dueMs < this.#dueMs) this.#schedule(dueMs - now);
  }

  /** Announces no more. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #minGapMs(): number {
    return minGapMs(this.#config, this.#swarmSize());
  }

  #schedule(delayMs: number): void {
    this.#cancel?.();
    this.#dueMs = this.#clock.now() + delayMs;
    this.#cancel = this.#clock.setTimeout(() => this.announceNow(), delayMs);
  }
}
