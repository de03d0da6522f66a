// Many calls on one link, either end calling the other.
//
//     link bytes ─► FrameDecoder ─► RpcConnection ─► Stream ─► handler (a caller's call, or a served one)
//     link bytes ◄─ FrameEncoder ◄─ SendSchedule  ◄─ Stream ◄─
//
// Frames written in one turn of the event loop leave the encoder together: one box run, one websocket message.
import { Code } from "@connectrpc/connect";
import type { Frame, GoAway, Metadata, Open } from "../../gen/dswarm/v1/frame_pb.ts";
import type { Link } from "../link/link.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import { FrameDecoder } from "./frame-decoder.ts";
import { FrameEncoder } from "./frame-encoder.ts";
import { protocol, type RpcConfig } from "./params.ts";
import { SendSchedule } from "./send-schedule.ts";
import { Stream, type StreamHandler, type StreamHost } from "./stream.ts";

// The encoder is handed to the link when it holds this much, before the turn ends.
const flushBytes = 65_536;

/** Takes the calls that the peer opens. */
export interface CallAcceptor {
  /** Starts a call; it sets the handler of the stream, or ends the stream. Must not throw. */
  accept(connection: RpcConnection, stream: Stream, open: Open): void;
}

/** Settings of a connection. */
export interface RpcConnectionOptions {
  readonly config: RpcConfig;
  readonly clock: Clock;
  readonly acceptor: CallAcceptor;
  /** Called once when the connection has ended; undefined after a planned end. */
  readonly onClosed?: (reason: DswarmError | undefined) => void;
}

/** An RPC connection over a link. */
export class RpcConnection implements StreamHost {
  readonly link: Link;
  readonly config: RpcConfig;
  readonly encoder = new FrameEncoder();
  readonly #options: RpcConnectionOptions;
  readonly #clock: Clock;
  readonly #decoder = new FrameDecoder();
  readonly #schedule = new SendSchedule(this.encoder);
  /** Bounded by `maxConcurrentStreams` for the peer's calls; by the callers here for our own. */
  readonly #streams = new Map<number, Stream>();
  readonly #ended = Promise.withResolvers<void>();
  #nextId: number;
  #lastRemoteId = 0;
  #linkHasRoom = true;
  #flushPlanned = false;
  /** Credit of the connection that the peer has left. */
  #receiveCredit: number = protocol.initialConnectionCredit;
  #creditOwed = 0;
  #unconsumedBytes = 0;
  #running = 0;
  #goingAway = false;
  #peerGoingAway = false;
  #closeReason: { readonly error: DswarmError | undefined } | undefined;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;
  #stopTimer: () => void;
  #lastHeardAt: number;
  #lastCallAt: number;
  #probedAt: number | undefined;

  /** Takes over the link: opens it, and closes it in the end. */
  constructor(link: Link, options: RpcConnectionOptions) {
    this.link = link;
    this.config = options.config;
    this.#options = options;
    this.#clock = options.clock;
    this.#nextId = link.role === "dialer" ? 1 : 2;
    this.#lastHeardAt = this.#lastCallAt = this.#clock.now();
    this.#stopTimer = this.#clock.setTimeout(() => this.#tick(), this.#tickMs());
    link.open({
      data: (bytes) => this.#onData(bytes),
      drain: () => {
        this.#linkHasRoom = true;
        this.#flush();
      },
      closed: (reason) => this.#onLinkClosed(reason),
    });
  }

  /** Whether new calls can be made. */
  get usable(): boolean {
    return this.#closeReason === undefined && !this.#goingAway && !this.#peerGoingAway && this.#nextId < 2 ** 31;
  }

  get closed(): boolean {
    return this.#closeReason !== undefined;
  }

  /** Streams open, of both ends. */
  get streams(): number {
    return this.#streams.size;
  }

  /** Bytes received and not yet consumed. */
  get unconsumedBytes(): number {
    return this.#unconsumedBytes;
  }

  // ---- calls of this end

  /**
   * Opens a call.
   * @param method name of the method in ASCII
   * @param timeoutMs whole milliseconds, 0 for none
   * @param message the first message where it fits into the frame (`protocol.maxPieceBytes`)
   * @throws DswarmError `link_closed` when the connection takes no more calls
   */
  call(
    method: Uint8Array,
    timeoutMs: number,
    metadata: Metadata[] | undefined,
    message: Uint8Array | undefined,
    halfClose: boolean,
    handler: StreamHandler,
  ): Stream {
    if (!this.usable) throw this.#closeReason?.error ?? new DswarmError("link_closed");
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new Stream(this, id, true);
    stream.handler = handler;
    if (metadata === undefined) {
      this.encoder.open(id, method, timeoutMs, message, halfClose);
    } else {
      const value = {
        method: Buffer.from(method).toString("latin1"),
        timeoutMs,
        metadata,
        halfClose,
        ...(message && { message }),
      };
      this.encoder.frame(id, { case: "open", value });
    }
    if (halfClose) stream.halfClose(true);
    this.#streams.set(id, stream);
    this.flushSoon();
    return stream;
  }

