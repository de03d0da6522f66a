// A transport to the providers of a service: each call goes to one of those that answer. Another one is called only where no handler
// has seen the call, or its method says that it may be repeated: a call may have effects, so it is never made twice otherwise.
import {
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";
import type { Contact } from "../dht/contact.ts";
import { abortedErrorOf, CallerPatience } from "../rpc/caller-patience.ts";
import { isNeverSeen } from "../rpc/never-seen.ts";
import { RepeatableRequest } from "../rpc/repeatable-request.ts";
import { createBoundedCache } from "../util/bounded-cache.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import type { CallInFlight, LiveProvider, ProviderPool } from "./provider-pool.ts";

/** What a transport to providers needs of its node. */
export interface ProviderTransportInit {
  readonly clock: Clock;
  readonly pool: Pick<ProviderPool, "next" | "failed" | "begin">;
  /** Milliseconds after which no other provider is tried. */
  readonly searchMs: number;
  /** Milliseconds for calls that name no time of their own. @default none */
  readonly defaultTimeoutMs?: number | undefined;
  /** A transport to one provider, which repeats no call and runs no interceptor. */
  readonly transportTo: (provider: Contact) => Transport;
}

const maxTransports = 64;

/** Calls providers. Bounded by `maxTransports`. */
export class ProviderTransport implements Transport {
  readonly #init: ProviderTransportInit;
  readonly #transports = createBoundedCache<Transport>(maxTransports);

  constructor(init: ProviderTransportInit) {
    this.#init = init;
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    message: MessageInitShape<I>,
  ): Promise<UnaryResponse<I, O>> {
    return this.#try(method, signal, timeoutMs, async (transport, leftMs, { answered, ended }) => {
      try {
        const response = await transport.unary(method, signal, leftMs, header, message);
        answered();
        return response;
      } finally {
        ended();
      }
    });
  }

  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    requests: AsyncIterable<MessageInitShape<I>>,
  ): Promise<StreamResponse<I, O>> {
    const all = method.methodKind === "server_streaming" ? new RepeatableRequest(requests) : requests;
    return this.#try(method, signal, timeoutMs, async (transport, leftMs, { answered, ended }) => {
      try {
        const response = await transport.stream(method, signal, leftMs, header, all);
        answered();
        return { ...response, message: withEnd(response.message, ended) };
      } catch (error) {
        ended();
        throw error;
      }
    });
  }

  async #try<T>(
    method: DescMethod,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined = this.#init.defaultTimeoutMs,
    call: (transport: Transport, leftMs: number | undefined, inFlight: CallInFlight) => Promise<T>,
  ): Promise<T> {
    const { clock, pool, searchMs } = this.#init;
    const startedAt = clock.now();
    const deadline = timeoutMs !== undefined && timeoutMs > 0 ? startedAt + timeoutMs : undefined;
    const leftMs = () => (deadline === undefined ? timeoutMs : Math.max(1, deadline - clock.now()));
    const failed = new Set<string>();
    let last: unknown;
    // Each time one more has failed, and providers are bounded.
    for (;;) {
      const provider = await this.#next(failed, signal, deadline === undefined ? undefined : leftMs());
      if (provider === undefined) throw last ?? new DswarmError("provider_not_found").toConnectError();
      try {
        return await call(this.#transport(provider), leftMs(), pool.begin(provider.contact));
      } catch (error) {
        const isUnseen = isNeverSeen(error);
        if (isUnseen) pool.failed(provider.contact);
        else if (!mayRepeat(method) || ConnectError.from(error).code !== Code.Unavailable) throw error;
        if (clock.now() - startedAt >= searchMs) throw error;
        last = error;
        failed.add(provider.contact.id.toString());
      }
    }
  }

  /** Waits for a provider no longer than the caller does. */
  async #next(
    failed: ReadonlySet<string>,
    signal: AbortSignal | undefined,
    leftMs: number | undefined,
  ): Promise<LiveProvider | undefined> {
    const aborted = abortedErrorOf(signal);
    if (aborted !== undefined) throw aborted;
    const givenUp = Promise.withResolvers<never>();
    const patience = new CallerPatience(this.#init.clock, signal, leftMs, givenUp.reject);
    try {
      return await Promise.race([this.#init.pool.next(failed), givenUp.promise]);
    } finally {
      patience.stop();
    }
  }

  #transport({ contact }: LiveProvider): Transport {
    const name = [contact.id, ...contact.addresses.map(({ host, port }) => `${host} ${port}`)].join();
    let transport = this.#transports.get(name);
    if (transport === undefined) {
      transport = this.#init.transportTo(contact);
      this.#transports.set(name, transport);
    }
    return transport;
  }
}

/** Whether a method says that a call of it may be made twice. Requests of a stream that a provider has taken are gone. */
function mayRepeat({ idempotency, methodKind }: DescMethod): boolean {
  if (methodKind !== "unary" && methodKind !== "server_streaming") return false;
  return idempotency === IdempotencyLevel.NO_SIDE_EFFECTS || idempotency === IdempotencyLevel.IDEMPOTENT;
}

/** The same messages, and a call back when the reader knows of their end. */
function withEnd<T>(messages: AsyncIterable<T>, onEnd: () => void): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const reader = messages[Symbol.asyncIterator]();
      return {
        async next() {
          try {
            const result = await reader.next();
            if (result.done === true) onEnd();
            return result;
          } catch (error) {
            onEnd();
            throw error;
          }
        },
        async return() {
          onEnd();
          await reader.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
