// Interceptors around another transport, by Connect's own machinery.
import type {
  DescMessage,
  DescMethodStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
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
import type { Clock } from "../util/clock.ts";
import { methodName } from "./method-name.ts";

/** What interceptors need to know of the transport that they are run around. */
export interface InterceptedTransportOptions {
  readonly clock: Clock;
  /** Name of the peer in URLs. */
  readonly authority: string;
  /** Milliseconds for calls that name no time of their own. @default none */
  readonly defaultTimeoutMs?: number;
}

// Connect sets this timer itself; a longer one would fire at once.
const maxTimerMs = 2 ** 31 - 1;

/** Runs interceptors around another transport. */
export class InterceptedTransport implements Transport {
  readonly #inner: Transport;
  readonly #options: InterceptedTransportOptions;
  readonly #interceptors: Interceptor[];

  /** @param interceptors the first is the outermost */
  constructor(inner: Transport, options: InterceptedTransportOptions, interceptors: readonly Interceptor[]) {
    this.#inner = inner;
    this.#options = options;
    this.#interceptors = [...interceptors];
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined = this.#options.defaultTimeoutMs,
    header: HeadersInit | undefined,
    message: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    const leftMs = this.#countDown(timeoutMs);
    return runUnaryCall<I, O>({
      ...this.#settings(signal, timeoutMs),
      req: { stream: false, method, message, ...this.#common(method, header, contextValues) },
      next: async (request) => {
        const response = await this.#inner.unary(method, request.signal, leftMs(), request.header, request.message);
        // All parts its own properties: interceptors copy responses.
        const { message: answer, header: responseHeader, trailer } = response;
        return { stream: false, service: method.parent, method, header: responseHeader, trailer, message: answer };
      },
    });
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined = this.#options.defaultTimeoutMs,
    header: HeadersInit | undefined,
    requests: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    const leftMs = this.#countDown(timeoutMs);
    let innermost: AsyncIterable<unknown> | undefined;
    const response = await runStreamingCall<I, O>({
      ...this.#settings(signal, timeoutMs),
      req: { stream: true, method, message: requests, ...this.#common(method, header, contextValues) },
      next: async (request) => {
        const inner = await this.#inner.stream(method, request.signal, leftMs(), request.header, request.message);
        innermost = inner.message;
        return inner;
      },
    });
    return { ...response, message: withReturn(response.message, () => innermost) };
  }

  /** Returns a function that tells the time left for the inner transport, 0 for no limit. */
  #countDown(timeoutMs: number | undefined): () => number {
    if (timeoutMs === undefined || !(timeoutMs > 0)) return () => timeoutMs ?? 0;
    const { clock } = this.#options;
    const endsAt = clock.now() + timeoutMs;
    return () => Math.max(1, endsAt - clock.now());
  }

  #settings(signal: AbortSignal | undefined, timeoutMs: number | undefined): CallSettings {
    const hasLimit = timeoutMs !== undefined && timeoutMs > 0;
    return {
      interceptors: this.#interceptors,
      ...(signal && { signal }),
      // The interceptors' signal stands for the deadline too.
      ...(hasLimit && { timeoutMs: Math.min(timeoutMs, maxTimerMs) }),
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

/** Messages whose reader may stop early: Connect leaves that out of what its interceptors give. */
function withReturn<T>(
  messages: AsyncIterable<T>,
  innermost: () => AsyncIterable<unknown> | undefined,
): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const reader = messages[Symbol.asyncIterator]();
      return {
        next: () => reader.next(),
        async return() {
          await innermost()?.[Symbol.asyncIterator]().return?.();
          // Interceptors, and Connect around them, see an end and clean up.
          await reader.next().catch(() => undefined);
          return { done: true, value: undefined };
        },
      };
    },
  };
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
