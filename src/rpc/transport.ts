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
import { InterceptedTransport, type InterceptedTransportOptions } from "./intercepted-transport.ts";
import { encodeRequest, type ResponseCheck } from "./message-codec.ts";
import { metadataFromHeaders } from "./metadata.ts";
import { RpcConnection } from "./mux.ts";
import { copyOf, isNeverSeen, neverSeen } from "./never-seen.ts";
import { RepeatableRequest } from "./repeatable-request.ts";
import { connectErrorOf } from "./status.ts";
import { callStreaming } from "./streaming-call.ts";
import { callUnary, type UnaryRepeat } from "./unary-call.ts";

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
  /** How often a call that no handler has seen is made again, on another connection. @default 2 */
  readonly maxRepeats?: number;
}

const defaultRepeats = 2;

/**
 * A Transport for Connect's `createClient`. Calls reject with ConnectErrors. As Connect has it, a call's own `timeoutMs` that
 * is not above 0 means no time limit, whatever the default. Calls without interceptor, header, signal and timeout make no
 * Headers, AbortController or timer.
 */
export function createRpcTransport(options: RpcTransportOptions): Transport {
  return withInterceptors(new PlainTransport(options), options, options.interceptors);
}

/** The transport itself, or with interceptors around it, if there are any. */
export function withInterceptors(
  inner: Transport,
  options: InterceptedTransportOptions,
  interceptors: readonly Interceptor[] = [],
): Transport {
  return interceptors.length > 0 ? new InterceptedTransport(inner, options, interceptors) : inner;
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
    return this.callUnary(method, signal, timeoutMs, header, message, this.#options.maxRepeats ?? defaultRepeats);
  }

  /** Makes a unary call, and makes it again so many times at most where no handler has seen it. */
  callUnary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    message: MessageInitShape<I>,
    repeats: number,
  ): Promise<UnaryResponse<I, O>> {
    try {
      const { clock, meter, check } = this.#options;
      const stats = meter?.of(method);
      const metadata = metadataOf(header);
      const limitMs = timeLimit(timeoutMs);
      const repeat =
        repeats > 0
          ? new UnaryAgain(this, method, signal, countDown(clock, limitMs), header, message, repeats - 1)
          : undefined;
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
          repeat,
        });
      }
      const connecting = now.catch((error: unknown) => Promise.reject(connectErrorOf(error)));
      // In case that the request does not encode, when nobody waits for the connection.
      connecting.catch(() => undefined);
      const request = encodeRequest(method.input, message);
      return connecting.then((connected) =>
        callUnary({ ...connected, clock, method, request, stats, metadata, signal, check, repeat }),
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
      const left = countDown(clock, timeLimit(timeoutMs));
      // Of other kinds, requests that were taken are gone.
      const isKept = method.methodKind === "server_streaming";
      const all = isKept ? new RepeatableRequest(requests) : requests;
      for (let repeats = this.#options.maxRepeats ?? defaultRepeats; ; repeats--) {
        const limitMs = left();
        const now = this.#connectNow(signal, limitMs);
        const connected = now instanceof RpcConnection ? { connection: now, timeoutMs: limitMs } : await now;
        if (repeats > 0 && !connected.connection.usable) continue;
        try {
          return await callStreaming({ ...connected, clock, method, requests: all, stats, metadata, signal, check });
        } catch (error) {
          if (!isNeverSeen(error)) throw error;
          if (!isKept) throw copyOf(connectErrorOf(error));
          if (repeats === 0) throw error;
        }
      }
    } catch (error) {
      throw connectErrorOf(error);
    }
  }

  /** The connection, at once or with the time that is left when it is there. */
  #connectNow(signal: AbortSignal | undefined, timeoutMs: number | undefined): RpcConnection | Promise<Connected> {
    const aborted = abortedErrorOf(signal);
    if (aborted !== undefined) throw aborted;
    let connection: RpcConnection | Promise<RpcConnection>;
    try {
      connection = this.#options.connect();
    } catch (error) {
      throw unsent(error);
    }
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
      const sent = pending.catch((error: unknown) => Promise.reject(unsent(error)));
      const connection = await Promise.race([sent, givenUp.promise]);
      const leftMs = timeoutMs === undefined ? undefined : Math.max(1, timeoutMs - (clock.now() - startedAt));
      return { connection, timeoutMs: leftMs };
    } finally {
      patience.stop();
    }
  }
}

/** A unary call, as it is made again. An object, and no function: every call has one, and its closure would take twice the memory. */
class UnaryAgain<I extends DescMessage, O extends DescMessage> implements UnaryRepeat<I, O> {
  readonly #transport: PlainTransport;
  readonly #method: DescMethodUnary<I, O>;
  readonly #signal: AbortSignal | undefined;
  readonly #leftMs: () => number | undefined;
  readonly #header: HeadersInit | undefined;
  readonly #message: MessageInitShape<I>;
  readonly #repeats: number;

  constructor(
    transport: PlainTransport,
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    leftMs: () => number | undefined,
    header: HeadersInit | undefined,
    message: MessageInitShape<I>,
    repeats: number,
  ) {
    this.#transport = transport;
    this.#method = method;
    this.#signal = signal;
    this.#leftMs = leftMs;
    this.#header = header;
    this.#message = message;
    this.#repeats = repeats;
  }

  again(): Promise<UnaryResponse<I, O>> {
    const leftMs = this.#leftMs() ?? 0;
    return this.#transport.callUnary(this.#method, this.#signal, leftMs, this.#header, this.#message, this.#repeats);
  }
}

interface Connected {
  readonly connection: RpcConnection;
  readonly timeoutMs: number | undefined;
}

/** The error of a call for which there is no connection. */
function unsent(error: unknown): ConnectError {
  // One that connecting fails with may be that of other calls, too.
  return neverSeen(copyOf(connectErrorOf(error)));
}

function noLimit(): undefined {}

/** Returns a function that tells the time that is left; undefined for no limit. */
function countDown(clock: Clock, limitMs: number | undefined): () => number | undefined {
  if (limitMs === undefined) return noLimit;
  const endsAt = clock.now() + limitMs;
  return () => Math.max(1, endsAt - clock.now());
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
