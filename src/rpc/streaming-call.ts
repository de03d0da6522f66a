// A streaming call of this end: requests taken from an async iterable at the pace of the peer's credit, responses given as
// one.
import type { DescMessage, DescMethodStreaming, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse } from "@connectrpc/connect";
import type { End, Metadata } from "../../gen/dswarm/v1/frame_pb.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import type { CallStats } from "./call-meter.ts";
import { abortedErrorOf, CallerPatience, wireTimeout } from "./caller-patience.ts";
import { endIterator } from "./iterator-end.ts";
import { checkMessageBytes, decodeResponse, encodeRequest, type ResponseCheck } from "./message-codec.ts";
import { MessageQueue } from "./message-queue.ts";
import { headersFromMetadata } from "./metadata.ts";
import { methodNameBytes } from "./method-name.ts";
import type { RpcConnection } from "./mux.ts";
import { connectErrorOf, errorOfEnd } from "./status.ts";
import type { Stream, StreamHandler } from "./stream.ts";

/** What a streaming call is made of. */
export interface StreamingCallInit<I extends DescMessage, O extends DescMessage> {
  readonly connection: RpcConnection;
  readonly clock: Clock;
  readonly method: DescMethodStreaming<I, O>;
  readonly requests: AsyncIterable<MessageInitShape<I>>;
  /** Where the call is noted. */
  readonly stats: CallStats | undefined;
  readonly metadata: Metadata[] | undefined;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds, more than 0; undefined is none. */
  readonly timeoutMs: number | undefined;
  readonly check?: ResponseCheck | undefined;
}

/**
 * Runs a streaming call. Resolves with the first frame of the answer; rejects with a ConnectError when the call fails before.
 */
export function callStreaming<I extends DescMessage, O extends DescMessage>(
  init: StreamingCallInit<I, O>,
): Promise<StreamResponse<I, O>> {
  const call = new StreamingCall(init);
  call.start();
  return call.response;
}

class StreamingCall<I extends DescMessage, O extends DescMessage> implements StreamHandler {
  readonly #init: StreamingCallInit<I, O>;
  readonly #answered = Promise.withResolvers<StreamResponse<I, O>>();
  readonly #messages: MessageQueue<MessageShape<O>>;
  readonly #trailer = new Headers();
  readonly #requests: AsyncIterator<MessageInitShape<I>>;
  #header: readonly Metadata[] = [];
  #isAnswered = false;
  #isOver = false;
  #isSending = true;
  #patience: CallerPatience | undefined;
  #stream: Stream | undefined;

