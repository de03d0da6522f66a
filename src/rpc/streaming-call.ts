// A streaming call of this end: requests taken from an async iterable at the pace of the peer's credit, responses given as
// one.
import {
  create,
  type DescMessage,
  type DescMethodStreaming,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse } from "@connectrpc/connect";
import type { End, Metadata } from "../../gen/dswarm/v1/frame_pb.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import { CallerPatience } from "./caller-patience.ts";
import { MessageQueue } from "./message-queue.ts";
import { headersFromMetadata } from "./metadata.ts";
import { methodNameBytes } from "./method-name.ts";
import type { RpcConnection } from "./mux.ts";
import { protocol } from "./params.ts";
import { errorOfEnd } from "./status.ts";
import type { Stream, StreamHandler } from "./stream.ts";

/** What a streaming call is made of. */
export interface StreamingCallInit<I extends DescMessage, O extends DescMessage> {
  readonly connection: RpcConnection;
  readonly clock: Clock;
  readonly method: DescMethodStreaming<I, O>;
  readonly requests: AsyncIterable<MessageInitShape<I>>;
  readonly metadata: Metadata[] | undefined;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds, more than 0; undefined is none. */
  readonly timeoutMs: number | undefined;
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
  #patience: CallerPatience | undefined;
  #stream: Stream | undefined;

  constructor(init: StreamingCallInit<I, O>) {
    this.#init = init;
    this.#requests = init.requests[Symbol.asyncIterator]();
    const { output } = init.method;
    this.#messages = new MessageQueue(
      (bytes) => fromBinary(output, bytes),
      () => this.#giveUp(new ConnectError("the reader stopped", Code.Canceled)),
    );
  }

  get response(): Promise<StreamResponse<I, O>> {
    return this.#answered.promise;
  }

  start(): void {
    const { clock, signal, timeoutMs } = this.#init;
    if (signal !== undefined || timeoutMs !== undefined) {
      this.#patience = new CallerPatience(clock, signal, timeoutMs, (error) => this.#giveUp(error));
    }
    this.#send().catch((error: unknown) => this.#giveUp(ConnectError.from(error)));
  }

  onMessage(message: Uint8Array, cost: number): void {
    this.#answer();
    this.#messages.push(message, cost);
  }

  onHalfClose(): void {}

  onHeader(metadata: readonly Metadata[]): void {
    this.#header = metadata;
    this.#answer();
  }

  onEnd(end: End): void {
    this.#stopSending();
    if (!this.#isAnswered) this.#header = end.header;
    const trailer = headersFromMetadata(end.trailer);
    for (const [key, value] of trailer) this.#trailer.append(key, value);
    if (end.code !== 0) {
      const metadata = headersFromMetadata([...this.#header, ...end.trailer]);
      this.#finish(errorOfEnd(end, metadata));
      return;
    }
    this.#answer();
    if (end.response !== undefined) this.#messages.push(end.response, 0);
    this.#messages.finish();
  }

  onFailed(error: ConnectError): void {
    this.#stopSending();
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
    this.#answered.reject(error);
  }

  #giveUp(error: ConnectError): void {
    this.#stopSending();
    this.#stream?.cancel();
    this.#messages.fail(error);
    this.#answered.reject(error);
  }

  #stopSending(): void {
    this.#patience?.stop();
    this.#requests.return?.()?.catch(() => undefined);
  }

  async #send(): Promise<void> {
    const { connection, method, metadata, timeoutMs } = this.#init;
    const open = (message: Uint8Array | undefined, halfClose: boolean): Stream => {
      const wireTimeoutMs = timeoutMs === undefined ? 0 : Math.ceil(Math.min(timeoutMs, 2 ** 31 - 1));
      const stream = connection.call(methodNameBytes(method), wireTimeoutMs, metadata, message, halfClose, this);
      this.#stream = stream;
      this.#messages.attach(stream);
      // Nobody can read before the first message is there: its pieces must not wait for a reader.
      stream.wantMessage();
      return stream;
    };
    // A single request travels with the opening; otherwise the peer hears of the call before the first message exists.
    if (method.methodKind === "server_streaming") {
      const request = await this.#single();
      if (this.#messages.finished) return;
      if (request.length <= protocol.maxPieceBytes) {
        open(request, true);
        return;
      }
      const stream = open(undefined, false);
      await stream.send(request);
      stream.halfClose();
      return;
    }
    const stream = open(undefined, false);
    for (;;) {
      const result = await this.#requests.next();
      if (stream.closed) return;
      if (result.done === true) break;
      const sent = stream.send(this.#encode(result.value));
      if (sent !== undefined) await sent;
    }
    stream.halfClose();
  }

  async #single(): Promise<Uint8Array> {
    const first = await this.#requests.next();
    if (first.done === true) throw new ConnectError("the request is missing", Code.InvalidArgument);
    return this.#encode(first.value);
  }

  #encode(message: MessageInitShape<I>): Uint8Array {
    const { input } = this.#init.method;
    const bytes = toBinary(input, create(input, message));
    if (bytes.length > this.#init.connection.config.maxMessageBytes) {
      throw new DswarmError("message_too_large").toConnectError();
    }
    return bytes;
  }
}
