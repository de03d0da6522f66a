// Two link ends joined in memory, with delay, loss of connection and partition: the network of tests, and of a node with itself.
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
  /** Splits each write into chunks of this many bytes, at least 1. @default not at all */
  readonly chunkBytes?: number;
  /** Bytes under way above which `write` returns false. @default 65536 */
  readonly highWaterMark?: number;
  /** Milliseconds that `close` waits for the other end's goodbye before it takes the link for truncated. @default 5000 */
  readonly goodbyeTimeoutMs?: number;
  /** "host:port" of each end, as the other one sees it. @default "memory:1" for the listener, "memory:2" for the dialer */
  readonly addresses?: Readonly<Record<LinkRole, string>>;
}

/** A joined pair of link ends. */
export interface MemoryLinkPair {
  readonly dialer: Link;
  readonly listener: Link;
  /** While true nothing arrives at either end; what was sent arrives when it is false again. */
  setPartitioned(partitioned: boolean): void;
  /** From now on nothing arrives at one end, as where its program hangs. */
  stopReading(role: LinkRole): void;
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
    stopReading(role) {
      (role === "dialer" ? dialer : listener).setPartitioned(true);
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
  readonly #goodbyeTimeoutMs: number;
  readonly #ended = Promise.withResolvers<void>();
  /** Sent and under way to the peer, oldest first. Bounded by the writer, which `write` tells to stop. */
  readonly #wire: Arrival[] = [];
  /** Arrived and not yet delivered. Bounded like `#wire`. */
  readonly #inbox: Arrival[] = [];
  #peer: MemoryLinkEnd | undefined;
  #sink: LinkSink | undefined;
  #lastArrivalAt = 0;
  #written = 0;
  #underWay = 0;
  #wantsDrain = false;
  #partitioned = false;
  /** Whether a goodbye or a cut has been sent, after which nothing more is. */
  #isFinished = false;
  #cancelGoodbyeTimer: (() => void) | undefined;
  #isStarted = false;
  #isPaused = false;
  #isEnded = false;
  #endReason: DswarmError | undefined;

  constructor(role: LinkRole, localId: NodeId, remoteId: NodeId, options: MemoryLinkOptions) {
    this.role = role;
    this.localId = localId;
    this.remoteId = remoteId;
    const { dialer, listener } = options.addresses ?? { listener: "memory:1", dialer: "memory:2" };
    this.remoteAddress = role === "dialer" ? listener : dialer;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#highWaterMark = options.highWaterMark ?? 65_536;
    this.#goodbyeTimeoutMs = options.goodbyeTimeoutMs ?? 5000;
  }

  join(peer: MemoryLinkEnd): void {
    this.#peer = peer;
  }

  get bufferedBytes(): number {
    return this.#underWay;
  }

  get heldBytes(): number {
    // What arrives is delivered at once; what waits is counted at the end that has sent it.
    return 0;
  }

  open(sink: LinkSink): void {
    queueMicrotask(() => {
      this.#sink = sink;
      if (this.#isEnded) {
        sink.closed(this.#endReason);
        return;
      }
      this.#drainIfRoom();
      this.#start();
    });
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isEnded || this.#isFinished) return true;
    const room = (this.#options.cutAfterBytes ?? Number.POSITIVE_INFINITY) - this.#written;
    const sent = bytes.subarray(0, Math.min(bytes.length, room));
    this.#written += sent.length;
    this.#underWay += sent.length;
    const step = Math.max(1, this.#options.chunkBytes ?? sent.length);
    for (let at = 0; at < sent.length; at += step) this.#send(Uint8Array.from(sent.subarray(at, at + step)));
    if (room <= bytes.length) {
      this.#isFinished = true;
      this.#send("cut");
      queueMicrotask(() => this.end(new DswarmError("link_truncated")));
    }
    this.#wantsDrain = this.#underWay > this.#highWaterMark;
    return !this.#wantsDrain;
  }

  close(): Promise<void> {
    if (!this.#isEnded && !this.#isFinished) {
      this.#sayGoodbye();
      // Without a sink what comes is dropped; the goodbye among it is not. After a sink that open was just given.
      queueMicrotask(() => this.#start());
      this.#cancelGoodbyeTimer = this.#clock.setTimeout(
        () => this.end(new DswarmError("link_truncated", "no goodbye came back")),
        this.#goodbyeTimeoutMs,
      );
    }
    return this.#ended.promise;
  }

  abort(reason: DswarmError): void {
    if (this.#isEnded) return;
    this.#isFinished = true;
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
    this.#cancelGoodbyeTimer?.();
    this.#sink?.closed(reason);
    this.#ended.resolve();
  }

  #sayGoodbye(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#send("goodbye");
  }

  #send(arrival: Arrival): void {
    const now = this.#clock.now();
    this.#lastArrivalAt = Math.max(this.#lastArrivalAt, now + (this.#options.delayMs?.() ?? 0));
    this.#wire.push(arrival);
    // Each timer brings the oldest, not its own: the machine's timers may swap places within a millisecond.
    this.#clock.setTimeout(() => this.#bringOldest(), this.#lastArrivalAt - now);
  }

  #start(): void {
    this.#isStarted = true;
    this.#deliver();
  }

  #bringOldest(): void {
    const arrival = this.#wire.shift();
    if (arrival !== undefined) this.#peer?.arrive(arrival);
  }

  arrive(arrival: Arrival): void {
    if (this.#isEnded) return;
    this.#inbox.push(arrival);
    this.#deliver();
  }

  #deliver(): void {
    while (this.#isStarted && !this.#isPaused && !this.#partitioned && !this.#isEnded) {
      const arrival = this.#inbox.shift();
      if (arrival === undefined) return;
      if (arrival === "cut") {
        this.end(new DswarmError("link_truncated"));
      } else if (arrival === "goodbye") {
        this.#sayGoodbye();
        this.end(undefined);
      } else {
        // Before the sink has the bytes, which are its own from then on.
        const { length } = arrival;
        this.#sink?.data(arrival);
        this.#peer?.delivered(length);
      }
    }
  }

  delivered(bytes: number): void {
    this.#underWay -= bytes;
    this.#drainIfRoom();
    if (!this.#isEnded) this.#sink?.sent?.();
  }

  #drainIfRoom(): void {
    if (!this.#wantsDrain || this.#underWay > this.#highWaterMark || this.#isEnded || this.#sink === undefined) return;
    this.#wantsDrain = false;
    this.#sink.drain();
  }
}
