// Takes turns: messages of many streams leave in pieces, one stream after the other, within the credit of each stream and of
// the connection, and only while the link has room. So a large message never holds up a small one.
import { withCredit } from "./credit.ts";
import type { FrameEncoder } from "./frame-encoder.ts";
import { protocol } from "./params.ts";
import type { Stream } from "./stream.ts";

// A piece smaller than this is not worth a frame: the stream waits for more credit.
const minPieceBytes = 4096;

/** What waits to be sent in Data frames. Bounded by one message a stream. */
export class SendSchedule {
  readonly #encoder: FrameEncoder;
  /** Streams with a message under way and credit for it, in turn. */
  readonly #ready = new Set<Stream>();
  #credit: number = protocol.initialConnectionCredit;
  #creditGiven = 0;
  #answerBytes = 0;

  constructor(encoder: FrameEncoder) {
    this.#encoder = encoder;
  }

  /** Whether a stream could send now. */
  get waiting(): boolean {
    return this.#ready.size > 0 && this.#credit > protocol.dataFrameCost + minPieceBytes;
  }

  /** Whether streams wait for credit of the connection. */
  get isStarved(): boolean {
    return this.#ready.size > 0 && !this.waiting;
  }

  /** Credit of the connection that the peer has given since the beginning. */
  get creditGiven(): number {
    return this.#creditGiven;
  }

  /** Bytes of answers that wait. Requests are this program's, which has them anyway. */
  get answerBytes(): number {
    return this.#answerBytes;
  }

  /**
   * Sends a message at once where nothing stands in its way.
   * @param roomBytes bytes that the link takes now
   */
  sendNow(stream: Stream, message: Uint8Array, roomBytes: number): boolean {
    const cost = message.length + protocol.dataFrameCost;
    const free = this.#ready.size === 0 && stream.outgoing === undefined && cost <= roomBytes;
    if (!free || message.length > protocol.maxPieceBytes || cost > stream.sendCredit || cost > this.#credit)
      return false;
    stream.sendCredit -= cost;
    this.#credit -= cost;
    this.#encoder.data(stream.id, message, false);
    return true;
  }

  /** Queues a message behind those of other streams; a stream has one at a time. */
  enqueue(stream: Stream, message: Uint8Array): Promise<void> {
    if (stream.outgoing !== undefined) throw new Error("a message is under way already");
    const done = Promise.withResolvers<void>();
    stream.outgoing = { message, sent: 0, done };
    if (!stream.isCaller) this.#answerBytes += message.length;
    this.#ready.add(stream);
    return done.promise;
  }

  /** Writes pieces into the encoder until it holds `untilBytes`, or nothing can be sent. */
  pump(untilBytes: number): void {
    while (this.#encoder.length < untilBytes && this.waiting) {
      const [stream] = this.#ready;
      if (stream === undefined) return;
      this.#ready.delete(stream);
      if (this.#sendPiece(stream)) this.#ready.add(stream);
    }
  }

  /** @throws DswarmError `frame_invalid` */
  addConnectionCredit(bytes: number): void {
    this.#credit = withCredit(this.#credit, bytes);
    this.#creditGiven += bytes;
  }

  /** A stream got credit: it may take its turn again. */
  resume(stream: Stream): void {
    if (stream.outgoing !== undefined) this.#ready.add(stream);
  }

  /** The stream is closed: what is left of its message is not sent. */
  remove(stream: Stream): void {
    this.#ready.delete(stream);
    const { outgoing, isCaller } = stream;
    if (outgoing !== undefined && !isCaller) this.#answerBytes -= outgoing.message.length - outgoing.sent;
  }

  /** Returns whether the stream could go on. */
  #sendPiece(stream: Stream): boolean {
    const { outgoing } = stream;
    if (outgoing === undefined) return false;
    const { message, sent, done } = outgoing;
    const left = message.length - sent;
    const room = Math.min(stream.sendCredit, this.#credit) - protocol.dataFrameCost;
    if (room < Math.min(left, minPieceBytes))
      return stream.sendCredit - protocol.dataFrameCost >= Math.min(left, minPieceBytes);
    const length = Math.min(left, room, protocol.maxPieceBytes);
    const cost = length + protocol.dataFrameCost;
    stream.sendCredit -= cost;
    this.#credit -= cost;
    this.#encoder.data(stream.id, message.subarray(sent, sent + length), length < left);
    outgoing.sent += length;
    if (!stream.isCaller) this.#answerBytes -= length;
    if (length < left) return true;
    stream.outgoing = undefined;
    done.resolve();
    return false;
  }
}
