// When a node publishes again what it publishes: each thing when its own time has come, after a suspend at once, and what failed after
// a pause that grows.
import { type Clock, jittered } from "../util/clock.ts";
import type { DhtConfig } from "./options.ts";
import type { RecordStore } from "./record-store.ts";

/** What republishing needs of its node. */
export interface RepublishingInit {
  readonly config: DhtConfig;
  readonly clock: Clock;
  readonly store: RecordStore;
  /** Publishes again what is noted under an id. Resolves with whether it is done: where the node is alone it is not. */
  readonly publish: (id: string) => Promise<boolean>;
  /** That failed, and will be tried again. Must not throw. */
  readonly onFailed: (id: string, error: unknown) => void;
  /** Aborts when the node closes. */
  readonly signal: AbortSignal;
}

// What is published one after the other is published again so, not all at once.
const sweepsPerPeriod = 44;
const jitterShare = 0.1;
// What was published before the start may be about to expire.
const firstMs = 60_000;
// Soon after the node has joined or was suspended, spread so that nodes of one machine do not all begin at once.
const soonMs = 3000;
const soonJitterShare = 0.8;
const maxAtOnce = 4;
const firstRetryMs = 5000;
const retryJitterShare = 0.3;

interface Failure {
  readonly failures: number;
  readonly retryAt: number;
}

/** Publishes again. One timer for all; bounded by what the node publishes. */
export class Republishing {
  readonly #init: RepublishingInit;
  readonly #failures = new Map<string, Failure>();
  #stopTimer: (() => void) | undefined;
  #timerAt = Infinity;
  #isRunning = false;
  #isDueAgain = false;
  #isClosed = false;

  constructor(init: RepublishingInit) {
    this.#init = init;
  }

  start(): void {
    this.#plan(Math.min(firstMs, this.#sweepMs));
  }

  /** Looks soon at what is due: the node has joined others. */
  hurry(): void {
    const { clock } = this.#init;
    this.#plan(jittered(clock, soonMs, soonJitterShare));
  }

  /** The wall clock has moved forward, and peers have let so much more time pass than this node has noticed. */
  missed(ms: number): void {
    this.#init.store.publishedAged(ms);
    this.#failures.clear();
    this.hurry();
  }

  close(): void {
    this.#isClosed = true;
    this.#stopTimer?.();
  }

  get #sweepMs(): number {
    const { clock, config } = this.#init;
    return jittered(clock, config.republishMs / sweepsPerPeriod, jitterShare);
  }

  /** Sweeps after a delay, unless it is planned for sooner. */
  #plan(delayMs: number): void {
    const { clock, signal } = this.#init;
    const at = clock.now() + delayMs;
    if (this.#isClosed || signal.aborted || at >= this.#timerAt) return;
    this.#stopTimer?.();
    this.#timerAt = at;
    this.#stopTimer = clock.setTimeout(() => {
      this.#timerAt = Infinity;
      void this.#sweep();
    }, delayMs);
  }

  async #sweep(): Promise<void> {
    if (this.#isRunning) {
      this.#isDueAgain = true;
      return;
    }
    this.#isRunning = true;
    const { clock, config, store } = this.#init;
    const now = clock.now();
    const due = store
      .publishedBefore(now - config.republishMs)
      .filter((id) => (this.#failures.get(id)?.retryAt ?? now) <= now);
    let next = 0;
    const work = async (): Promise<void> => {
      for (let id = due[next++]; id !== undefined && !this.#init.signal.aborted; id = due[next++])
        await this.#publish(id);
    };
    await Promise.all(Array.from({ length: maxAtOnce }, work));
    this.#isRunning = false;
    this.#planNext();
  }

  async #publish(id: string): Promise<void> {
    const { publish, onFailed, signal } = this.#init;
    try {
      if (await publish(id)) this.#failures.delete(id);
      else this.#tryLater(id);
    } catch (error) {
      if (signal.aborted) return;
      this.#tryLater(id);
      onFailed(id, error);
    }
  }

  #tryLater(id: string): void {
    const { clock } = this.#init;
    const failures = (this.#failures.get(id)?.failures ?? 0) + 1;
    const pauseMs = jittered(clock, Math.min(firstRetryMs * 2 ** (failures - 1), this.#sweepMs), retryJitterShare);
    this.#failures.set(id, { failures, retryAt: clock.now() + pauseMs });
  }

  #planNext(): void {
    const { clock, store } = this.#init;
    const now = clock.now();
    let pauseMs = this.#isDueAgain ? 0 : this.#sweepMs;
    this.#isDueAgain = false;
    for (const [id, { retryAt }] of this.#failures) {
      if (store.publishedBytes(id) === undefined) this.#failures.delete(id);
      // A moment later, so that several are tried together.
      else pauseMs = Math.min(pauseMs, Math.max(retryAt - now, 0) + 1);
    }
    this.#plan(pauseMs);
  }
}
