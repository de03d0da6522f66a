// A served unary call: one message in, one out. The plain case (no interceptor, an answer that fits) costs no promise of
// ours, no signal and no headers.
import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { type ConnectError, type MethodImplSpec } from "@connectrpc/connect";
import { invokeUnaryImplementation } from "@connectrpc/connect/protocol";
import { EndSchema, type Metadata, type Open } from "../../gen/dswarm/v1/frame_pb.ts";
import { ownedBytes } from "./byte-views.ts";
import { endWithThrown, type HandlerCallInit, startDeadline } from "./handler-call.ts";
import { checkMessageBytes, decodeRequest } from "./message-codec.ts";
import { encodeMessage, keptMessage } from "./message-writer.ts";
import { metadataBytes } from "./metadata.ts";
import { connectErrorOf } from "./status.ts";
import type { StreamHandler } from "./stream.ts";

type UnarySpec = Extract<MethodImplSpec, { kind: "unary" }>;

const tooMany = "a unary call carries one message";

/** One served unary call. */
export class UnaryHandlerCall implements StreamHandler {
  readonly #init: HandlerCallInit;
  readonly #spec: UnarySpec;
  #request: Uint8Array | undefined;
  #stopDeadline: (() => void) | undefined;
  #isRunning = false;
  #isSettled = false;
  #headerSent = false;

  constructor(init: HandlerCallInit, spec: UnarySpec) {
    this.#init = init;
    this.#spec = spec;
  }

  start(open: Open): void {
    const { stream } = this.#init;
    stream.handler = this;
    this.#stopDeadline = startDeadline(this.#init);
    if (open.halfClose) {
      this.#request = open.message;
      this.onHalfClose();
    } else {
      stream.isSingle = true;
      this.#request = open.message && ownedBytes(open.message);
      if (open.message !== undefined) stream.holdInline(open.message.length);
      stream.wantMessage();
    }
  }

  onMessage(message: Uint8Array): void {
    const { stream } = this.#init;
    if (this.#request === undefined) this.#request = ownedBytes(message);
    else stream.breach("frame_invalid", tooMany);
  }

  onHalfClose(): void {
    if (this.#request === undefined) this.#init.stream.breach("frame_invalid", tooMany);
    else this.#run(this.#request);
  }

  onHeader(): void {}

  onEnd(): void {}

  onFailed(error: ConnectError): void {
    this.#stopDeadline?.();
    this.#init.context.abort(error);
    // A handler that runs settles when it is done, whether or not it heeds the signal.
    if (!this.#isRunning) this.#settle();
  }

  #run(request: Uint8Array): void {
    const { connection, context, served, stream } = this.#init;
    this.#request = undefined;
    // From here on, it is the call that holds the request.
    if (stream.isSingle) stream.discard(request.length);
    let input: MessageShape<DescMessage>;
    try {
      checkMessageBytes(request.length, served);
      input = decodeRequest(this.#spec.method.input, request);
    } catch (error) {
      connection.faulted();
      stream.fail(connectErrorOf(error));
      return;
    }
    this.#isRunning = true;
    try {
      const output =
        served.interceptors === undefined
          ? this.#spec.impl(input, context)
          : this.#intercepted(input, served.interceptors);
      if (isPromise(output)) {
        connection.holdForCall(stream, request.length);
        output.then(
          (message) => this.#onOutput(message),
          (thrown: unknown) => this.#onThrown(thrown),
        );
      } else {
        this.#onOutput(output);
      }
    } catch (error) {
      this.#onThrown(error);
    }
  }

  #intercepted(
    input: MessageShape<DescMessage>,
    interceptors: NonNullable<HandlerCallInit["served"]["interceptors"]>,
  ): Promise<MessageInitShape<DescMessage>> {
    return invokeUnaryImplementation(this.#spec, this.#init.context.toPlain(), input, interceptors);
  }

  #onOutput(output: MessageInitShape<DescMessage>): void {
    const { connection, stream, context } = this.#init;
    try {
      if (stream.closed) return this.#settle();
      const schema = this.#spec.method.output;
      const response = encodeMessage(schema, output, "scratch");
      checkMessageBytes(response.length, connection.config);
      const header = context.responseHeaderMetadata();
      const trailer = context.responseTrailerMetadata();
      if (!connection.takesInline(response.length + metadataBytes(header) + metadataBytes(trailer))) {
        this.#sendInData(keptMessage(response), header, trailer);
        return;
      }
      if (header.length === 0 && trailer.length === 0) stream.endOk(response);
      else stream.end(create(EndSchema, { header, trailer, response }));
      this.#settle();
    } catch (error) {
      this.#onThrown(error);
    }
  }

  #sendInData(response: Uint8Array, header: Metadata[], trailer: Metadata[]): void {
    const { stream } = this.#init;
    this.#headerSent = header.length > 0;
    if (this.#headerSent) stream.sendHeader(header);
    const sent = stream.send(response) ?? Promise.resolve();
    sent.then(
      () => {
        stream.end(create(EndSchema, { trailer }));
        this.#settle();
      },
      () => this.#settle(), // The stream has closed.
    );
  }

  #onThrown(thrown: unknown): void {
    try {
      endWithThrown(this.#init, thrown, this.#headerSent);
    } finally {
      this.#settle();
    }
  }

  #settle(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#stopDeadline?.();
    this.#init.context.abort(undefined);
    this.#init.connection.callSettled(this.#init.stream);
  }
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown }).then === "function";
}
