// Two link ends joined in memory, with delay, loss of connection and partition: the network of tests and simulations.
import type { NodeId } from "../identity/node-id.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import type { Link, LinkRole, LinkSink } from "./link.ts";

/** Settings of a memory link. */
export interface MemoryLinkOptions {
  /** @default the system clock */
  readonly clock?: Clock;
  /** Milliseconds that bytes take; called for each write. Order is kept whatever it returns. @default 0 */
  readonly delayMs?: () => number;
  /** Cuts the connection after this many bytes written by each end. @default never */
  readonly cutAfterBytes?: number;
  /** Splits each write into chunks of this many bytes. @default not at all */
  readonly chunkBytes?: number;
  /** Bytes under way at which `write` returns false. @default 65536 */
  readonly highWaterMark?: number;
}

/** A joined pair of link ends. */
export interface MemoryLinkPair {
  readonly dialer: Link;
  readonly listener: Link;
  /** While true nothing arrives at either end; what was sent arrives when it is false again. */
  setPartitioned(partitioned: boolean): void;
  /** Ends both sides as a broken connection does. */
  cut(): void;
}

/** Joins two keys by a link in memory. */
export function createMemoryLink(
  dialerId: NodeId,
  listenerId: NodeId,
  options: MemoryLinkOptions = {},
): MemoryLinkPair {
  const dialer = new MemoryLinkEnd("dialer", dialerId, listenerId, options);
  const listener = new MemoryLinkEnd("listener", listenerId, dialerId, options);
  dialer.join(listener);
  listener.join(dialer);
  return {
    dialer,
    listener,
    setPartitioned(partitioned) {
      dialer.setPartitioned(partitioned);
      listener.setPartitioned(partitioned);
    },
    cut() {
      const reason = new DswarmError("link_truncated");
      dialer.end(reason);
      listener.end(reason);
    },
  };
}

type Arrival = Uint8Array | "goodbye" | "cut";

class MemoryLinkEnd implements Link {
  readonly role: LinkRole;
  readonly localId: NodeId;
  readonly remoteId: NodeId;
  readonly remoteAddress: string;
  readonly #options: MemoryLinkOptions;
  readonly #clock: Clock;
  readonly #highWaterMark: number;
  readonly #ended = Promise.withResolvers<void>();
  /** Bounded by the writer, which `write` tells to stop. */
  readonly #inbox: Arrival[] = [];
  #peer: MemoryLinkEnd | undefined;
  #sink: LinkSink | undefined;
  #lastArrivalAt = 0;
  #written = 0;
  #underWay = 0;
  #wantsDrain = false;
  #partitioned = false;
  #saidGoodbye = false;
  #isEnded = false;
  #endReason: DswarmError | undefined;

  constructor(role: LinkRole, localId: NodeId, remoteId: NodeId, options: MemoryLinkOptions) {
    this.role = role;
    this.localId = localId;
    this.remoteId = remoteId;
    this.remoteAddress = `memory:${role === "dialer" ? 1 : 2}`;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#highWaterMark = options.highWaterMark ?? 65_536;
  }

  join(peer: MemoryLinkEnd): void {
    this.#peer = peer;
  }

  get bufferedBytes(): number {
    return this.#underWay;
  }

  open(sink: LinkSink): void {
    this.#sink = sink;
    queueMicrotask(() => {
      if (this.#isEnded) sink.closed(this.#endReason);
      else this.#deliver();
    });
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isEnded || this.#saidGoodbye) return true;
    const room = (this.#options.cutAfterBytes ?? Number.POSITIVE_INFINITY) - this.#written;
    const sent = bytes.subarray(0, Math.min(bytes.length, room));
    this.#written += sent.length;
    this.#underWay += sent.length;
    const step = this.#options.chunkBytes ?? (sent.length || 1);
    for (let at = 0; at < sent.length; at += step) this.#send(sent.slice(at, at + step));
    if (sent.length < bytes.length || room === sent.length) {
      this.#send("cut");
      this.end(new DswarmError("link_truncated"));
    }
    this.#wantsDrain = this.#underWay > this.#highWaterMark;
    return !this.#wantsDrain;
  }

  close(): Promise<void> {
    this.#sayGoodbye();
    return this.#ended.promise;
  }

  abort(reason: DswarmError): void {
    if (this.#isEnded) return;
    this.#send("cut");
    this.end(reason);
  }

  setPartitioned(partitioned: boolean): void {
    this.#partitioned = partitioned;
    if (!partitioned) this.#deliver();
  }

  end(reason: DswarmError | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#endReason = reason;
    this.#inbox.length = 0;
    this.#sink?.closed(reason);
    this.#ended.resolve();
  }

  #sayGoodbye(): void {
    if (this.#isEnded || this.#saidGoodbye) return;
    this.#saidGoodbye = true;
    this.#send("goodbye");
  }

  #send(arrival: Arrival): void {
    const peer = this.#peer;
    const at = Math.max(this.#lastArrivalAt, this.#clock.now() + (this.#options.delayMs?.() ?? 0));
    this.#lastArrivalAt = at;
    this.#clock.setTimeout(() => peer?.arrive(arrival), at - this.#clock.now());
  }

  arrive(arrival: Arrival): void {
    this.#inbox.push(arrival);
    this.#deliver();
  }

  #deliver(): void {
    while (this.#sink !== undefined && !this.#partitioned && !this.#isEnded) {
      const arrival = this.#inbox.shift();
      if (arrival === undefined) return;
      if (arrival === "cut") {
        this.end(new DswarmError("link_truncated"));
      } else if (arrival === "goodbye") {
        this.#sayGoodbye();
        this.end(undefined);
      } else {
        this.#peer?.delivered(arrival.length);
        this.#sink.data(arrival);
      }
    }
  }

  delivered(bytes: number): void {
    this.#underWay -= bytes;
    if (this.#wantsDrain && this.#underWay <= this.#highWaterMark) {
      this.#wantsDrain = false;
      this.#sink?.drain();
    }
  }
}
