// One call on a connection, seen from one end: which frames may come and go, and how many bytes.
//
//     caller                                             callee
//     Open ─────────────────────────────────────────►    open
//     Data* ────────────────────────────────────────►    Data*        within the credit that the other end gave
//     HalfClose ────────────────────────────────────►    half-closed  (may be part of Open)
//           ◄──────────────────────── Header? Data* ─    answering
//           ◄───────────────────────────────── End ──    closed       at any time, also before the half-close
//     Cancel ───────────────────────────────────────►    closed       at any time, instead of waiting for End
//
// A frame that this picture does not allow ends the stream with `internal`; what follows on a closed stream is ignored, as it
// may have been under way.
import { Code, ConnectError } from "@connectrpc/connect";
import type { Cancel, Data, End, Header, Metadata } from "../../gen/dswarm/v1/frame_pb.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError, type ErrorCode, withoutStack } from "../util/errors.ts";
import { overLimit } from "../util/over-limit.ts";
import type { CallStats } from "./call-meter.ts";
import { withCredit } from "./credit.ts";
import type { FrameEncoder } from "./frame-encoder.ts";
import type { ConnectionMemory } from "./memory-budget.ts";
import { checkMessageBytes } from "./message-codec.ts";
import { metadataObjection } from "./metadata.ts";
import { protocol, type RpcConfig } from "./params.ts";
import { PieceBuffer } from "./piece-buffer.ts";
import type { Assembling } from "./receive-credit.ts";
import type { Objection } from "./refusal.ts";
import { endOfError } from "./status.ts";
import type { WindowPool } from "./window-pool.ts";

// With less credit than this, senders may wait for more.
const minPieceBytes = 4096;

// As a number, as it comes on the wire.
const deadlineExceeded: number = Code.DeadlineExceeded;

/** What a stream asks of its connection. */
export interface StreamHost {
  readonly config: RpcConfig;
  readonly encoder: FrameEncoder;
  /** Where is counted what the stream holds. */
  readonly memory: ConnectionMemory;
  readonly windows: WindowPool;
  /** Sends what the encoder holds, soon. */
  flushSoon(): void;
  /** Sends a message in turn with those of other streams. Returns undefined when it is sent already. */
  transmit(stream: Stream, message: Uint8Array): Promise<void> | undefined;
  /** More of a message that the consumer waits for has come; `payPieces` is called for it, at once or later. */
  assembling(stream: Assembling, cost: number): void;
  /** That message is complete or given up. `cost` is the sum of what was told of it. */
  assembled(stream: Assembling, cost: number): void;
  /** The peer did something that a peer should do seldom. May end the connection, later. */
  faulted(): void;
  /** The stream is closed. */
  remove(stream: Stream): void;
}

/** The call behind a stream. Its methods must not throw. */
export interface StreamHandler {
  /**
   * A whole message. `cost` is the credit that is due when the message is consumed. The message counts as held until `release` or
   * `discard` is called for it, or the stream is closed.
   */
  onMessage(message: Uint8Array, cost: number): void;
  /** Callee: the caller has sent its last message. */
  onHalfClose(): void;
  /** Caller: response metadata. */
  onHeader(metadata: readonly Metadata[]): void;
  /** Caller: the answer is complete. The stream is closed. */
  onEnd(end: End): void;
  /** The stream is closed by a fault, by the loss of the connection or, for the callee, by the caller's Cancel. */
  onFailed(error: ConnectError): void;
}

/** A message that waits for credit or for its turn. */
export interface Outgoing {
  readonly message: Uint8Array;
  /** Bytes of it that are sent. */
  sent: number;
  readonly done: { readonly promise: Promise<void>; resolve(): void; reject(reason: unknown): void };
}

/** What is wrong with a message that came within Open or End. */
export function inlineObjection(
  message: Uint8Array | undefined,
  { maxMessageBytes }: RpcConfig,
): Objection | undefined {
  const bytes = message?.length ?? 0;
  if (bytes > protocol.maxPieceBytes)
    return ["frame_invalid", `a message over its size in a frame: ${overLimit(bytes, protocol.maxPieceBytes)}`];
  return bytes > maxMessageBytes ? ["message_too_large", overLimit(bytes, maxMessageBytes)] : undefined;
}

function errorOf(code: ErrorCode, detail?: string): ConnectError {
  return withoutStack(() => new DswarmError(code, detail).toConnectError());
}

