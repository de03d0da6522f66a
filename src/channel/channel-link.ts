// The Link of the real network: a box stream on a websocket, after the Secret Handshake.
import type { NodeId } from "../identity/node-id.ts";
import type { Link, LinkRole, LinkSink } from "../link/link.ts";
import { BufferPool } from "../util/buffer-pool.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import { TurnQueue } from "../util/turn-queue.ts";
import { Boxer, boxedBytes, maxBodyBytes, overheadBytes, Unboxer } from "./box-stream.ts";
import type { HandshakeOutcome } from "./handshake.ts";
import type { ChannelConfig } from "./options.ts";
import type { WebSocketDuplex } from "./websocket.ts";

/** How many times `closeTimeoutMs` a closing link may take while something still moves on it. */
const maxCloseTimeouts = 10;

// Boxes between their making and the operating system: those of a turn of small calls, and those of full messages.
const buffers = new BufferPool([8192, 212_992], 16);

// A message of full boxes is opened at once; of smaller ones, the sink sees what they bring, and may pause, before it goes on.
const maxBoxesAtOnce = 256;
/** To open less takes about so long, with the websocket message that it came in: to ask the clock would cost as much. */
const timedBytes = 4096;
const smallMs = 0.005;

/** What a link is made of. */
export interface ChannelLinkOptions {
  readonly role: LinkRole;
  readonly localId: NodeId;
  /** "host:port" of the remote end. */
  readonly remoteAddress: string;
  readonly duplex: WebSocketDuplex;
  readonly config: ChannelConfig;
  readonly clock: Clock;
}

/**
 * A link over a websocket. Both ends say goodbye, in either order or at once, and only then close the websocket:
 *
 *     open ──close()──► goodbye sent ──peer's goodbye──► websocket closing ──► ended(undefined)
 *      └──peer's goodbye: ours is sent at once ─────────────┘
 *      any fault, or the end of the websocket before both goodbyes ──► ended(reason)
 */
export class ChannelLink implements Link {
  readonly role: LinkRole;
  readonly localId: NodeId;
  readonly remoteId: NodeId;
  readonly remoteAddress: string;
  readonly #duplex: WebSocketDuplex;
  readonly #config: ChannelConfig;
  readonly #clock: Clock;
  readonly #turns: TurnQueue;
  readonly #boxer: Boxer;
  readonly #unboxer: Unboxer;
  /** Plaintext that makes full boxes in one message of at most `maxMessageBytes`. */
  readonly #maxPlainBytes: number;
  readonly #ended = Promise.withResolvers<DswarmError | undefined>();
  #rest: Uint8Array;
  #sink: LinkSink | undefined;
  #isStarted = false;
  #wantsDrain = false;
  #saidGoodbye = false;
  #isGoodbyeSent = false;
  #isEnded = false;
  #endReason: DswarmError | undefined;
  /** Whether the sink wants nothing at present. */
  #isPaused = false;
  /** Plaintext that came while the link was paused. Bounded by one message. */
  #heldPlain: Uint8Array[] = [];
  /** Messages that came while the link was paused. Bounded by one message and one read of the socket. */
  #held: Uint8Array[] = [];
  /** What is wrong with the boxes after those whose plaintext is held. */
  #fault: DswarmError | undefined;
  /** The end of the websocket, while something is held that came before. */
  #heldEnd: { readonly fault: DswarmError | undefined } | undefined;
  #cancelCloseTimer: (() => void) | undefined;
  /** Counts what goes in or out, to tell a slow close from a stalled one. */
  #moves = 0;

  /** @param outcome of the handshake; its keys are the link's from now on */
  constructor(options: ChannelLinkOptions, outcome: HandshakeOutcome) {
    this.role = options.role;
    this.localId = options.localId;
    this.remoteId = outcome.remoteId;
    this.remoteAddress = options.remoteAddress;
    this.#duplex = options.duplex;
    this.#config = options.config;
    this.#clock = options.clock;
    this.#turns = TurnQueue.of(options.clock);
    this.#boxer = new Boxer(outcome.encryptKey, outcome.encryptNonce);
    this.#unboxer = new Unboxer(outcome.decryptKey, outcome.decryptNonce);
    this.#maxPlainBytes = Math.floor(options.config.maxMessageBytes / (maxBodyBytes + overheadBytes)) * maxBodyBytes;
    this.#rest = outcome.rest;
  }

  get bufferedBytes(): number {
    return this.#duplex.bufferedBytes;
  }

  get heldBytes(): number {
    return this.#duplex.heldBytes + this.#unboxer.heldBytes + bytesOf(this.#heldPlain) + bytesOf(this.#held);
  }

