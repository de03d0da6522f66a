// One call as the suite describes it, through Connect's client API.
import { setTimeout as delay } from "node:timers/promises";
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, ConnectError } from "@connectrpc/connect";
import {
  type ClientCompatRequest,
  type ClientResponseResult,
  ClientResponseResultSchema,
} from "../gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { StreamType } from "../gen/connectrpc/conformance/v1/config_pb.ts";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  ConformancePayloadSchema,
  type ConformanceService,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
  UnimplementedRequestSchema,
} from "../gen/connectrpc/conformance/v1/service_pb.ts";
import { addHeaders, errorShapeOf, headersOf } from "./shapes.ts";

/** Makes the call and tells its outcome. @throws Error for a request that makes no sense */
export async function invoke(
  client: Client<typeof ConformanceService>,
  request: ClientCompatRequest,
): Promise<ClientResponseResult> {
  const call = new Call(request);
  try {
    await call.run(client);
  } catch (error) {
    call.fail(ConnectError.from(error));
  }
  return call.result;
}

class Call {
  readonly result = create(ClientResponseResultSchema);
  readonly #request: ClientCompatRequest;
  readonly #abort = new AbortController();
  /** Resolves when the next answer is there, or none will come. */
  #answered = Promise.withResolvers<void>();
  #isOver = false;

  constructor(request: ClientCompatRequest) {
    this.#request = request;
  }

  async run(client: Client<typeof ConformanceService>): Promise<void> {
    const { method = "" } = this.#request;
    switch (method) {
      case "Unary":
        return this.#take((await client.unary(this.#only(UnaryRequestSchema), this.#options())).payload);
      case "IdempotentUnary":
        return this.#take(
          (await client.idempotentUnary(this.#only(IdempotentUnaryRequestSchema), this.#options())).payload,
        );
      case "Unimplemented":
        await client.unimplemented(this.#only(UnimplementedRequestSchema), this.#options());
        return;
      case "ClientStream":
        return this.#take((await client.clientStream(this.#many(ClientStreamRequestSchema), this.#options())).payload);
      case "ServerStream":
        return this.#takeAll(client.serverStream(this.#only(ServerStreamRequestSchema), this.#options()));
      case "BidiStream":
        return this.#takeAll(client.bidiStream(this.#many(BidiStreamRequestSchema), this.#options()));
      default:
        throw new Error(`there is no method ${method}`);
    }
  }

  fail(error: ConnectError): void {
    this.result.error = errorShapeOf(error);
    if (this.result.responseTrailers.length === 0) this.result.responseTrailers = headersOf(error.metadata);
  }

  #options(): CallOptions {
    const headers = new Headers();
    addHeaders(headers, this.#request.requestHeaders);
    return {
      headers,
      signal: this.#abort.signal,
      ...(this.#request.timeoutMs !== undefined && { timeoutMs: this.#request.timeoutMs }),
      onHeader: (header) => {
        this.result.responseHeaders = headersOf(header);
      },
      onTrailer: (trailer) => {
        this.result.responseTrailers = headersOf(trailer);
      },
    };
  }

  /** The request of a call that has one, which ends its sending side. */
  #only<D extends DescMessage>(schema: D): MessageShape<D> {
    const [message, ...more] = this.#messages(schema);
    if (message === undefined || more.length > 0) throw new Error("the call takes one request");
    this.#cancelAfterClose();
    return message;
  }

  async *#many<D extends DescMessage>(schema: D): AsyncGenerator<MessageShape<D>> {
    const { requestDelayMs, streamType, cancel } = this.#request;
    const messages = this.#messages(schema);
    this.result.numUnsentRequests = messages.length;
    for (const message of messages) {
      if (requestDelayMs > 0) await delay(requestDelayMs);
      this.result.numUnsentRequests -= 1;
      yield message;
      if (streamType === StreamType.FULL_DUPLEX_BIDI_STREAM)
        await this.#answersTo(messages.length - this.result.numUnsentRequests);
    }
    if (cancel?.cancelTiming.case === "beforeCloseSend") this.#abort.abort();
    else this.#cancelAfterClose();
  }

  /** Waits for so many answers, or for the end of all. */
  async #answersTo(count: number): Promise<void> {
    while (this.result.payloads.length < count && !this.#isOver) await this.#answered.promise;
  }

  #messages<D extends DescMessage>(schema: D): MessageShape<D>[] {
    return this.#request.requestMessages.map((any) => {
      const message = anyUnpack(any, schema);
      if (message === undefined) throw new Error(`${any.typeUrl} is no ${schema.typeName}`);
      return message;
    });
  }

  #cancelAfterClose(): void {
    const timing = this.#request.cancel?.cancelTiming;
    if (timing === undefined || timing.case === "beforeCloseSend" || timing.case === "afterNumResponses") return;
    setTimeout(() => this.#abort.abort(), timing.value ?? 0);
  }

  #take(payload: ConformancePayload | undefined): void {
    this.result.payloads.push(payload ?? create(ConformancePayloadSchema));
  }

  async #takeAll(answers: AsyncIterable<{ readonly payload?: ConformancePayload | undefined }>): Promise<void> {
    const timing = this.#request.cancel?.cancelTiming;
    try {
      for await (const { payload } of answers) {
        this.#take(payload);
        if (timing?.case === "afterNumResponses" && this.result.payloads.length === timing.value) this.#abort.abort();
        this.#answered.resolve();
        this.#answered = Promise.withResolvers();
      }
    } finally {
      this.#isOver = true;
      this.#answered.resolve();
    }
  }
}
