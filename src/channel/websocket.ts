// A websocket (RFC 6455) as a plain byte duplex: how `ws` is set up at both ends, and what of it the channel sees.
import { type ClientOptions, type RawData, type ServerOptions, WebSocket } from "ws";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import { overLimit } from "../util/over-limit.ts";
import type { TokenBucket } from "../util/token-bucket.ts";
import type { ChannelConfig } from "./options.ts";
import { partialBytesOf, rawSocketOf } from "./websocket-internals.ts";

/** The path that nodes connect to. */
export const websocketPath = "/dht";
/** The subprotocol that both ends must name. */
export const subprotocol = "dswarm.v1";

/** Fragments of a message at most. Only other implementations fragment, at their buffer's size. */
const maxFragments = 1024;
/** Bytes that the pieces in which a message arrives must have on average; TCP segments have over 500. */
const minChunkBytes = 256;
/** A read below this is not counted: peers that send much fill whole TLS records. */
const bulkBytes = 8192;
/** Read from one peer before the others have their turn: libuv alone would read up to 2 MiB of each. */
const maxTurnBytes = 131_072;
/** A message below this costs more to take in than it carries. No box is so small. */
const smallBytes = 16;
const normalClosure = 1000;
const goingAway = 1001;

interface SharedOptions {
  readonly perMessageDeflate: false;
  readonly maxPayload: number;
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
  readonly skipUTF8Validation: true;
  readonly closeTimeout: number;
}

function sharedOptions(config: ChannelConfig): SharedOptions {
  return {
    // Ciphertext does not compress, and compression before encryption leaks.
    perMessageDeflate: false,
    maxPayload: config.maxMessageBytes,
    maxFragments,
    maxBufferedChunks: Math.ceil(config.maxMessageBytes / minChunkBytes),
    // Text is refused whatever it says.
    skipUTF8Validation: true,
    closeTimeout: config.closeTimeoutMs,
  };
}

/** Options of `ws` for the dialer. */
export function clientOptions(config: ChannelConfig): ClientOptions {
  // The mask is against proxies that read cleartext; inside TLS it protects nothing, and `ws` skips the work of a zero mask.
  return { ...sharedOptions(config), generateMask: (mask) => void mask.fill(0) };
}

/** Options of `ws` for the listener. */
export function serverOptions(config: ChannelConfig): ServerOptions {
  return { ...sharedOptions(config), noServer: true, clientTracking: false, handleProtocols: () => subprotocol };
}

/** Receives what a duplex brings. Its methods must not throw. */
export interface DuplexSink {
  /** Bytes, in order. The memory is the sink's from now on. */
  bytes(bytes: Uint8Array): void;
  /** What is held of a message that is not whole has changed. Whatever was whole has been given to `bytes`. */
  arrived?(): void;
  /**
   * The end, once.
   * @param fault what the peer did wrong; undefined where the connection just ended
   * @param isGoingAway whether the peer said that it closes down
   */
  ended(fault: DswarmError | undefined, isGoingAway: boolean): void;
}

/** A websocket as a byte duplex. Nothing is lost while no sink is attached: reading pauses then. */
export class WebSocketDuplex {
  readonly #socket: WebSocket;
  readonly #floods: TokenBucket;
  readonly #clock: Clock;
  #sink: DuplexSink | undefined;
  /** Came without a sink. Bounded by one message and one read of the socket, for reading is paused. */
  #early: Uint8Array[] = [];
  #end: { readonly fault: DswarmError | undefined; readonly isGoingAway: boolean } | undefined;
  #isTerminated = false;
  #isPaused = false;
  #isWatched = false;
  /** Bytes of large reads in this turn of the event loop. */
  #turnBytes = 0;
  /** Whether it waits for the next turn. */
  #isResting = false;

