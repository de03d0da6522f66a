// Finds peers that are gone and connections that nobody uses.
import type { Clock } from "../util/clock.ts";
import type { RpcConfig } from "./params.ts";

/** What the keepalive does to its connection. */
export interface KeepaliveActions {
  /** Whether no call is under way. */
  isIdle(): boolean;
  /** Asks the peer for a sign of life. */
  probe(): void;
  /** The peer gave none. */
  onDead(): void;
  /** Called regularly. May end the connection. */
  onTick(now: number): void;
  /** There was no call for a third of `idleTimeoutMs`. Makes one where the connection is to stay; asked until there was a call. */
  keepInUse(): void;
  /** There was no call for `idleTimeoutMs`. Nothing is called after it. */
  onUnused(): void;
}

/** One timer a connection, whatever happens on it. */
export class Keepalive {
  readonly #clock: Clock;
  readonly #config: RpcConfig;
  readonly #actions: KeepaliveActions;
  readonly #tickMs: number;
  /** So early a connection that is to stay is used: the peer's patience may be as short as this end's. */
  readonly #useMs: number;
  #nextMs: number;
  #cancelTimer: () => void;
  #heardAt: number;
  #usedAt: number;
  /** Since the last tick, which then takes the time: to ask the clock for each call would cost too much. */
  #wasUsed = false;
  #probedAt: number | undefined;
  #isStopped = false;

  constructor(clock: Clock, config: RpcConfig, actions: KeepaliveActions) {
    this.#clock = clock;
    this.#config = config;
    this.#actions = actions;
    const { keepaliveIntervalMs, keepaliveTimeoutMs, idleTimeoutMs, requestTimeoutMs, writeTimeoutMs } = config;
    // The timer finds a stall within a third of its timeout.
    const stallMs = Math.ceil(Math.min(requestTimeoutMs, writeTimeoutMs) / 3);
    this.#useMs = Math.ceil(idleTimeoutMs / 3);
    this.#tickMs = Math.min(keepaliveIntervalMs, keepaliveTimeoutMs, this.#useMs || keepaliveIntervalMs, stallMs);
    this.#nextMs = this.#tickMs;
    this.#heardAt = this.#usedAt = clock.now();
    this.#cancelTimer = this.#plan();
  }

  /** Something came from the peer, at a time on the clock's `now`. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#probedAt = undefined;
  }

  /** A call has ended. */
  used(): void {
    this.#wasUsed = true;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
  }

  #plan(): () => void {
    return this.#clock.setTimeout(() => this.#tick(), this.#nextMs);
  }

  #tick(): void {
    const now = this.#clock.now();
    this.#actions.onTick(now);
    if (this.#isStopped) return;
    if (this.#wasUsed) this.#usedAt = now;
    this.#wasUsed = false;
    const { keepaliveIntervalMs, keepaliveTimeoutMs, idleTimeoutMs } = this.#config;
    if (this.#probedAt !== undefined && now - this.#probedAt >= keepaliveTimeoutMs) return this.#actions.onDead();
    const unusedMs = idleTimeoutMs > 0 && this.#actions.isIdle() ? now - this.#usedAt : 0;
    if (unusedMs > 0 && unusedMs >= this.#useMs) this.#actions.keepInUse();
    if (unusedMs > 0 && unusedMs >= idleTimeoutMs && this.#actions.isIdle()) return this.#actions.onUnused();
    if (this.#probedAt === undefined && now - this.#heardAt >= keepaliveIntervalMs) {
      this.#probedAt = now;
      this.#actions.probe();
    }
    if (this.#isStopped) return;
    // Earlier, where something is due before: a dead peer is found after the sum of both times, not up to two ticks later.
    const dueAt =
      this.#probedAt === undefined ? this.#heardAt + keepaliveIntervalMs : this.#probedAt + keepaliveTimeoutMs;
    this.#nextMs = Math.min(this.#tickMs, Math.max(0, dueAt - now));
    this.#cancelTimer = this.#plan();
  }
}