  // ---- what streams ask for

  flushSoon(): void {
    if (this.encoder.length >= flushBytes) this.#flush();
    else this.#planFlush();
  }

  transmit(stream: Stream, message: Uint8Array): Promise<void> | undefined {
    if (this.#linkHasRoom && this.#schedule.sendNow(stream, message, flushBytes)) {
      this.flushSoon();
      return undefined;
    }
    const sent = this.#schedule.enqueue(stream, message);
    this.#planFlush();
    return sent;
  }

  consumed(cost: number): void {
    this.#unconsumedBytes -= cost;
    this.#payConnection();
  }

  remove(stream: Stream): void {
    this.#streams.delete(stream.id);
    this.#schedule.remove(stream);
    this.#lastCallAt = this.#clock.now();
    this.#checkIdle();
  }

  /** A served call starts to run. It counts until `callSettled`, even when its stream is closed before. */
  callStarted(): void {
    this.#running++;
  }

  callSettled(): void {
    this.#running--;
    this.#checkIdle();
  }

  // ---- the end

  /** Refuses new calls, lets those in flight finish for `drainTimeoutMs`, then says goodbye. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#drainAndClose();
    return this.#closing;
  }

  /** Ends the connection at once; calls in flight fail with the reason. */
  abort(reason: DswarmError): void {
    this.link.abort(reason);
  }

