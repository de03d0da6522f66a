// Many calls on one link, either end calling the other.
//
//     link bytes ─► FrameDecoder ─► RpcConnection ─► Stream ─► handler (a caller's call, or a served one)
//     link bytes ◄─ Outbox (FrameEncoder ◄─ SendSchedule) ◄─ Stream ◄─
//
// Frames written in one turn of the event loop leave the encoder together: one box run, one websocket message.
import type { ConnectError } from "@connectrpc/connect";
import type { Frame, GoAway, Metadata, Open } from "../../gen/dswarm/v1/frame_pb.ts";
import type { Link } from "../link/link.ts";
import type { Clock } from "../util/clock.ts";
import type { Counters } from "../util/counters.ts";
import { DswarmError, errorTable, withoutStack } from "../util/errors.ts";
import { Slice } from "../util/slice.ts";
import { TokenBucket } from "../util/token-bucket.ts";
import { TurnQueue, type Worker } from "../util/turn-queue.ts";
import { ownedBytes } from "./byte-views.ts";
import { FrameDecoder } from "./frame-decoder.ts";
import type { FrameEncoder } from "./frame-encoder.ts";
import { HeldBackCalls } from "./held-back-calls.ts";
import { Keepalive } from "./keepalive.ts";
import { type ConnectionMemory, MemoryBudget } from "./memory-budget.ts";
import { metadataBytes } from "./metadata.ts";
import { neverSeen } from "./never-seen.ts";
import { Outbox } from "./outbox.ts";
import { protocol, type RpcConfig } from "./params.ts";
import { type Assembling, ReceiveCredit } from "./receive-credit.ts";
import { type Refusal, refusalOf } from "./refusal.ts";
import { inlineObjection, Stream, type StreamHandler, type StreamHost } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";
import { WindowPool } from "./window-pool.ts";

/** Above every stream id: a GoAway with it turns no call away. */
const anyStreamId = 2 ** 31 - 1;
const tooManyStreams = refusalOf("too_many_streams");
/** What an open frame counts as, in other frames: its handler goes on after the slice, too. */
const openUnits = 4;
const noMemory = refusalOf("memory_exhausted");
/** What a served call counts as held, besides its request: stream, context, handler. */
const callBytes = 4096;
/** What an entry of metadata counts as held, besides its key and value. */
const metadataEntryBytes = 128;
/** So much may be sent before it is counted. What stays is counted with the next tick of the keepalive. */
const unmeasuredBytes = 8192;
/** A few small calls, or a dozen of the smallest frames. */
const littleBytes = 256;
const keepalivePingId = 1;
const drainPingId = 2;
/** A peer that does not answer for so long while a connection is being closed opens no calls either. */
const maxDrainPongMs = 1000;

type BodyCase = Frame["body"]["case"];
/** What a callee sends. */
const fromCallee: ReadonlySet<BodyCase> = new Set(["header", "data", "credit", "end"]);
/** What a caller sends. */
const fromCaller: ReadonlySet<BodyCase> = new Set(["open", "data", "credit", "halfClose", "cancel"]);

/** Takes the calls that the peer opens. */
export interface CallAcceptor {
  /** Why a call is not to be accepted; undefined where it is. Must not throw. */
  refusalOf(open: Open): Refusal | undefined;
  /**
   * Starts a call that it does not refuse; it sets the handler of the stream, or ends the stream. Calls `callSettled` of the connection once, at once or
   * later, when nothing of the call runs any more. Must not throw.
   */
  accept(connection: RpcConnection, stream: Stream, open: Open): void;
}

/** Settings of a connection. */
export interface RpcConnectionOptions {
  readonly config: RpcConfig;
  readonly clock: Clock;
  readonly acceptor: CallAcceptor;
  /** Where is counted what the peer makes this end hold. @default a budget of the connection alone, by `config` */
  readonly memory?: MemoryBudget | undefined;
  /** Counts `rpc.made`, calls that are refused, and connections that end for what the peer does. */
  readonly counters?: Counters | undefined;
  /** Called when there was no call for a third of `idleTimeoutMs`: by a call, the connection stays. @default makes none */
  readonly keepInUse?: () => void;
  /** Called once when the connection has ended; undefined after a planned end. */
  readonly onClosed?: (reason: DswarmError | undefined) => void;
}