  constructor(init: StreamingCallInit<I, O>) {
    this.#init = init;
    this.#requests = init.requests[Symbol.asyncIterator]();
    const { method, check } = init;
    this.#messages = new MessageQueue(
      (bytes) => decodeResponse(method.output, bytes, check),
      () => this.#giveUp(new ConnectError("the reader stopped", Code.Canceled)),
      () => this.#patience?.stop(),
    );
  }

  get response(): Promise<StreamResponse<I, O>> {
    return this.#answered.promise;
  }

  start(): void {
    const { clock, signal, timeoutMs } = this.#init;
    // It may have aborted while the connection was made.
    const aborted = abortedErrorOf(signal);
    if (aborted !== undefined) {
      this.#giveUp(aborted);
      return;
    }
    if (signal !== undefined || timeoutMs !== undefined) {
      this.#patience = new CallerPatience(clock, signal, timeoutMs, (error) => this.#onImpatient(error));
    }
    this.#send().catch((error: unknown) => this.#giveUp(connectErrorOf(error, Code.Unknown)));
  }

  onMessage(message: Uint8Array, cost: number): void {
    this.#stream?.toRead(message.length);
    this.#answer();
    this.#messages.push(message, cost);
  }

  onHalfClose(): void {}

  onHeader(metadata: readonly Metadata[]): void {
    this.#header = metadata;
    this.#answer();
  }

  onEnd(end: End): void {
    this.#stop();
    if (!this.#isAnswered) this.#header = end.header;
    const trailer = headersFromMetadata(end.trailer);
    for (const [key, value] of trailer) this.#trailer.append(key, value);
    if (end.code !== 0) {
      const metadata = headersFromMetadata([...this.#header, ...end.trailer]);
      // The caller is to see the header of a call that fails before its first message, too.
      this.#answer();
      this.#finish(errorOfEnd(end, metadata));
      return;
    }
    this.#answer();
    if (end.response !== undefined) this.#messages.push(end.response, 0);
    this.#messages.finish();
  }

  onFailed(error: ConnectError): void {
    this.#stop();
    this.#finish(error);
  }

  #answer(): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    const { method } = this.#init;
    const header = headersFromMetadata(this.#header);
    this.#answered.resolve({
      stream: true,
      service: method.parent,
      method,
      header,
      trailer: this.#trailer,
      message: this.#messages,
    });
  }

  #finish(error: ConnectError): void {
    this.#messages.finish(error);
    this.#reject(error);
  }

  /** The signal or the deadline ends the call until its reader has been told of the end, whatever waits to be read. */
  #onImpatient(error: ConnectError): void {
    if (this.#isOver) this.#messages.fail(error);
    else this.#giveUp(error);
  }

  #giveUp(error: ConnectError): void {
    // What sending throws after the end is no news, and messages that have come are still to be read.
    if (this.#isOver) return;
    this.#stop();
    this.#stream?.cancel(error.code);
    this.#messages.fail(error);
    this.#reject(error);
  }

  #reject(error: ConnectError): void {
    if (this.#isAnswered) return;
    // There is no reader who could be told of the end.
    this.#patience?.stop();
    this.#answered.reject(error);
  }

  #stop(): void {
    this.#isOver = true;
    if (this.#isSending) endIterator(this.#requests);
  }

  async #send(): Promise<void> {
    const { connection, method } = this.#init;
    // A single request travels with the opening; otherwise the peer hears of the call before the first message exists.
    if (method.methodKind === "server_streaming") {
      const request = this.#encoded(await this.#requests.next());
      if (this.#isOver) return;
      if (request === undefined) throw new ConnectError("the request is missing", Code.InvalidArgument);
      const inline = connection.takesInline(request.length);
      const stream = this.#open(inline ? request : undefined, inline);
      if (inline) return;
      await stream.send(request);
      stream.halfClose();
      return;
    }
    const stream = this.#open(undefined, false);
    for (;;) {
      const request = this.#encoded(await this.#requests.next());
      if (this.#isOver) return;
      if (request === undefined) break;
      const sent = stream.send(request);
      if (sent !== undefined) await sent;
    }
    stream.halfClose();
  }

  #open(message: Uint8Array | undefined, halfClose: boolean): Stream {
    const { connection, clock, method, stats, metadata, timeoutMs } = this.#init;
    if (connection.memory.isUnreadFull)
      throw new DswarmError("memory_exhausted", "by answers that this program has not read");
    const name = methodNameBytes(method);
    const stream = connection.call(name, wireTimeout(timeoutMs), metadata, message, halfClose, this);
    this.#stream = stream;
    if (stats !== undefined) stream.measure(stats, clock);
    this.#messages.attach(stream);
    // Nobody can read before the first message is there: its pieces must not wait for a reader.
    stream.wantMessage();
    return stream;
  }

  /** The next request as bytes; undefined after the last. */
  #encoded(result: IteratorResult<MessageInitShape<I>>): Uint8Array | undefined {
    if (result.done === true) {
      this.#isSending = false;
      return undefined;
    }
    const bytes = encodeRequest(this.#init.method.input, result.value);
    checkMessageBytes(bytes.length, this.#init.connection.config);
    return bytes;
  }
}