  async #drainAndClose(): Promise<void> {
    if (this.#closeReason === undefined) {
      this.#sayGoAway(Code.Canceled, "");
      const idle = Promise.withResolvers<void>();
      this.#onIdle = idle.resolve;
      this.#checkIdle();
      const stopTimer = this.#clock.setTimeout(idle.resolve, this.config.drainTimeoutMs);
      await Promise.race([idle.promise, this.#ended.promise]);
      stopTimer();
      this.#failStreams(new DswarmError("link_closed"));
      this.#flush();
      await this.link.close();
    }
    await this.#ended.promise;
  }

  #sayGoAway(code: number, message: string): void {
    if (this.#goingAway) return;
    this.#goingAway = true;
    const planned = message === "";
    this.encoder.frame(0, {
      case: "goAway",
      value: { lastStreamId: this.#lastRemoteId, code: planned ? 0 : code, message },
    });
    this.#planFlush();
  }

  #checkIdle(): void {
    if (this.#streams.size === 0 && this.#running === 0) this.#onIdle?.();
  }

  #failStreams(reason: DswarmError): void {
    const error = reason.toConnectError();
    for (const stream of this.#streams.values()) stream.lost(error);
  }

  #onLinkClosed(reason: DswarmError | undefined): void {
    this.#closeReason = { error: reason };
    this.#stopTimer();
    this.#failStreams(reason ?? new DswarmError("link_closed"));
    this.encoder.take(() => undefined);
    this.#ended.resolve();
    this.#options.onClosed?.(reason);
  }

  // ---- sending

  #planFlush(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    // After the I/O of this turn: all that it caused leaves together.
    setImmediate(() => {
      this.#flushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#closeReason !== undefined) return;
    do {
      if (this.#linkHasRoom) this.#schedule.pump(flushBytes);
      if (this.encoder.length === 0) return;
      if (!this.encoder.take((bytes) => this.link.write(bytes))) this.#linkHasRoom = false;
    } while (this.#linkHasRoom && this.#schedule.waiting);
    if (this.link.bufferedBytes > this.config.maxQueuedBytes) {
      this.abort(new DswarmError("peer_too_slow", `${this.link.bufferedBytes} bytes wait`));
    }
  }

  // ---- receiving

  #onData(bytes: Uint8Array): void {
    this.#lastHeardAt = this.#clock.now();
    this.#probedAt = undefined;
    try {
      this.#decoder.push(bytes, this.#onFrame);
    } catch (error) {
      const fault =
        error instanceof DswarmError ? error : new DswarmError("frame_invalid", messageOf(error), { cause: error });
      this.#sayGoAway(Code.Internal, fault.message);
      this.#flush();
      this.link.abort(fault);
    }
  }

  readonly #onFrame = (frame: Frame): void => {
    if (this.#closeReason !== undefined) return;
    const { streamId, body } = frame;
    if (streamId === 0) this.#onConnectionFrame(body);
    else if (body.case === "open") this.#onOpen(streamId, body.value);
    else this.#onStreamFrame(streamId, body);
  };

  #onConnectionFrame(body: Frame["body"]): void {
    switch (body.case) {
      case "credit":
        if (body.value.bytes === 0) throw new DswarmError("frame_invalid", "a credit of nothing");
        this.#schedule.addConnectionCredit(body.value.bytes);
        this.#planFlush();
        return;
      case "ping":
        this.encoder.frame(0, { case: "pong", value: { id: body.value.id } });
        this.flushSoon();
        return;
      case "pong":
      case undefined:
        return;
      case "goAway":
        this.#onGoAway(body.value);
        return;
      case "open":
      case "data":
      case "halfClose":
      case "end":
      case "cancel":
      case "header":
        throw new DswarmError("frame_invalid", `${body.case} on stream 0`);
    }
  }

  #onGoAway({ lastStreamId }: GoAway): void {
    this.#peerGoingAway = true;
    const error = new DswarmError("link_closed", "the peer did not handle the call").toConnectError();
    for (const stream of this.#streams.values()) {
      if (this.#isOurs(stream.id) && stream.id > lastStreamId) stream.lost(error);
    }
  }

  #isOurs(streamId: number): boolean {
    return streamId % 2 === (this.link.role === "dialer" ? 1 : 0);
  }

  #onOpen(streamId: number, open: Open): void {
    if (this.#isOurs(streamId) || streamId <= this.#lastRemoteId) {
      throw new DswarmError("frame_invalid", `stream ${streamId} cannot be opened`);
    }
    const stream = new Stream(this, streamId, false);
    if (this.#goingAway) return;
    this.#lastRemoteId = streamId;
    this.#streams.set(streamId, stream);
    if (open.halfClose) stream.remoteHalfClosed();
    if (this.#running >= this.config.maxConcurrentStreams) stream.fail(new DswarmError("too_many_streams"));
    else this.#options.acceptor.accept(this, stream, open);
  }

  #onStreamFrame(streamId: number, body: Frame["body"]): void {
    if (body.case === "data") this.#onDataReceived(body.value.payload.length + protocol.dataFrameCost);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      const known = this.#isOurs(streamId) ? streamId < this.#nextId : streamId <= this.#lastRemoteId;
      if (!known && !this.#goingAway) throw new DswarmError("frame_invalid", `stream ${streamId} was never opened`);
      if (body.case === "data") this.consumed(body.value.payload.length + protocol.dataFrameCost);
      return;
    }
    const ours = this.#isOurs(streamId);
    switch (body.case) {
      case "data":
        return stream.onData(body.value);
      case "credit":
        stream.onCredit(body.value.bytes);
        this.#schedule.resume(stream);
        return this.#planFlush();
      case "halfClose":
        if (!ours) return stream.onHalfClose();
        break;
      case "cancel":
        if (!ours) return stream.onCancel();
        break;
      case "header":
        if (ours) return stream.onHeader(body.value);
        break;
      case "end":
        if (ours) return stream.onEnd(body.value);
        break;
      case undefined:
        return;
      case "open":
      case "ping":
      case "pong":
      case "goAway":
        break;
    }
    throw new DswarmError("frame_invalid", `${body.case} on stream ${streamId}`);
  }

  #onDataReceived(cost: number): void {
    this.#receiveCredit -= cost;
    if (this.#receiveCredit < 0) throw new DswarmError("credit_exceeded", "the connection");
    this.#unconsumedBytes += cost;
    this.#creditOwed += cost;
    this.#payConnection();
  }

  /**
   * The connection's credit bounds what is under way; it comes back at receipt, so that one consumer that stalls does not
   * hold up the others. Only when too much lies unconsumed in all does the peer have to wait.
   */
  #payConnection(): void {
    if (this.#creditOwed < protocol.initialConnectionCredit / 4) return;
    if (this.#unconsumedBytes > this.config.maxUnconsumedBytes || this.#closeReason !== undefined) return;
    this.encoder.credit(0, this.#creditOwed);
    this.#receiveCredit += this.#creditOwed;
    this.#creditOwed = 0;
    this.#planFlush();
  }

  // ---- keepalive and idle close

  #tickMs(): number {
    const { keepaliveIntervalMs, keepaliveTimeoutMs, idleTimeoutMs } = this.config;
    return Math.min(keepaliveIntervalMs, keepaliveTimeoutMs, idleTimeoutMs || keepaliveIntervalMs);
  }

  #tick(): void {
    if (this.#closeReason !== undefined) return;
    const now = this.#clock.now();
    const { keepaliveIntervalMs, keepaliveTimeoutMs, idleTimeoutMs } = this.config;
    const isIdle = this.#streams.size === 0 && this.#running === 0;
    if (this.#probedAt !== undefined && now - this.#probedAt >= keepaliveTimeoutMs) {
      return this.abort(new DswarmError("keepalive_timeout"));
    }
    if (isIdle && idleTimeoutMs > 0 && now - this.#lastCallAt >= idleTimeoutMs) {
      void this.close();
      return;
    }
    if (this.#probedAt === undefined && now - this.#lastHeardAt >= keepaliveIntervalMs) {
      this.#probedAt = now;
      this.encoder.frame(0, { case: "ping", value: { id: 1 } });
      this.#planFlush();
    }
    this.#stopTimer = this.#clock.setTimeout(() => this.#tick(), this.#tickMs());
  }
}