/** An RPC connection over a link. */
export class RpcConnection implements StreamHost, Worker {
  readonly link: Link;
  readonly config: RpcConfig;
  readonly encoder: FrameEncoder;
  readonly memory: ConnectionMemory;
  readonly windows: WindowPool;
  readonly #options: RpcConnectionOptions;
  readonly #clock: Clock;
  readonly #decoder = new FrameDecoder();
  /** Bounded by `maxConcurrentStreams` for the peer's calls; by the callers here for our own. */
  readonly #streams = new StreamTable();
  readonly #ended = Promise.withResolvers<void>();
  #nextId: number;
  #lastRemoteId = 0;
  readonly #outbox: Outbox;
  readonly #received: ReceiveCredit;
  readonly #heldBack: HeldBackCalls;
  readonly #keepalive: Keepalive;
  readonly #faults: TokenBucket;
  readonly #turns: TurnQueue;
  readonly #slice: Slice;
  /** What came and waits for the next turn; the link is paused meanwhile. */
  #rest: Uint8Array | undefined;
  #hasTurn = false;
  /** The last turn in which a little came when there was no time left. */
  #littleTurn = -1;
  #isPaused = false;
  #running = 0;
  #goingAway = false;
  #refusing = false;
  #peerGoingAway = false;
  #closeReason: { readonly error: DswarmError | undefined } | undefined;
  #closing: Promise<void> | undefined;
  readonly #drained = Promise.withResolvers<void>();

