// A served unary call: one message in, one out. The plain case (no interceptor, an answer that fits) costs no promise of
// ours, no signal and no headers.
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type ConnectError, type MethodImplSpec } from "@connectrpc/connect";
import { invokeUnaryImplementation } from "@connectrpc/connect/protocol";
import { EndSchema } from "../../gen/dswarm/v1/frame_pb.ts";
import { DswarmError } from "../util/errors.ts";
import { endWithThrown, type HandlerCallInit, startDeadline } from "./handler-call.ts";
import { protocol } from "./params.ts";
import type { StreamHandler } from "./stream.ts";

type UnarySpec = Extract<MethodImplSpec, { kind: "unary" }>;

const tooMany = "a unary call carries one message";

/** One served unary call. */
export class UnaryHandlerCall implements StreamHandler {
  readonly #init: HandlerCallInit;
  readonly #spec: UnarySpec;
  #request: Uint8Array | undefined;
  #stopDeadline: (() => void) | undefined;
  #running = false;

  constructor(init: HandlerCallInit, spec: UnarySpec) {
    this.#init = init;
    this.#spec = spec;
  }

  start(): void {
    const { stream, open } = this.#init;
    stream.handler = this;
    this.#request = open.message;
    this.#stopDeadline = startDeadline(this.#init);
    if (open.halfClose) this.onHalfClose();
    else stream.wantMessage();
  }

  onMessage(message: Uint8Array, cost: number): void {
    const { stream } = this.#init;
    stream.release(cost);
    if (this.#request === undefined) this.#request = message;
    else stream.fail(new DswarmError("frame_invalid", tooMany));
  }

  onHalfClose(): void {
    if (this.#request === undefined) this.#init.stream.fail(new DswarmError("frame_invalid", tooMany));
    else this.#run(this.#request);
  }

  onHeader(): void {}

  onEnd(): void {}

  onFailed(error: ConnectError): void {
    this.#stopDeadline?.();
    this.#init.context.abort(error);
  }

  #run(request: Uint8Array): void {
    const { connection, context, served, stream } = this.#init;
    this.#request = undefined;
    let input: ReturnType<typeof fromBinary>;
    try {
      input = fromBinary(this.#spec.method.input, request);
    } catch (error) {
      stream.fail(new DswarmError("message_invalid", undefined, { cause: error }));
      return;
    }
    connection.callStarted();
    this.#running = true;
    try {
      const output =
        served.interceptors === undefined
          ? this.#spec.impl(input, context)
          : this.#intercepted(input, served.interceptors);
      if (isPromise(output)) output.then(this.#onOutput, this.#onThrown);
      else this.#onOutput(output);
    } catch (error) {
      this.#onThrown(error);
    }
  }

  #intercepted(
    input: ReturnType<typeof fromBinary>,
    interceptors: NonNullable<HandlerCallInit["served"]["interceptors"]>,
  ): Promise<MessageInitShape<DescMessage>> {
    return invokeUnaryImplementation(this.#spec, this.#init.context.toPlain(), input, interceptors);
  }

  readonly #onOutput = (output: MessageInitShape<DescMessage>): void => {
    const { stream, context } = this.#init;
    try {
      if (stream.closed) return this.#settled();
      const schema = this.#spec.method.output;
      const response = toBinary(schema, create(schema, output));
      const header = context.responseHeaderMetadata();
      const trailer = context.responseTrailerMetadata();
      if (response.length > protocol.maxPieceBytes) {
        if (header.length > 0) stream.sendHeader(header);
        const sent = stream.send(response) ?? Promise.resolve();
        sent.then(
          () => {
            stream.end(create(EndSchema, { trailer }));
            this.#settled();
          },
          () => this.#settled(),
        );
        return;
      }
      if (header.length === 0 && trailer.length === 0) stream.endOk(response);
      else stream.end(create(EndSchema, { header, trailer, response }));
      this.#settled();
    } catch (error) {
      this.#onThrown(error);
    }
  };

  readonly #onThrown = (thrown: unknown): void => {
    endWithThrown(this.#init, thrown, false);
    this.#settled();
  };

  #settled(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#stopDeadline?.();
    this.#init.context.abort(undefined);
    this.#init.connection.callSettled();
  }
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown }).then === "function";
}
