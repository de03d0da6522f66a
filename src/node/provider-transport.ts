// A transport to whoever provides a service: providers come from the DHT, the quickest is called, and another one when it is
// not there any more.
import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";
import type { Contact } from "../dht/contact.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";

/** What a transport to providers needs of its node. */
export interface ProviderTransportInit {
  readonly clock: Clock;
  /** Looks for providers. */
  readonly find: () => Promise<readonly Contact[]>;
  /** Milliseconds that a provider takes to answer; rejects where it does not. */
  readonly ping: (provider: Contact) => Promise<number>;
  /** A transport to one provider. */
  readonly transportTo: (provider: Contact) => Transport;
}

interface Provider {
  readonly name: string;
  readonly transport: Transport;
}

// How long what was found is believed while it works.
const freshMs = 30_000;
const maxTried = 5;

/** Calls the quickest provider. Bounded by the providers of one answer of the DHT. */
export class ProviderTransport implements Transport {
  readonly #init: ProviderTransportInit;
  #providers: readonly Provider[] = [];
  #foundAt = Number.NEGATIVE_INFINITY;
  #finding: Promise<void> | undefined;

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
    return this.#try(signal, (transport) => transport.unary(method, signal, timeoutMs, header, message));
  }

  /** Another provider is tried only as long as nothing of the requests was read. */
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    requests: AsyncIterable<MessageInitShape<I>>,
  ): Promise<StreamResponse<I, O>> {
    let isRead = false;
    const watched: AsyncIterable<MessageInitShape<I>> = {
      [Symbol.asyncIterator]() {
        isRead = true;
        return requests[Symbol.asyncIterator]();
      },
    };
    return this.#try(
      signal,
      (transport) => transport.stream(method, signal, timeoutMs, header, watched),
      () => !isRead,
    );
  }

  async #try<T>(
    signal: AbortSignal | undefined,
    call: (transport: Transport) => Promise<T>,
    mayRepeat: () => boolean = () => true,
  ): Promise<T> {
    const failed = new Set<string>();
    let last: unknown;
    for (let tried = 0; tried < maxTried; tried++) {
      const provider = await this.#next(failed, signal);
      if (provider === undefined) break;
      try {
        return await call(provider.transport);
      } catch (error) {
        if (ConnectError.from(error).code !== Code.Unavailable || !mayRepeat()) throw error;
        last = error;
        failed.add(provider.name);
        this.#providers = this.#providers.filter((other) => other !== provider);
      }
    }
    throw last ?? new DswarmError("provider_not_found").toConnectError();
  }

  /** The quickest provider that has not failed; the DHT is asked where none is left. */
  async #next(failed: ReadonlySet<string>, signal: AbortSignal | undefined): Promise<Provider | undefined> {
    const { clock } = this.#init;
    const usable = () => this.#providers.find(({ name }) => !failed.has(name));
    if (usable() === undefined || clock.now() - this.#foundAt > freshMs) {
      this.#finding ??= this.#find().finally(() => {
        this.#finding = undefined;
      });
      await this.#finding;
    }
    signal?.throwIfAborted();
    return usable();
  }

  async #find(): Promise<void> {
    const { find, ping, transportTo, clock } = this.#init;
    const contacts = await find();
    const pinged = await Promise.allSettled(contacts.map(async (contact) => ({ contact, rttMs: await ping(contact) })));
    const answered = pinged.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    answered.sort((a, b) => a.rttMs - b.rttMs);
    this.#providers = answered.map(({ contact }) => ({ name: contact.id.toString(), transport: transportTo(contact) }));
    this.#foundAt = clock.now();
  }
}