  /**
   * @param socket in any state; from now on the duplex's alone
   * @param config says what the socket was set up with
   * @param floods takes a token for each message that carries next to nothing; the websocket ends when there is none
   * @param clock tells when the next turn of the event loop begins
   */
  constructor(socket: WebSocket, config: ChannelConfig, floods: TokenBucket, clock: Clock) {
    this.#socket = socket;
    this.#floods = floods;
    this.#clock = clock;
    const onControl = (): void => this.#countSmall();
    socket.on("ping", onControl).on("pong", onControl);
    socket.on("message", (data, isBinary) => this.#receive(data, isBinary));
    socket.on("error", (error) => this.#fail(faultOf(error, config)));
    socket.on("close", (status) => this.#finish(undefined, status === goingAway));
  }

  /** Bytes sent and not yet handed to the operating system. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /** Bytes of memory held for messages of which a part has come, and for what came without a sink. */
  get heldBytes(): number {
    let bytes = partialBytesOf(this.#socket);
    for (const early of this.#early) bytes += early.length;
    return bytes;
  }

  /** Delivers to a sink, first what came before. */
  attach(sink: DuplexSink): void {
    this.#sink = sink;
    this.#watchArrivals();
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) this.#deliver(bytes);
    if (this.#sink !== sink) return;
    if (this.#end !== undefined) sink.ended(this.#end.fault, this.#end.isGoingAway);
    else this.#readOn();
  }

  /** Stops reading. What was read already is still delivered. */
  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  /** Reads again. */
  resume(): void {
    this.#isPaused = false;
    this.#readOn();
  }

  #readOn(): void {
    if (this.#sink !== undefined && !this.#isPaused && !this.#isResting) this.#socket.resume();
  }

  /** Keeps what comes from now on for the next sink. */
  detach(): void {
    this.#sink = undefined;
    this.#socket.pause();
  }

  /**
   * Sends bytes as one message.
   * @param sent is called when they have been handed to the operating system
   */
  send(bytes: Uint8Array, sent?: () => void): void {
    if (this.#end !== undefined) return;
    this.#socket.send(bytes, (error) => {
      if (!error) sent?.();
    });
  }

  /** Closes after what was sent, waiting at most `closeTimeoutMs` for the other end to do the same. */
  close(): void {
    this.#socket.close(normalClosure);
  }

  /** Closes at once; what is queued may be lost. The sink hears no more. */
  terminate(): void {
    this.#abandon();
    this.#socket.terminate();
  }

  /** Sends what is queued and closes, within `closeTimeoutMs`. The sink hears no more. */
  terminateAfterSending(): void {
    this.#endAfterSending(normalClosure);
  }

  /** As `terminateAfterSending`, and tells the peer that this end closes down. */
  goAway(): void {
    this.#endAfterSending(goingAway);
  }

  #endAfterSending(status: number): void {
    this.#abandon();
    // An end that closes with bytes unread resets the connection, which may take from the peer what it has not read.
    this.#socket.resume();
    this.#socket.close(status);
  }

  #abandon(): void {
    this.#isTerminated = true;
    this.#sink = undefined;
    this.#early = [];
    this.#finish(undefined);
  }

  #countSmall(): void {
    if (this.#end === undefined && !this.#floods.take())
      this.#fail(new DswarmError("too_many_faults", "on the websocket"));
  }

  /** After `ws` itself, which reads a chunk when it comes. */
  #watchArrivals(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    let partialBytes = 0;
    rawSocketOf(this.#socket)?.on("data", (chunk: Buffer) => {
      if (chunk.length >= bulkBytes) this.#countRead(chunk.length);
      const before = partialBytes;
      partialBytes = partialBytesOf(this.#socket);
      // Whole messages alone, the usual case, leave nothing behind.
      if (partialBytes !== before) this.#sink?.arrived?.();
    });
  }

  #countRead(bytes: number): void {
    if (this.#turnBytes === 0) this.#clock.nextTurn(() => this.#onTurn());
    this.#turnBytes += bytes;
    if (this.#turnBytes < maxTurnBytes || this.#isResting) return;
    this.#isResting = true;
    this.#socket.pause();
  }

  #onTurn(): void {
    this.#turnBytes = 0;
    if (!this.#isResting) return;
    this.#isResting = false;
    this.#readOn();
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (Buffer.isBuffer(data) && data.length < smallBytes) this.#countSmall();
    if (this.#end !== undefined) return;
    if (!isBinary) this.#fail(new DswarmError("websocket_text"));
    else if (Buffer.isBuffer(data)) this.#deliver(data);
  }

  #deliver(bytes: Uint8Array): void {
    if (this.#isTerminated) return;
    if (this.#sink !== undefined) {
      this.#sink.bytes(bytes);
      return;
    }
    this.#early.push(bytes);
    this.#socket.pause();
  }

  #fail(fault: DswarmError): void {
    this.#finish(fault);
    this.#socket.terminate();
  }

  #finish(fault: DswarmError | undefined, isGoingAway = false): void {
    if (this.#end !== undefined) return;
    this.#end = { fault, isGoingAway };
    this.#sink?.ended(fault, isGoingAway);
  }
}

function faultOf(error: Error, { maxMessageBytes }: ChannelConfig): DswarmError {
  const code = "code" in error ? error.code : undefined;
  const isTooLarge = code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" || code === "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH";
  if (!isTooLarge) return new DswarmError("websocket_invalid", undefined, { cause: error });
  // `ws` does not tell how long it is, and of fragments nobody says how many follow.
  const detail = overLimit(maxMessageBytes + 1, maxMessageBytes, false);
  return new DswarmError("websocket_too_large", detail, { cause: error });
}