/** What a whole message counts as held, as if it had come in one Data frame. */
function heldBytesOf(messageBytes: number): number {
  return messageBytes + protocol.dataFrameCost;
}

const withinMessage: Objection = ["frame_invalid", "an end within a message"];
const secondHeader: Objection = ["frame_invalid", "a second header"];

/** One end of a call. */
export class Stream implements Assembling {
  readonly id: number;
  /** Bytes that may still be sent in Data frames. */
  sendCredit: number = protocol.initialStreamCredit;
  /** The message under way, one at a time. */
  outgoing: Outgoing | undefined;
  handler: StreamHandler | undefined;
  readonly #host: StreamHost;
  /** Whether the call is this end's. */
  readonly isCaller: boolean;
  #receiveCredit: number = protocol.initialStreamCredit;
  /** Consumed bytes for which no credit was sent yet. */
  #owed = 0;
  /** Credit that the peer has when all is consumed and paid. */
  #window: number = protocol.initialStreamCredit;
  /** Bytes counted as held: pieces, and messages that are not consumed. */
  #held = 0;
  /** Bytes counted as unread by this program. */
  #unread = 0;
  /** Callee: whether the call cannot start to answer before its request is whole. */
  isSingle = false;
  /** Callee: bytes counted as held until the call is settled. */
  heldByCall = 0;
  /** Whether something has come since `isStalled` was asked last. */
  #hasMoved = true;
  #stalledSince = 0;
  /** Pieces of an incomplete message. Bounded by the receive credit and `maxMessageBytes`. */
  #pieces: PieceBuffer | undefined;
  #pieceCost = 0;
  /** The part of it for which the peer was given credit. */
  #pieceCostPaid = 0;
  /** The consumer waits for the next message: pieces are then paid for as they come, within the connection's budget. */
  #hungry = false;
  #localDone = false;
  #remoteDone = false;
  #answering = false;
  #closed = false;
  #stats: CallStats | undefined;
  #clock: Clock | undefined;
  #openedAt = 0;

