// A unary call of this end.
import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import type { ConnectError, UnaryResponse } from "@connectrpc/connect";
import type { End, Metadata } from "../../gen/dswarm/v1/frame_pb.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import { passingBytes } from "./byte-views.ts";
import type { CallStats } from "./call-meter.ts";
import { abortedErrorOf, CallerPatience, wireTimeout } from "./caller-patience.ts";
import { checkMessageBytes, decodeResponse, type ResponseCheck } from "./message-codec.ts";
import { keptMessage } from "./message-writer.ts";
import { headersFromMetadata } from "./metadata.ts";
import { methodNameBytes } from "./method-name.ts";
import type { RpcConnection } from "./mux.ts";
import { isNeverSeen } from "./never-seen.ts";
import { connectErrorOf, errorOfEnd } from "./status.ts";
import type { Stream, StreamHandler } from "./stream.ts";

/** What a unary call is made of. */
export interface UnaryCallInit<I extends DescMessage, O extends DescMessage> {
  readonly connection: RpcConnection;
  readonly clock: Clock;
  readonly method: DescMethodUnary<I, O>;
  /** The memory is read before `callUnary` returns. */
  readonly request: Uint8Array;
  /** Where the call is noted. */
  readonly stats: CallStats | undefined;
  readonly metadata: Metadata[] | undefined;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds, more than 0; undefined is none. */
  readonly timeoutMs: number | undefined;
  readonly check?: ResponseCheck | undefined;
  /** Makes the call again, where no handler has seen it. @default it then fails */
  readonly repeat?: UnaryRepeat<I, O> | undefined;
}

/** How a call is made again. */
export interface UnaryRepeat<I extends DescMessage, O extends DescMessage> {
  again(): Promise<UnaryResponse<I, O>>;
}

/** Runs a unary call. Rejects with a ConnectError. */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  init: UnaryCallInit<I, O>,
): Promise<UnaryResponse<I, O>> {
  return new Promise((resolve, reject) => {
    new UnaryCall(init, resolve, reject).start(init);
  });
}

class UnaryCall<I extends DescMessage, O extends DescMessage> implements StreamHandler {
  // The rest of what it is made of is not kept: many calls wait at once, and what they hold is what the garbage collector copies.
  readonly #method: DescMethodUnary<I, O>;
  readonly #check: ResponseCheck | undefined;
  readonly #resolve: (response: UnaryResponse<I, O> | Promise<UnaryResponse<I, O>>) => void;
  readonly #reject: (error: ConnectError) => void;
  readonly #repeat: UnaryRepeat<I, O> | undefined;
  #patience: CallerPatience | undefined;
  #stream: Stream | undefined;
  #header: readonly Metadata[] | undefined;
  #response: Uint8Array | undefined;

  constructor(
    { method, check, repeat }: UnaryCallInit<I, O>,
    resolve: (response: UnaryResponse<I, O> | Promise<UnaryResponse<I, O>>) => void,
    reject: (error: ConnectError) => void,
  ) {
    this.#method = method;
    this.#check = check;
    this.#repeat = repeat;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(init: UnaryCallInit<I, O>): void {
    const { connection, clock, method, request, stats, metadata, signal, timeoutMs } = init;
    const inline = connection.takesInline(request.length);
    const name = methodNameBytes(method);
    try {
      // It may have aborted while the connection was made.
      const aborted = abortedErrorOf(signal);
      if (aborted !== undefined) throw aborted;
      checkMessageBytes(request.length, connection.config);
      const stream = connection.call(
        name,
        wireTimeout(timeoutMs),
        metadata,
        inline ? request : undefined,
        inline,
        this,
      );
      this.#stream = stream;
      if (stats !== undefined) stream.measure(stats, clock);
      stream.wantMessage();
      if (!inline) this.#sendInData(stream, keptMessage(request));
      // Sending may have found the connection lost.
      if (stream.closed) return;
    } catch (error) {
      this.#fail(connectErrorOf(error));
      return;
    }
    if (signal !== undefined || timeoutMs !== undefined) {
      this.#patience = new CallerPatience(clock, signal, timeoutMs, (error) => this.#giveUp(error));
    }
  }

  onMessage(message: Uint8Array): void {
    if (this.#response === undefined) this.#response = passingBytes(message);
    else this.#stream?.breach("frame_invalid", "a unary answer carries one message");
  }

  onHalfClose(): void {}

  onHeader(metadata: readonly Metadata[]): void {
    this.#header = metadata;
  }

  onEnd(end: End): void {
    this.#patience?.stop();
    const header = this.#header ?? end.header;
    if (end.code !== 0) {
      this.#reject(errorOfEnd(end, headersFromMetadata([...header, ...end.trailer])));
      return;
    }
    const response = end.response ?? this.#response;
    if (response === undefined || (end.response !== undefined && this.#response !== undefined)) {
      const fault = new DswarmError("frame_invalid", "a unary answer carries one message");
      this.#reject(fault.toConnectError());
      return;
    }
    try {
      const message = decodeResponse(this.#method.output, response, this.#check);
      this.#resolve(new LazyUnaryResponse(this.#method, message, header, end.trailer));
    } catch (error) {
      this.#reject(connectErrorOf(error));
    }
  }

  onFailed(error: ConnectError): void {
    this.#patience?.stop();
    this.#fail(error);
  }

  #fail(error: ConnectError): void {
    if (this.#repeat !== undefined && isNeverSeen(error)) this.#resolve(this.#repeat.again());
    else this.#reject(error);
  }

  #sendInData(stream: Stream, request: Uint8Array): void {
    const sent = stream.send(request);
    if (sent === undefined) stream.halfClose();
    else {
      sent.then(
        () => stream.halfClose(),
        () => undefined, // The stream has closed: the call was told.
      );
    }
  }

  #giveUp(error: ConnectError): void {
    this.#patience?.stop();
    this.#stream?.cancel(error.code);
    this.#reject(error);
  }
}

/** A response whose headers are made when they are asked for. */
class LazyUnaryResponse<I extends DescMessage, O extends DescMessage> implements UnaryResponse<I, O> {
  readonly stream = false;
  readonly method: DescMethodUnary<I, O>;
  readonly message: MessageShape<O>;
  readonly #headerMetadata: readonly Metadata[];
  readonly #trailerMetadata: readonly Metadata[];
  #header: Headers | undefined;
  #trailer: Headers | undefined;

  constructor(
    method: DescMethodUnary<I, O>,
    message: MessageShape<O>,
    header: readonly Metadata[],
    trailer: readonly Metadata[],
  ) {
    this.method = method;
    this.message = message;
    this.#headerMetadata = header;
    this.#trailerMetadata = trailer;
  }

  get service(): UnaryResponse<I, O>["service"] {
    return this.method.parent;
  }

  get header(): Headers {
    this.#header ??= headersFromMetadata(this.#headerMetadata);
    return this.#header;
  }

  get trailer(): Headers {
    this.#trailer ??= headersFromMetadata(this.#trailerMetadata);
    return this.#trailer;
  }
}
