// Connect's Transport over dswarm's wire: what createClient needs to call a peer.
import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type Interceptor,
  type StreamResponse,
  type Transport,
  type UnaryResponse,
} from "@connectrpc/connect";
import type { Metadata } from "../../gen/dswarm/v1/frame_pb.ts";
import type { Clock } from "../util/clock.ts";
import type { CallMeter } from "./call-meter.ts";
import { abortedErrorOf, CallerPatience } from "./caller-patience.ts";
import { InterceptedTransport } from "./intercepted-transport.ts";
import { encodeRequest, type ResponseCheck } from "./message-codec.ts";
import { metadataFromHeaders } from "./metadata.ts";
import { RpcConnection } from "./mux.ts";
import { connectErrorOf } from "./status.ts";
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
  /** Measures the calls, of methods that the program has of its own: their names become labels. @default none */
  readonly meter?: CallMeter | undefined;
  /** Name of the peer in the URLs that interceptors see, for example base64url of its key. */
  readonly authority: string;
  /** Run around every call; the first of the list is the outermost. */
  readonly interceptors?: readonly Interceptor[];
  /** Milliseconds for calls that name no time of their own. @default none */
  readonly defaultTimeoutMs?: number;
  /** Looks at each answer before it is decoded, of peers whose schema or answers may be anything. @default none */
  readonly check?: ResponseCheck | undefined;
}

/**
 * A Transport for Connect's `createClient`. Calls reject with ConnectErrors. As Connect has it, a call's own `timeoutMs` that
 * is not above 0 means no time limit, whatever the default. Calls without interceptor, header, signal and timeout make no
 * Headers, AbortController or timer.
 */
export function createRpcTransport(options: RpcTransportOptions): Transport {
  const plain = new PlainTransport(options);
  return options.interceptors?.length ? new InterceptedTransport(plain, options, options.interceptors) : plain;
}

class PlainTransport implements Transport {
  readonly #options: RpcTransportOptions;

  constructor(options: RpcTransportOptions) {
    this.#options = options;
  }

  // Not async: a frame of it would wait for every call.
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined = this.#options.defaultTimeoutMs,
    header: HeadersInit | undefined,
    message: MessageInitShape<I>,
  ): Promise<UnaryResponse<I, O>> {
    try {
      const { clock, meter, check } = this.#options;
      const stats = meter?.of(method);
      const metadata = metadataOf(header);
      const limitMs = timeLimit(timeoutMs);
      const now = this.#connectNow(signal, limitMs);
      if (now instanceof RpcConnection) {
        const request = encodeRequest(method.input, message, "scratch");
        return callUnary({
          connection: now,
          clock,
          method,
          request,
          stats,
          metadata,
          signal,
          timeoutMs: limitMs,
          check,
        });
      }
      const connecting = now.catch((error: unknown) => Promise.reject(connectErrorOf(error)));
      // In case that the request does not encode, when nobody waits for the connection.
      connecting.catch(() => undefined);
      const request = encodeRequest(method.input, message);
      return connecting.then((connected) =>
        callUnary({ ...connected, clock, method, request, stats, metadata, signal, check }),
      );
    } catch (error) {
      return Promise.reject(connectErrorOf(error));
    }
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined = this.#options.defaultTimeoutMs,
    header: HeadersInit | undefined,
    requests: AsyncIterable<MessageInitShape<I>>,
  ): Promise<StreamResponse<I, O>> {
    try {
      const { clock, meter, check } = this.#options;
      const stats = meter?.of(method);
      const metadata = metadataOf(header);
      const limitMs = timeLimit(timeoutMs);
      const now = this.#connectNow(signal, limitMs);
      const connected = now instanceof RpcConnection ? { connection: now, timeoutMs: limitMs } : await now;
      return await callStreaming({ ...connected, clock, method, requests, stats, metadata, signal, check });
    } catch (error) {
      throw connectErrorOf(error);
    }
  }

  /** The connection, at once or with the time that is left when it is there. */
  #connectNow(signal: AbortSignal | undefined, timeoutMs: number | undefined): RpcConnection | Promise<Connected> {
    const aborted = abortedErrorOf(signal);
    if (aborted !== undefined) throw aborted;
    const connection = this.#options.connect();
    return connection instanceof RpcConnection ? connection : this.#connecting(connection, signal, timeoutMs);
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
    } finally {
      patience.stop();
    }
  }
}

interface Connected {
  readonly connection: RpcConnection;
  readonly timeoutMs: number | undefined;
}

function timeLimit(timeoutMs: number | undefined): number | undefined {
  if (Number.isNaN(timeoutMs)) throw new ConnectError("timeoutMs is not a number", Code.InvalidArgument);
  return timeoutMs === undefined || timeoutMs <= 0 ? undefined : timeoutMs;
}

function metadataOf(header: HeadersInit | undefined): Metadata[] | undefined {
  if (header === undefined) return undefined;
  const metadata = metadataFromHeaders(header instanceof Headers ? header : new Headers(header));
  return metadata.length === 0 ? undefined : metadata;
}
