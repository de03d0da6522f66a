// Connect's Transport over dswarm's wire: what createClient needs to call a peer.
import {
  create,
  type DescMessage,
  type DescMethodStreaming,
  type DescMethodUnary,
  type DescService,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type ContextValues,
  createContextValues,
  type Interceptor,
  type StreamResponse,
  type Transport,
  type UnaryResponse,
} from "@connectrpc/connect";
import { runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import type { Metadata } from "../../gen/dswarm/v1/frame_pb.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import { CallerPatience, tooLateError } from "./caller-patience.ts";
import { metadataFromHeaders } from "./metadata.ts";
import { methodName } from "./method-name.ts";
import { RpcConnection } from "./mux.ts";
import { callStreaming } from "./streaming-call.ts";
import { callUnary } from "./unary-call.ts";

/** Settings of a transport. */
export interface RpcTransportOptions {
  /**
   * The connection for the next call: at once when there is one, otherwise when it is made.
   * It may throw, or reject with, a DswarmError or a ConnectError.
   */
  readonly connect: () => RpcConnection | Promise<RpcConnection>;
  readonly clock: Clock;
  /** Name of the peer in the URLs that interceptors see, for example base64url of its key. */
  readonly authority: string;
  /** Run around every call; the last of the list is the outermost. */
  readonly interceptors?: readonly Interceptor[];
  /** Milliseconds for calls that name no time of their own. @default none */
  readonly defaultTimeoutMs?: number;
}

/**
 * A Transport for Connect's `createClient`. Calls without interceptor, header, signal and timeout make no Headers,
 * AbortController or timer.
 */
export function createRpcTransport(options: RpcTransportOptions): Transport {
  const plain = new PlainTransport(options);
  return options.interceptors?.length ? new InterceptedTransport(plain, options, [...options.interceptors]) : plain;
}

class PlainTransport implements Transport {
  readonly #options: RpcTransportOptions;

  constructor(options: RpcTransportOptions) {
    this.#options = options;
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined = this.#options.defaultTimeoutMs,
    header: HeadersInit | undefined,
    message: MessageInitShape<I>,
  ): Promise<UnaryResponse<I, O>> {
    const { clock } = this.#options;
    const metadata = metadataOf(header);
    const request = toBinary(method.input, create(method.input, message));
    const now = this.#connectNow(signal, timeoutMs);
    if (now instanceof RpcConnection) {
      return callUnary({ connection: now, clock, method, request, metadata, signal, timeoutMs });
    }
    return callUnary({ ...(await now), clock, method, request, metadata, signal });
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined = this.#options.defaultTimeoutMs,
    header: HeadersInit | undefined,
    requests: AsyncIterable<MessageInitShape<I>>,
  ): Promise<StreamResponse<I, O>> {
    const { clock } = this.#options;
    const metadata = metadataOf(header);
    const now = this.#connectNow(signal, timeoutMs);
    if (now instanceof RpcConnection) {
      return callStreaming({ connection: now, clock, method, requests, metadata, signal, timeoutMs });
    }
    return callStreaming({ ...(await now), clock, method, requests, metadata, signal });
  }

  /** The connection, at once or with the time that is left when it is there. Throws and rejects with ConnectErrors. */
  #connectNow(signal: AbortSignal | undefined, timeoutMs: number | undefined): RpcConnection | Promise<Connected> {
    const tooLate = tooLateError(signal, timeoutMs);
    if (tooLate !== undefined) throw tooLate;
    try {
      const connection = this.#options.connect();
      return connection instanceof RpcConnection ? connection : this.#connecting(connection, signal, timeoutMs);
    } catch (error) {
      throw error instanceof DswarmError ? error.toConnectError() : error;
    }
  }

  async #connecting(
    pending: Promise<RpcConnection>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
  ): Promise<Connected> {
    const { clock } = this.#options;
    const startedAt = clock.now();
    const givenUp = Promise.withResolvers<never>();
    const patience = new CallerPatience(clock, signal, timeoutMs, givenUp.reject);
    try {
      const connection = await Promise.race([pending, givenUp.promise]);
      const leftMs = timeoutMs === undefined ? undefined : Math.max(1, timeoutMs - (clock.now() - startedAt));
      return { connection, timeoutMs: leftMs };
    } catch (error) {
      throw error instanceof DswarmError ? error.toConnectError() : error;
    } finally {
      patience.stop();
    }
  }
}

interface Connected {
  readonly connection: RpcConnection;
  readonly timeoutMs: number | undefined;
}

/** Runs interceptors around another transport. */
class InterceptedTransport implements Transport {
  readonly #plain: Transport;
  readonly #options: RpcTransportOptions;
  readonly #interceptors: Interceptor[];

  constructor(plain: Transport, options: RpcTransportOptions, interceptors: Interceptor[]) {
    this.#plain = plain;
    this.#options = options;
    this.#interceptors = interceptors;
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined = this.#options.defaultTimeoutMs,
    header: HeadersInit | undefined,
    message: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    return runUnaryCall<I, O>({
      ...this.#settings(signal, timeoutMs),
      req: { stream: false, method, message, ...this.#common(method, header, contextValues) },
      // The signal already stands for the deadline; the peer is told of it too.
      next: (request) => this.#plain.unary(method, request.signal, timeoutMs, request.header, request.message),
    });
  }

  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined = this.#options.defaultTimeoutMs,
    header: HeadersInit | undefined,
    requests: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    return runStreamingCall<I, O>({
      ...this.#settings(signal, timeoutMs),
      req: { stream: true, method, message: requests, ...this.#common(method, header, contextValues) },
      next: (request) => this.#plain.stream(method, request.signal, timeoutMs, request.header, request.message),
    });
  }

  #settings(signal: AbortSignal | undefined, timeoutMs: number | undefined): CallSettings {
    return {
      interceptors: this.#interceptors,
      ...(signal && { signal }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    };
  }

  #common(
    method: DescMethodUnary | DescMethodStreaming,
    header: HeadersInit | undefined,
    contextValues: ContextValues | undefined,
  ): RequestCommon {
    return {
      service: method.parent,
      requestMethod: "POST",
      url: `dswarm://${this.#options.authority}/${methodName(method)}`,
      header: new Headers(header),
      contextValues: contextValues ?? createContextValues(),
    };
  }
}

interface CallSettings {
  readonly interceptors: Interceptor[];
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

interface RequestCommon {
  readonly service: DescService;
  readonly requestMethod: string;
  readonly url: string;
  readonly header: Headers;
  readonly contextValues: ContextValues;
}

function metadataOf(header: HeadersInit | undefined): Metadata[] | undefined {
  if (header === undefined) return undefined;
  try {
    const metadata = metadataFromHeaders(header instanceof Headers ? header : new Headers(header));
    return metadata.length === 0 ? undefined : metadata;
  } catch (error) {
    throw error instanceof DswarmError ? error.toConnectError() : error;
  }
}
