// What leaves on a connection: frames collected over a turn of the event loop go to the link together.
import type { Link } from "../link/link.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import { FrameEncoder } from "./frame-encoder.ts";
import { protocol } from "./params.ts";
import { SendSchedule } from "./send-schedule.ts";
import type { Stream } from "./stream.ts";

// The encoder is handed to the link when it holds this much, before the turn ends.
const flushBytes = 65_536;
// Messages up to this size are sent at once even where the link is a little behind: a turn of their own would cost more.
const smallBytes = 1024;
const littleBehindBytes = 1_048_576;

/** Sends frames. Bounded by `maxQueuedBytes` beyond one message a stream. */
export class Outbox {
  /** Frames written to it leave after `flushSoon`, `flush` or `planFlush`. */
  readonly encoder = new FrameEncoder();
  readonly schedule = new SendSchedule(this.encoder);
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #maxQueuedBytes: number;
  #linkHasRoom = true;
  #flushPlanned = false;
  #isClosed = false;

  constructor(link: Link, clock: Clock, maxQueuedBytes: number) {
    this.#link = link;
    this.#clock = clock;
    this.#maxQueuedBytes = maxQueuedBytes;
  }

  /**
   * Whether so many message bytes may travel in an Open or End frame, which costs no credit. Where the link is behind, they are
   * to wait for their turn as Data frames, so that many calls at once do not pile up in the link.
   */
  takesInline(bytes: number): boolean {
    if (this.#linkHasRoom) return bytes <= protocol.maxPieceBytes;
    return bytes <= smallBytes && this.#link.bufferedBytes + this.encoder.length < littleBehindBytes;
  }

  /** Sends a message in turn with those of other streams. Returns undefined when it is sent already. */
  transmit(stream: Stream, message: Uint8Array): Promise<void> | undefined {
    if (this.#linkHasRoom && this.schedule.sendNow(stream, message, flushBytes)) {
      this.flushSoon();
      return undefined;
    }
    const sent = this.schedule.enqueue(stream, message);
    this.planFlush();
    return sent;
  }

  /** The link has room again. */
  onDrain(): void {
    this.#linkHasRoom = true;
    this.flush();
  }

  /** At once when there is much, otherwise with the turn. */
  flushSoon(): void {
    if (this.encoder.length >= flushBytes) this.flush();
    else this.planFlush();
  }

  /** After the I/O of this turn: all that it caused leaves together. */
  planFlush(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#clock.nextTurn(() => {
      this.#flushPlanned = false;
      this.flush();
    });
  }

  /** Ends the link when the peer reads too little of what it is sent. */
  flush(): void {
    if (this.#isClosed) return;
    do {
      if (this.#linkHasRoom) this.schedule.pump(flushBytes);
      if (this.encoder.length === 0) return;
      if (!this.encoder.take((bytes) => this.#link.write(bytes))) this.#linkHasRoom = false;
    } while (this.#linkHasRoom && this.schedule.waiting);
    const { bufferedBytes } = this.#link;
    if (bufferedBytes > this.#maxQueuedBytes) {
      this.#link.abort(new DswarmError("peer_too_slow", `${bufferedBytes} bytes wait`));
    }
  }

  /** The link is gone: what is collected is dropped. */
  close(): void {
    this.#isClosed = true;
    this.encoder.take(() => undefined);
  }
}
