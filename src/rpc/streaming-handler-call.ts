// A served streaming call: messages in as an async iterable, messages out paced by the peer's credit.
import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { transformInvokeImplementation } from "@connectrpc/connect/protocol";
import { EndSchema, type Open } from "../../gen/dswarm/v1/frame_pb.ts";
import { DswarmError } from "../util/errors.ts";
import { endWithThrown, type HandlerCallInit, startDeadline } from "./handler-call.ts";
import { endIterator } from "./iterator-end.ts";
import { decodeRequest } from "./message-codec.ts";
import { MessageQueue } from "./message-queue.ts";
import { encodeMessage } from "./message-writer.ts";
import type { StreamHandler } from "./stream.ts";

type Output = MessageInitShape<DescMessage>;

/** One served call of the kinds server, client and bidirectional streaming. */
export class StreamingHandlerCall implements StreamHandler {
  readonly #init: HandlerCallInit;
  readonly #requests: MessageQueue<MessageShape<DescMessage>>;
  #stopDeadline: (() => void) | undefined;
  #outputs: AsyncIterator<Output> | undefined;
  #headerSent = false;

  constructor(init: HandlerCallInit) {
    this.#init = init;
    const { connection, stream, served } = init;
    const { kind, method } = served.spec;
    // A handler that reads no further requests may still answer: the caller's messages are dropped, unpaid.
    this.#requests = new MessageQueue(
      (bytes) => {
        // The one request is the handler's for as long as it runs.
        if (kind === "server_streaming") connection.holdForCall(stream, bytes.length);
        return decodeRequest(method.input, bytes);
      },
      () => undefined,
    );
  }

  start(open: Open): void {
    const { stream } = this.#init;
    stream.handler = this;
    this.#requests.attach(stream);
    this.#stopDeadline = startDeadline(this.#init);
    stream.isSingle = this.#init.served.spec.kind === "server_streaming";
    if (open.message !== undefined) {
      stream.holdInline(open.message.length);
      this.#requests.push(open.message, 0);
    }
    if (open.halfClose) this.#requests.finish();
    this.#run().then(
      () => this.#finish(),
      (thrown) => this.#onThrown(thrown),
    );
  }

  onMessage(message: Uint8Array, cost: number): void {
    this.#requests.push(message, cost);
  }

  onHalfClose(): void {
    this.#requests.finish();
  }

  onHeader(): void {}

  onEnd(): void {}

  onFailed(error: ConnectError): void {
    this.#stopDeadline?.();
    this.#init.context.abort(error);
    this.#requests.fail(error);
    // Wakes iterators that wait for something of their own; a generator that does so has the signal.
    if (this.#outputs !== undefined) endIterator(this.#outputs);
  }

  async #run(): Promise<void> {
    const { stream, served } = this.#init;
    const { output } = served.spec.method;
    const outputs = (await this.#invoke())[Symbol.asyncIterator]();
    this.#outputs = outputs;
    // Left in any way, the loop waits for the generator's finally blocks: until then the call counts as running.
    for await (const message of { [Symbol.asyncIterator]: () => outputs }) {
      if (stream.closed) return;
      if (!this.#headerSent) this.#sendHeader();
      const sent = stream.send(encodeMessage(output, message));
      if (sent !== undefined) await sent;
    }
  }

  async #invoke(): Promise<AsyncIterable<Output>> {
    const { served, context } = this.#init;
    const { spec, interceptors } = served;
    if (interceptors !== undefined) {
      return transformInvokeImplementation(spec, context.toPlain(), interceptors)(this.#requests);
    }
    switch (spec.kind) {
      case "server_streaming":
        return spec.impl(await this.#single(), context);
      case "client_streaming":
        return only(spec.impl(this.#requests, context));
      case "bidi_streaming":
        return spec.impl(this.#requests, context);
      case "unary":
        break;
    }
    throw new Error("a unary call is not served here");
  }

  async #single(): Promise<MessageShape<DescMessage>> {
    const first = await this.#requests.next();
    const second = first.done === true ? first : await this.#requests.next();
    if (first.done === true || second.done !== true) {
      throw new DswarmError("frame_invalid", "a server-streaming call carries one request");
    }
    return first.value;
  }

  #sendHeader(): void {
    this.#headerSent = true;
    const header = this.#init.context.responseHeaderMetadata();
    if (header.length > 0) this.#init.stream.sendHeader(header);
  }

  #finish(): void {
    const { stream, context } = this.#init;
    try {
      const header = this.#headerSent ? [] : context.responseHeaderMetadata();
      stream.end(create(EndSchema, { header, trailer: context.responseTrailerMetadata() }));
      this.#settle();
    } catch (error) {
      this.#onThrown(error);
    }
  }

  #onThrown(thrown: unknown): void {
    try {
      endWithThrown(this.#init, thrown, this.#headerSent);
    } finally {
      this.#settle();
    }
  }

  #settle(): void {
    this.#stopDeadline?.();
    this.#init.context.abort(undefined);
    // Whatever the handler left waiting for requests.
    void this.#requests.return();
    this.#init.connection.callSettled(this.#init.stream);
  }
}

async function* only(message: Output | Promise<Output>): AsyncIterable<Output> {
  yield await message;
}