  /** Takes over the link: opens it, and closes it in the end. */
  constructor(link: Link, options: RpcConnectionOptions) {
    this.link = link;
    this.config = options.config;
    this.#options = options;
    this.#clock = options.clock;
    this.#turns = TurnQueue.of(this.#clock);
    this.#slice = new Slice(this.#clock);
    const address = link.remoteAddress.slice(0, link.remoteAddress.lastIndexOf(":"));
    this.memory = (options.memory ?? new MemoryBudget(this.config)).open(address, this);
    this.windows = new WindowPool(this.config.windowPoolBytes, () => this.memory.isTight);
    this.#heldBack = new HeldBackCalls(this.#clock, this.memory, {
      start: (stream, open) => this.#options.acceptor.accept(this, stream, open),
      drop: (stream) => this.callSettled(stream),
    });
    this.#outbox = new Outbox(link, this.#clock, () => this.#onFlushed());
    this.encoder = this.#outbox.encoder;
    const { faultsPerSecond, maxFaults } = this.config;
    this.#faults = new TokenBucket(this.#clock, { perSecond: faultsPerSecond, burst: maxFaults });
    this.#nextId = link.role === "dialer" ? 1 : 2;
    this.#received = new ReceiveCredit(this.config.maxAssemblingBytes, (bytes) => {
      if (this.closed) return;
      this.encoder.credit(0, bytes);
      this.#outbox.planFlush();
    });
    this.#keepalive = new Keepalive(this.#clock, this.config, {
      isIdle: () => this.#isIdle,
      probe: () => {
        this.encoder.frame(0, { case: "ping", value: { id: keepalivePingId } });
        this.#outbox.planFlush();
      },
      onDead: () => this.abort(new DswarmError("keepalive_timeout")),
      keepInUse: () => options.keepInUse?.(),
      onUnused: () => void this.close(),
      onTick: (now) => this.#onTick(now),
    });
    link.open({
      data: (bytes) => this.#onData(bytes),
      drain: () => this.#outbox.onDrain(),
      sent: () => this.#onSent(),
      held: () => this.measureMemory(),
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

  /** Calls of the peer that are served here, until nothing of them runs any more: their streams may be closed before. */
  get running(): number {
    return this.#running;
  }

  /** Bytes of messages received and not yet consumed, in pieces or whole, each with 64 bytes more. */
  get unconsumedBytes(): number {
    return this.memory.messageBytes + this.memory.unreadBytes;
  }

  // ---- calls of this end

  /**
   * Opens a call.
   * @param method name of the method in ASCII
   * @param timeoutMs whole milliseconds, 0 for none
   * @param message the first message where it may travel in the frame (`takesInline`)
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
    if (!this.usable) throw neverSeen(new DswarmError("link_closed", undefined, { cause: this.#closeReason?.error }));
    this.#options.counters?.add("rpc.made");
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
    this.#streams.add(stream);
    this.flushSoon();
    return stream;
  }

  /** Whether so many message bytes may travel in an Open or End frame now. */
  takesInline(bytes: number): boolean {
    return this.#outbox.takesInline(bytes);
  }

  // ---- what streams ask for

  flushSoon(): void {
    this.#outbox.flushSoon();
  }

  transmit(stream: Stream, message: Uint8Array): Promise<void> | undefined {
    const sent = this.#outbox.transmit(stream, message);
    if (sent !== undefined && !stream.isCaller) {
      // Many handlers may answer before the next turn: each is to find the budget as it is.
      this.measureMemory();
      this.memory.enforce();
    }
    return sent;
  }

  assembling(stream: Assembling, cost: number): void {
    this.#received.assembling(stream, cost);
  }

  assembled(stream: Assembling, cost: number): void {
    this.#received.assembled(stream, cost);
  }

  faulted(): void {
    if (!this.#faults.take()) this.#giveUp(new DswarmError("too_many_faults"));
  }

  remove(stream: Stream): void {
    this.#streams.delete(stream.id);
    this.#outbox.schedule.remove(stream);
    this.#keepalive.used();
    this.#checkIdle();
  }

  /** A call that runs holds so many bytes of its request until it is settled. */
  holdForCall(stream: Stream, bytes: number): void {
    stream.heldByCall += bytes;
    this.memory.hold(bytes);
  }

  /** A call that was accepted does not run any more, here or at all. */
  callSettled(stream: Stream): void {
    this.#running--;
    this.memory.release(stream.heldByCall);
    stream.heldByCall = 0;
    this.#keepalive.used();
    this.#checkIdle();
  }

  // ---- the end

  /**
   * Makes no new calls, lets those in flight finish, then says goodbye. Idempotent.
   * @param drainTimeoutMs how long they may take, in milliseconds; of several calls, the one that is over first counts.
   *   @default `drainTimeoutMs` of the settings
   */
  close(drainTimeoutMs: number = this.config.drainTimeoutMs): Promise<void> {
    this.#closing ??= this.#drainAndClose();
    const stopTimer = this.#clock.setTimeout(this.#drained.resolve, drainTimeoutMs);
    void this.#closing.then(stopTimer);
    return this.#closing;
  }

  /** Ends the connection at once; calls in flight fail with the reason. */
  abort(reason: DswarmError): void {
    if (this.#closeReason === undefined) this.#options.counters?.add(`rpc.ended.${reason.code}`);
    this.link.abort(reason);
  }

  /**
   * As graceful as in HTTP/2 (RFC 9113, section 6.8): the first GoAway turns no call away, so that none is lost that was
   * under way. After the pong, the peer has read the GoAway, and all that it opened before has come.
   */
  async #drainAndClose(): Promise<void> {
    if (this.#closeReason === undefined) {
      if (!this.#goingAway) this.#sayGoAway(anyStreamId, 0, "");
      this.encoder.frame(0, { case: "ping", value: { id: drainPingId } });
      this.#outbox.planFlush();
      const stopTimer = this.#clock.setTimeout(() => this.#turnAway(), maxDrainPongMs);
      if (this.#peerGoingAway) this.#refuseCalls();
      await Promise.race([this.#drained.promise, this.#ended.promise]);
      stopTimer();
      this.#turnAway();
      this.#failStreams(undefined);
      this.#outbox.flush();
      await this.link.close();
    }
    await this.#ended.promise;
  }

  /** Refuses further calls of a peer that may still make some, and tells it so. */
  #turnAway(): void {
    if (this.#refusing) return;
    this.#sayGoAway(this.#lastRemoteId, 0, "");
    this.#refuseCalls();
  }

  #refuseCalls(): void {
    this.#refusing = true;
    this.#checkIdle();
  }

  #sayGoAway(lastStreamId: number, code: number, message: string): void {
    this.#goingAway = true;
    this.encoder.frame(0, { case: "goAway", value: { lastStreamId, code, message } });
    this.#outbox.planFlush();
  }

  get #isIdle(): boolean {
    return this.#streams.size === 0 && this.#running === 0;
  }

  #checkIdle(): void {
    if (this.#refusing && this.#isIdle) this.#drained.resolve();
  }

  #failStreams(reason: DswarmError | undefined): void {
    if (this.#streams.size === 0) return;
    const error = (reason ?? new DswarmError("link_closed")).toConnectError();
    for (const stream of this.#streams) stream.lost(error);
  }

  #onLinkClosed(reason: DswarmError | undefined): void {
    this.#closeReason = { error: reason };
    this.#keepalive.stop();
    this.#failStreams(reason);
    this.#heldBack.close();
    this.#outbox.close();
    this.#turns.leave(this);
    this.#rest = undefined;
    this.memory.close();
    this.#ended.resolve();
    this.#options.onClosed?.(reason);
  }

  // ---- receiving

  #onData(bytes: Uint8Array): void {
    if (this.#hasTurn) {
      this.#decode(bytes);
      return;
    }
    this.#slice.begin(!this.#turns.hasTime && !this.#isLittle(bytes));
    this.#keepalive.heard(this.#slice.startedAt);
    this.#turns.spend(this.#decode(bytes));
  }

  /**
   * Whether bytes are so few that they need not wait though there is no time left in this turn: once a turn. Who makes a call now and then
   * does not wait behind those who send as fast as they can.
   */
  #isLittle({ length }: Uint8Array): boolean {
    const { turn } = this.#turns;
    if (length > littleBytes || this.#littleTurn === turn) return false;
    this.#littleTurn = turn;
    return true;
  }

  /** The next slice of what waits here and in the link. */
  takeTurn(): void {
    if (this.#closeReason !== undefined) return;
    this.#hasTurn = true;
    this.#slice.begin();
    this.#keepalive.heard(this.#slice.startedAt);
    const rest = this.#rest;
    this.#rest = undefined;
    this.#isPaused = false;
    if (rest !== undefined) this.#decode(rest);
    // It brings what it holds at once, until it is paused.
    if (!this.#isPaused) this.link.resume();
    this.#hasTurn = false;
  }

  /**
   * Decodes until the slice is over. What is left then waits, and so does all that the link brings.
   * @returns the milliseconds since the slice has begun
   */
  #decode(bytes: Uint8Array): number {
    const rest = this.#slice.isOver ? bytes : this.#decodeSlice(bytes);
    const tookMs = this.#slice.look();
    if (this.#slice.isOver && this.#closeReason === undefined) {
      this.#rest = rest;
      this.#isPaused = true;
      this.link.pause();
      this.#turns.wait(this);
    }
    // A message that was whole leaves nothing behind.
    if (this.memory.bufferedBytes > 0 || this.#decoder.heldBytes > 0 || this.#rest !== undefined) this.measureMemory();
    return tookMs;
  }

  #decodeSlice(bytes: Uint8Array): Uint8Array | undefined {
    try {
      return this.#decoder.push(bytes, this.#onFrame, this.#onEmptyFrame);
    } catch (error) {
      const isOfPeer = error instanceof DswarmError;
      this.#giveUp(isOfPeer ? error : new DswarmError("frame_invalid", undefined, { cause: error }));
      return undefined;
    }
  }

  measureMemory(): void {
    if (this.#closeReason !== undefined) return;
    this.memory.setBuffered(this.#decoder.heldBytes + this.link.heldBytes + (this.#rest?.length ?? 0));
    this.memory.setUnsent(this.#outbox.unsentBytes);
    this.#outbox.note();
    this.#heldBack.resume();
  }

  #onFlushed(): void {
    if (this.memory.unsentBytes > 0 || this.#outbox.newBytes > unmeasuredBytes) this.measureMemory();
  }

  #onSent(): void {
    if (this.memory.unsentBytes > 0) this.measureMemory();
  }

  #onTick(now: number): void {
    const { requestTimeoutMs, writeTimeoutMs } = this.config;
    this.measureMemory();
    if (this.#outbox.isStalled(now, writeTimeoutMs)) {
      this.abort(new DswarmError("peer_too_slow", `it has taken nothing for ${writeTimeoutMs} ms`));
      return;
    }
    for (const stream of this.#streams) {
      if (!stream.isStalled(now, requestTimeoutMs)) continue;
      this.#options.counters?.add("rpc.request_timeouts");
      stream.fail(withoutStack(() => new DswarmError("request_timeout").toConnectError()));
    }
  }

  /** Ends the connection for what the peer did, and tells it. */
  #giveUp(fault: DswarmError): void {
    if (this.#closeReason !== undefined) return;
    this.#options.counters?.add(`rpc.ended.${fault.code}`);
    this.#sayGoAway(this.#lastRemoteId, errorTable[fault.code].connect, fault.message);
    this.#outbox.flush();
    this.link.abort(fault);
  }

  #spend(units: number): void {
    if (this.#slice.add(units)) this.#decoder.stop();
  }

  readonly #onEmptyFrame = (): void => {
    this.#spend(1);
    if (this.#closeReason === undefined) this.faulted();
  };

  readonly #onFrame = (frame: Frame): void => {
    if (this.#closeReason !== undefined) return this.#decoder.stop();
    const { streamId, body } = frame;
    this.#spend(body.case === "open" ? openUnits : 1);
    // Later versions may add bodies, on any stream.
    if (body.case === undefined) return this.faulted();
    if (streamId === 0) this.#onConnectionFrame(body);
    else if (body.case === "open") this.#onOpen(streamId, body.value);
    else this.#onStreamFrame(streamId, body);
  };

  #onConnectionFrame(body: Frame["body"]): void {
    switch (body.case) {
      case "credit":
        if (body.value.bytes < protocol.dataFrameCost) this.faulted();
        this.#outbox.schedule.addConnectionCredit(body.value.bytes);
        this.#outbox.planFlush();
        return;
      case "ping":
        this.faulted();
        this.encoder.pong(body.value.id);
        this.flushSoon();
        return;
      case "pong":
        this.faulted();
        if (body.value.id === drainPingId && this.#closing !== undefined) this.#refuseCalls();
        return;
      case undefined:
        return;
      case "goAway":
        this.faulted();
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
    // Most connections end without a call, and the stack of an error costs as much as a small one.
    let error: ConnectError | undefined;
    for (const stream of this.#streams) {
      if (!this.#isOurs(stream.id) || stream.id <= lastStreamId) continue;
      error ??= neverSeen(new DswarmError("link_closed", "the peer did not handle the call").toConnectError());
      stream.lost(error);
    }
  }

  #isOurs(streamId: number): boolean {
    return ((streamId ^ this.#nextId) & 1) === 0;
  }

  #onOpen(streamId: number, open: Open): void {
    if (this.#isOurs(streamId) || streamId <= this.#lastRemoteId) {
      throw new DswarmError("frame_invalid", `stream ${streamId} cannot be opened`);
    }
    if (this.#refusing) return;
    this.#lastRemoteId = streamId;
    const refusal = this.#refusalOf(open);
    if (refusal !== undefined) {
      // Nothing is made for a call that ends here: to refuse must not cost more than to ask.
      this.#options.counters?.add("rpc.refused");
      this.faulted();
      this.encoder.endFailed(streamId, refusal.code, refusal.message);
      this.flushSoon();
      return;
    }
    const stream = new Stream(this, streamId, false);
    this.#streams.add(stream);
    if (open.halfClose) stream.remoteHalfClosed();
    this.#running++;
    const { metadata } = open;
    let bytes = callBytes;
    if (metadata.length > 0) {
      // The values are views of what may be a large chunk.
      for (const entry of metadata) entry.value = ownedBytes(entry.value);
      bytes += metadata.length * metadataEntryBytes + metadataBytes(metadata);
    }
    this.holdForCall(stream, bytes);
    // What is not complete cannot be answered; messages may come that need a handler.
    if (open.halfClose && this.#heldBack.isClosed) this.#heldBack.add(stream, open);
    else this.#options.acceptor.accept(this, stream, open);
  }

  #refusalOf(open: Open): Refusal | undefined {
    if (this.#running >= this.config.maxConcurrentStreams) return tooManyStreams;
    const objection = inlineObjection(open.message, this.config);
    if (objection === undefined && this.memory.isOverShare) {
      this.#options.counters?.add("rpc.refused.memory");
      return noMemory;
    }
    return objection === undefined ? this.#options.acceptor.refusalOf(open) : refusalOf(...objection);
  }

  #onStreamFrame(streamId: number, body: Frame["body"]): void {
    const ours = this.#isOurs(streamId);
    if (!(ours ? fromCallee : fromCaller).has(body.case)) {
      throw new DswarmError("frame_invalid", `${body.case} on stream ${streamId}`);
    }
    const stream = this.#streams.get(streamId);
    // The peer may have opened streams before it had our go-away.
    const known = ours ? streamId < this.#nextId : streamId <= this.#lastRemoteId || this.#refusing;
    if (stream === undefined && !known) throw new DswarmError("frame_invalid", `stream ${streamId} was never opened`);
    const cost = body.case === "data" ? body.value.payload.length + protocol.dataFrameCost : 0;
    if (cost > 0) this.#received.received(cost);
    if (stream === undefined) return;
    switch (body.case) {
      case "data":
        return stream.onData(body.value);
      case "credit":
        if (body.value.bytes < protocol.dataFrameCost) this.faulted();
        stream.onCredit(body.value.bytes);
        this.#outbox.schedule.resume(stream);
        return this.#outbox.planFlush();
      case "halfClose":
        return stream.onHalfClose();
      case "cancel":
        return stream.onCancel(body.value);
      case "header":
        return stream.onHeader(body.value);
      case "end":
        return stream.onEnd(body.value);
      case "open":
      case "ping":
      case "pong":
      case "goAway":
      case undefined:
        return;
    }
  }
}
