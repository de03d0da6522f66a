// What leaves on a connection: frames collected over a turn of the event loop go to the link together.
import type { Link } from "../link/link.ts";
import type { Clock } from "../util/clock.ts";
import { FrameEncoder } from "./frame-encoder.ts";
import { protocol } from "./params.ts";
import { SendSchedule } from "./send-schedule.ts";
import type { Stream } from "./stream.ts";

// The encoder is handed to the link when it holds this much, before the turn ends.
const flushBytes = 65_536;
// Messages up to this size are sent at once even where the link is a little behind: a turn of their own would cost more.
const smallBytes = 1024;
const littleBehindBytes = 1_048_576;

/** For how long something waits while a number that is to grow does not. */
class Stall {
  #since: number | undefined;
  #progress = 0;

  /** Milliseconds until now; of two calls, the later has the larger `now`. */
  lastsMs(now: number, isWaiting: boolean, progress: number): number {
    if (this.#since === undefined || !isWaiting || progress > this.#progress) this.#since = now;
    this.#progress = progress;
    return now - this.#since;
  }
}

/** Sends frames. Bounded by one message a stream, by what the link takes at once, and in all by the memory budget. */
export class Outbox {
  /** Frames written to it leave after `flushSoon`, `flush` or `planFlush`. */
  readonly encoder = new FrameEncoder();
  readonly schedule = new SendSchedule(this.encoder);
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #onFlushed: () => void;
  #linkHasRoom = true;
  /** Bytes handed to the link, all together. */
  #writtenBytes = 0;
  #noted = 0;
  readonly #socketStall = new Stall();
  readonly #creditStall = new Stall();
  #flushPlanned = false;
  #isClosed = false;

  /** @param onFlushed called after each flush: `unsentBytes` and `newBytes` may have changed */
  constructor(link: Link, clock: Clock, onFlushed: () => void) {
    this.#link = link;
    this.#clock = clock;
    this.#onFlushed = onFlushed;
  }

  /** Bytes that were made for the peer and that the socket has not taken, messages that wait for credit among them. */
  get unsentBytes(): number {
    return this.encoder.length + this.#link.bufferedBytes + this.schedule.answerBytes;
  }

  /** By how many bytes `unsentBytes` may be more than when `note` was called last. */
  get newBytes(): number {
    return this.#writtenBytes - this.#noted + this.schedule.answerBytes;
  }

  /** The caller has counted `unsentBytes`: `newBytes` counts from here. */
  note(): void {
    this.#noted = this.#writtenBytes;
  }

  /**
   * Whether something waits, for the socket or for credit of the connection, and the peer has taken nothing for so long. What it
   * sends meanwhile, credit for the connection apart, does not count.
   * @param now of the clock; of two calls, the later has the larger
   */
  isStalled(now: number, timeoutMs: number): boolean {
    const { bufferedBytes } = this.#link;
    const { isStarved, creditGiven } = this.schedule;
    // The link counts some bytes more than were written, so that this errs on the side of no progress, by a hundredth.
    const taken = this.#writtenBytes - bufferedBytes;
    const socketMs = this.#socketStall.lastsMs(now, bufferedBytes > 0, taken);
    const creditMs = this.#creditStall.lastsMs(now, isStarved, creditGiven);
    return Math.max(socketMs, creditMs) >= timeoutMs;
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
    this.#clock.nextTurn(this.#onTurn);
  }

  readonly #onTurn = (): void => {
    this.#flushPlanned = false;
    this.flush();
  };

  flush(): void {
    if (this.#isClosed) return;
    do {
      if (this.#linkHasRoom) this.schedule.pump(flushBytes);
      if (this.encoder.length === 0) break;
      this.#writtenBytes += this.encoder.length;
      if (!this.encoder.take((bytes) => this.#link.write(bytes))) this.#linkHasRoom = false;
    } while (this.#linkHasRoom && this.schedule.waiting);
    this.#onFlushed();
  }

  /** The link is gone: what is collected is dropped. */
  close(): void {
    this.#isClosed = true;
    this.encoder.take(() => undefined);
  }
}