  constructor(host: StreamHost, id: number, isCaller: boolean) {
    this.#host = host;
    this.id = id;
    this.isCaller = isCaller;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Notes in `stats` how the call ends and how long that takes from now on. */
  measure(stats: CallStats, clock: Clock): void {
    if (this.#closed) return;
    this.#stats = stats;
    this.#clock = clock;
    this.#openedAt = clock.now();
  }

  // ---- sending

  /**
   * Sends one message. The next may be sent when the promise resolves, or at once when there is none.
   * The promise rejects when the stream closes before.
   * @throws DswarmError `message_too_large`, `link_closed` on a closed stream
   */
  send(message: Uint8Array): Promise<void> | undefined {
    if (this.#closed || this.#localDone) throw new DswarmError("link_closed", "the call has ended");
    checkMessageBytes(message.length, this.#host.config);
    return this.#host.transmit(this, message);
  }

  /** Caller: no message follows. */
  halfClose(inOpen = false): void {
    if (this.#closed || this.#localDone) return;
    this.#localDone = true;
    if (inOpen) return;
    this.#host.encoder.halfClose(this.id);
    this.#host.flushSoon();
  }

  /** Callee: response metadata, before the first message. */
  sendHeader(metadata: Metadata[]): void {
    if (this.#closed) return;
    this.#host.encoder.frame(this.id, { case: "header", value: { metadata } });
    this.#host.flushSoon();
  }

  /** Callee: the call succeeded, without header and trailer. Closes the stream. */
  endOk(response: Uint8Array | undefined): void {
    if (this.#closed) return;
    this.#host.encoder.endOk(this.id, response);
    this.#closeAndFlush(0);
  }

  /** Callee: the call ended in any other way. Closes the stream. */
  end(end: End): void {
    if (this.#closed) return;
    this.#host.encoder.frame(this.id, { case: "end", value: end });
    this.#closeAndFlush(end.code);
  }

  /** Caller: the answer is not wanted any more, for which the code tells why. Closes the stream; the handler is not told. */
  cancel(code: Code): void {
    if (this.#closed) return;
    this.#host.encoder.cancel(this.id, code);
    this.#closeAndFlush(code);
  }

  // ---- what the consumer says

  /** A message of so many bytes is consumed: the peer gets credit of `cost`. */
  release(bytes: number, cost: number): void {
    this.discard(bytes);
    this.#pay(cost);
  }

  /** A message of so many bytes is dropped unread: the peer gets no credit for it. */
  discard(bytes: number): void {
    if (this.#closed) return;
    if (this.isCaller) this.#countUnread(-heldBytesOf(bytes));
    else this.#count(-heldBytesOf(bytes));
  }

  /** Caller: a message has come that this program is to read. */
  toRead(bytes: number): void {
    this.#count(-heldBytesOf(bytes));
    this.#countUnread(heldBytesOf(bytes));
  }

  /** Callee: a message that came within Open is not consumed. */
  holdInline(bytes: number): void {
    this.#count(heldBytesOf(bytes));
  }

  /** The consumer has nothing left and waits. */
  wantMessage(): void {
    if (this.#hungry || this.#closed) return;
    this.#hungry = true;
    if (this.#pieceCost > 0) this.#host.assembling(this, this.#pieceCost);
  }

  payPieces(): void {
    const cost = this.#pieceCost - this.#pieceCostPaid;
    if (cost === 0) return;
    this.#pieceCostPaid = this.#pieceCost;
    this.#pay(cost);
  }

  // ---- receiving; each throws DswarmError for what ends the connection

  onData({ payload, more }: Data): void {
    const cost = payload.length + protocol.dataFrameCost;
    this.#receiveCredit -= cost;
    this.#hasMoved = true;
    if (this.#receiveCredit < 0) throw new DswarmError("credit_exceeded", `stream ${this.id}`);
    if (payload.length > protocol.maxPieceBytes) {
      throw new DswarmError(
        "frame_invalid",
        `a piece over its size limit: ${overLimit(payload.length, protocol.maxPieceBytes)}`,
      );
    }
    if (this.#remoteDone) return this.breach("frame_invalid", "a message after the half-close");
    this.#answering = true;
    const bytes = payload.length + (this.#pieces?.bytes ?? 0);
    const { maxMessageBytes } = this.#host.config;
    if (bytes > maxMessageBytes) return this.breach("message_too_large", overLimit(bytes, maxMessageBytes, !more));
    if (more) this.#onPiece(payload, cost);
    else this.#onLastPiece(payload, cost);
  }

  #onPiece(payload: Uint8Array, cost: number): void {
    // An empty piece carries nothing on: taken, a peer could send pieces without end.
    if (payload.length === 0) return this.breach("frame_invalid", "an empty piece");
    this.#pieces ??= new PieceBuffer();
    this.#pieces.add(payload);
    this.#pieceCost += cost;
    this.#count(cost);
    if (this.#hungry) this.#host.assembling(this, cost);
  }

  #onLastPiece(payload: Uint8Array, cost: number): void {
    if (this.#pieces === undefined) {
      this.#hungry = false;
      this.#count(cost);
      this.handler?.onMessage(payload, cost);
      return;
    }
    const message = this.#pieces.join(payload);
    const unpaid = this.#pieceCost + cost - this.#pieceCostPaid;
    this.#dropPieces();
    this.#hungry = false;
    this.#count(heldBytesOf(message.length));
    this.handler?.onMessage(message, unpaid);
  }

  #dropPieces(): void {
    if (this.#hungry && this.#pieceCost > 0) this.#host.assembled(this, this.#pieceCost);
    this.#count(-this.#pieceCost);
    this.#pieces = undefined;
    this.#pieceCost = 0;
    this.#pieceCostPaid = 0;
  }

  /**
   * Whether the peer has sent nothing of an incomplete request for so long.
   * @param now of the clock; of two calls, the later has the larger
   */
  isStalled(now: number, timeoutMs: number): boolean {
    const isIncomplete = this.#pieces !== undefined || (this.isSingle && !this.#remoteDone);
    // Where the peer has no credit, it is this end that makes it wait.
    const mayCome = this.#receiveCredit > minPieceBytes + protocol.dataFrameCost;
    if (this.#hasMoved || !isIncomplete || !mayCome || this.isCaller || this.#closed) {
      this.#hasMoved = false;
      this.#stalledSince = now;
    }
    return now - this.#stalledSince >= timeoutMs;
  }

  onHalfClose(): void {
    this.#hasMoved = true;
    if (this.#remoteDone || this.#pieces !== undefined) return this.breach("frame_invalid", "a half-close");
    this.remoteHalfClosed();
    this.handler?.onHalfClose();
  }

  /** Callee: the half-close came within Open. */
  remoteHalfClosed(): void {
    this.#remoteDone = true;
  }

  onHeader({ metadata }: Header): void {
    if (this.#answering) return this.breach("frame_invalid", "a late header");
    this.#answering = true;
    const objection = metadataObjection(metadata);
    if (objection !== undefined) return this.breach(...objection);
    this.handler?.onHeader(metadata);
  }

  onEnd(end: End): void {
    // A call may fail while an answer is under way; it cannot succeed then.
    const objection =
      metadataObjection(end.header) ??
      metadataObjection(end.trailer) ??
      inlineObjection(end.response, this.#host.config) ??
      (this.#pieces !== undefined && end.code === 0 ? withinMessage : undefined) ??
      (this.#answering && end.header.length > 0 ? secondHeader : undefined);
    const error = objection === undefined ? undefined : errorOf(...objection);
    if (error !== undefined) this.#host.faulted();
    this.#close(error?.code ?? end.code);
    if (error === undefined) this.handler?.onEnd(end);
    else this.handler?.onFailed(error);
  }

  /** Callee: the caller has given the call up. */
  onCancel({ code }: Cancel): void {
    const error = withoutStack(() =>
      code === deadlineExceeded
        ? new ConnectError("the caller's deadline has passed", Code.DeadlineExceeded)
        : new ConnectError("the caller cancelled the call", Code.Canceled),
    );
    this.#close(error.code);
    this.handler?.onFailed(error);
  }

  onCredit(bytes: number): void {
    this.sendCredit = withCredit(this.sendCredit, bytes);
  }

  /** Ends the stream, telling the peer and the handler why. */
  fail(error: ConnectError): void {
    if (this.#closed) return;
    if (this.isCaller) this.cancel(error.code);
    else this.end(endOfError(error));
    this.handler?.onFailed(error);
  }

  /** Ends the stream for a fault of the peer, which counts among those that the connection bears. */
  breach(code: ErrorCode, detail?: string): void {
    if (this.#closed) return;
    this.#host.faulted();
    this.fail(errorOf(code, detail));
  }

  /** The connection is gone. */
  lost(error: ConnectError): void {
    if (this.#closed) return;
    this.#close(error.code);
    this.handler?.onFailed(error);
  }

  #pay(cost: number): void {
    if (this.#remoteDone || this.#closed) return;
    this.#owed += cost;
    const { windows, config } = this.#host;
    const surplus = this.#window - protocol.initialStreamCredit;
    if (surplus === 0) {
      // A message was consumed, or a part of a large one, and more may come: a stream in use gets the full window.
      const more = config.streamWindowBytes - protocol.initialStreamCredit;
      if (more > 0 && windows.take(more)) this.#widen(more);
    } else if (windows.isTight) {
      // Credit cannot be taken back, but need not be given again.
      const less = Math.min(surplus, this.#owed);
      windows.give(less);
      this.#widen(-less);
    }
    if (this.#owed < this.#window / 4 || this.#owed === 0) return;
    this.#host.encoder.credit(this.id, this.#owed);
    this.#receiveCredit += this.#owed;
    this.#owed = 0;
    this.#host.flushSoon();
  }

  #widen(bytes: number): void {
    this.#window += bytes;
    this.#owed += bytes;
  }

  #count(bytes: number): void {
    if (this.#closed || bytes === 0) return;
    this.#held += bytes;
    this.#host.memory.holdMessage(bytes);
  }

  #countUnread(bytes: number): void {
    if (this.#closed || bytes === 0) return;
    this.#unread += bytes;
    this.#host.memory.addUnread(bytes);
  }

  /** Flushing may find the connection lost; the stream is closed before, so that its handler is not told of that. */
  #closeAndFlush(code: number): void {
    this.#close(code);
    this.#host.flushSoon();
  }

  /** @param code gRPC status code; 0 is success */
  #close(code: number): void {
    if (this.#closed) return;
    if (this.#clock !== undefined) this.#stats?.add(code, this.#clock.now() - this.#openedAt);
    if (this.#pieces !== undefined) this.#dropPieces();
    // What this program has not read yet is bounded by the window, and gets no more.
    this.#count(-this.#held);
    this.#countUnread(-this.#unread);
    const surplus = this.#window - protocol.initialStreamCredit;
    if (surplus !== 0) this.#host.windows.give(surplus);
    this.#closed = true;
    const { outgoing } = this;
    this.#host.remove(this);
    this.outgoing = undefined;
    // A connection may end with a thousand of them.
    outgoing?.done.reject(errorOf("link_closed", "the call has ended"));
  }
}