  /** Resolves with the reason when the link has ended, as the sink's `closed` tells it. */
  get ended(): Promise<DswarmError | undefined> {
    return this.#ended.promise;
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
    this.#duplex.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#deliver();
    if (this.#isPaused || this.#isEnded) return;
    if (this.#heldEnd === undefined) this.#duplex.resume();
    else this.#end(this.#heldEnd.fault ?? this.#truncation());
  }

  write(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length; at += this.#maxPlainBytes) {
      if (this.#isEnded || this.#saidGoodbye) return true;
      const part = bytes.length <= this.#maxPlainBytes ? bytes : bytes.subarray(at, at + this.#maxPlainBytes);
      this.#sendBoxed(part);
      if (this.bufferedBytes > this.#config.maxBufferedBytes) {
        // Not from within the writer's own call.
        queueMicrotask(() => this.abort(new DswarmError("peer_too_slow")));
        return false;
      }
    }
    this.#wantsDrain ||= this.bufferedBytes > this.#config.highWaterMarkBytes;
    return !this.#wantsDrain;
  }

  #sendBoxed(plain: Uint8Array): void {
    const buffer = buffers.take(boxedBytes(plain.length));
    this.#duplex.send(this.#boxer.box(plain, buffer), () => {
      buffers.giveBack(buffer);
      this.#onSent();
    });
  }

  async close(): Promise<void> {
    if (!this.#isEnded) {
      this.#sayGoodbye();
      // Without a sink what comes is dropped; the goodbye among it is not.
      this.#start();
    }
    await this.#ended.promise;
  }

  abort(reason: DswarmError): void {
    if (this.#isEnded) return;
    // So much does not leave in a moment, and nobody counts it after the end.
    if (this.bufferedBytes > this.#config.highWaterMarkBytes) this.#duplex.terminate();
    else this.#duplex.terminateAfterSending();
    this.#end(reason);
  }

  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const rest = this.#rest;
    this.#rest = new Uint8Array();
    this.#receive(rest);
    if (this.#isEnded) return;
    this.#duplex.attach({
      bytes: (bytes) => this.#receive(bytes),
      arrived: () => this.#sink?.held?.(),
      ended: (fault) => {
        if (this.#isPaused) this.#heldEnd = { fault };
        else this.#end(fault ?? this.#truncation());
      },
    });
  }

  #receive(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    this.#held.push(bytes);
    if (!this.#isPaused) this.#deliver();
  }

  /** Hands on what is held until the sink pauses. */
  #deliver(): void {
    this.#moves += 1;
    while (!this.#isPaused && !this.#isEnded) {
      const plain = this.#heldPlain.shift();
      if (plain !== undefined) this.#sink?.data(plain);
      else if (this.#fault !== undefined) this.abort(this.#fault);
      else if (this.#held.length > 0) this.#openBoxes();
      else break;
    }
    if (this.#isPaused || this.#isEnded || !this.#unboxer.saidGoodbye) return;
    this.#sayGoodbye();
    this.#closeAfterGoodbyes();
  }

  /** Opens as many of the boxes as are handed on together. */
  #openBoxes(): void {
    const boxes = this.#held.shift();
    if (boxes === undefined) return;
    // To open a thousand small boxes takes longer than to decode what is in them, and is work of this turn as well.
    const startedAt = boxes.length < timedBytes ? undefined : this.#clock.now();
    try {
      const read = this.#unboxer.push(boxes, this.#heldPlain, maxBoxesAtOnce);
      if (read < boxes.length) this.#held.unshift(boxes.subarray(read));
    } catch (error) {
      this.#fault = error instanceof DswarmError ? error : new DswarmError("box_invalid", undefined, { cause: error });
    }
    this.#turns.spend(startedAt === undefined ? smallMs : this.#clock.now() - startedAt);
  }

  #onSent(): void {
    this.#moves += 1;
    this.#drainIfRoom();
    if (!this.#isEnded) this.#sink?.sent?.();
  }

  #drainIfRoom(): void {
    if (!this.#wantsDrain || this.#isEnded || this.#sink === undefined) return;
    if (this.bufferedBytes > this.#config.highWaterMarkBytes / 2) return;
    this.#wantsDrain = false;
    this.#sink.drain();
  }

  #sayGoodbye(): void {
    if (this.#saidGoodbye) return;
    this.#saidGoodbye = true;
    this.#duplex.send(this.#boxer.goodbye(), () => {
      this.#isGoodbyeSent = true;
      this.#onSent();
      this.#closeAfterGoodbyes();
    });
    this.#watchClose(maxCloseTimeouts);
  }

  #closeAfterGoodbyes(): void {
    if (this.#truncation() === undefined && !this.#isEnded) this.#duplex.close();
  }

  /** Undefined when both goodbyes are said and ours has gone out. */
  #truncation(): DswarmError | undefined {
    return this.#isGoodbyeSent && this.#unboxer.saidGoodbye ? undefined : new DswarmError("link_truncated");
  }

  #watchClose(timeouts: number): void {
    const moves = this.#moves;
    this.#cancelCloseTimer = this.#clock.setTimeout(() => {
      if (timeouts > 1 && this.#moves !== moves) {
        this.#watchClose(timeouts - 1);
      } else {
        this.#duplex.terminate();
        this.#end(this.#truncation());
      }
    }, this.#config.closeTimeoutMs);
  }

  #end(reason: DswarmError | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#endReason = reason;
    this.#heldPlain = [];
    this.#held = [];
    this.#cancelCloseTimer?.();
    this.#boxer.wipe();
    this.#unboxer.wipe();
    this.#sink?.closed(reason);
    this.#ended.resolve(reason);
  }
}

function bytesOf(chunks: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const { length } of chunks) bytes += length;
  return bytes;
}
