// A transport to the providers of a service: the quickest of those that answer is called. Another one is called only where the first
// cannot have seen the call: a call may have effects, so it is never made twice.
import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";
import type { Contact } from "../dht/contact.ts";
import { abortedErrorOf, CallerPatience } from "../rpc/caller-patience.ts";
import { createBoundedCache } from "../util/bounded-cache.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import type { LiveProvider, ProviderPool } from "./provider-pool.ts";

/** What a transport to providers needs of its node. */
export interface ProviderTransportInit {
  readonly clock: Clock;
  readonly pool: ProviderPool;
  /** Milliseconds after which no other provider is tried. */
  readonly searchMs: number;
  /** Milliseconds for calls that name no time of their own. @default none */
  readonly defaultTimeoutMs?: number | undefined;
  /**
   * A transport to one provider.
   * @param onUnsent to be told what connecting fails with: nothing of the call was sent then
   */
  readonly transportTo: (provider: Contact, onUnsent: (error: unknown) => void) => Transport;
}

const maxTransports = 64;

/** Calls the quickest provider. Bounded by `maxTransports`. */
export class ProviderTransport implements Transport {
  readonly #init: ProviderTransportInit;
  readonly #transports = createBoundedCache<Transport>(maxTransports);
  readonly #unsent = new WeakSet<object>();

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
    return this.#try(signal, timeoutMs, (transport, leftMs) =>
      transport.unary(method, signal, leftMs, header, message),
    );
  }

  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    requests: AsyncIterable<MessageInitShape<I>>,
  ): Promise<StreamResponse<I, O>> {
    return this.#try(signal, timeoutMs, (transport, leftMs) =>
      transport.stream(method, signal, leftMs, header, requests),
    );
  }

  async #try<T>(
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined = this.#init.defaultTimeoutMs,
    call: (transport: Transport, leftMs: number | undefined) => Promise<T>,
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
        return await call(this.#transport(provider), leftMs());
      } catch (error) {
        if (!this.#isUnsent(error)) throw error;
        pool.failed(provider.contact);
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
      transport = this.#init.transportTo(contact, (error) => {
        if (typeof error === "object" && error !== null) this.#unsent.add(error);
      });
      this.#transports.set(name, transport);
    }
    return transport;
  }

  /** Whether a call failed with what connecting failed with. */
  #isUnsent(error: unknown): boolean {
    if (!(error instanceof Error)) return false;
    const { cause } = ConnectError.from(error);
    return this.#unsent.has(error) || (typeof cause === "object" && cause !== null && this.#unsent.has(cause));
  }
}
