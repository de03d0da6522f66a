// A DHT that is just enough for tests of the simulation: a routing table, lookups, and immutable values in a map.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  FindNodeRequest,
  FindNodeResponseSchema,
  FindValueRequest,
  FindValueResponseSchema,
  PingRequest,
  PingResponseSchema,
  StoreRequest,
  StoreResponseSchema,
} from "../../gen/dswarm/v1/dht_pb.ts";
import { type Contact, contactFromMessage, contactToMessage } from "../../src/dht/contact.ts";
import type { Caller, DhtAnswers } from "../../src/dht/dht-peers.ts";
import { lookup } from "../../src/dht/lookup.ts";
import type { LookupAnswer, LookupResult } from "../../src/dht/lookup-options.ts";
import { resolveRoutingOptions } from "../../src/dht/params.ts";
import { QueryTimeout } from "../../src/dht/query-timeout.ts";
import type { DhtRecord } from "../../src/dht/record.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { RoutingTable } from "../../src/dht/routing-table.ts";
import type { SimulatedDht, SimulatedDhtInit } from "../../src/testbed/simulated-dht.ts";
import { DswarmError } from "../../src/util/errors.ts";

const k = 20;
const alpha = 3;
const storeMs = 2000;

type ContactMessages = Parameters<typeof contactFromMessage>[0][];

/** The fake. Its peers are pinged by nobody: who calls enters the table by the host and port 4000. */
export class FakeDht implements SimulatedDht, DhtAnswers {
  readonly answers = this;
  readonly table: RoutingTable;
  readonly values = new Map<string, Uint8Array>();
  readonly #init: SimulatedDhtInit;
  readonly #timeouts = new QueryTimeout();
  readonly #closing = new AbortController();

  constructor(init: SimulatedDhtInit) {
    this.#init = init;
    const { keys, clock } = init;
    const config = resolveRoutingOptions();
    this.table = new RoutingTable({ self: keys.id, config, clock, ping: () => Promise.resolve(true) });
  }

  start(): void {}

  async bootstrap(contacts: readonly Contact[]): Promise<void> {
    for (const contact of contacts) this.table.seen(contact);
    await this.lookup(this.#init.keys.id.bytes);
    for (let index = 0; index < 4; index++) await this.lookup(this.table.randomKey(index));
  }

  lookup(target: Uint8Array): Promise<LookupResult<never>> {
    const { peers } = this.#init;
    return this.#lookup<never>(target, async (contact, signal) => {
      const { contacts } = await peers.findNode(contact, { target }, signal);
      return { contacts: contactsOf(contacts) };
    });
  }

  async put(value: Uint8Array): Promise<{ key: RecordKey }> {
    const key = RecordKey.ofValue(value);
    const { closest } = await this.lookup(key.bytes);
    const request = { record: { kind: { case: "immutable", value: { value } }, ttlS: 3600 } } as const;
    const controller = new AbortController();
    const stop = this.#init.clock.setTimeout(() => controller.abort(), storeMs);
    const stores = closest.map((contact) => this.#init.peers.store(contact, request, controller.signal));
    await Promise.allSettled(stores);
    stop();
    return { key };
  }

  async get(key: RecordKey): Promise<DhtRecord | undefined> {
    const { peers } = this.#init;
    const { found } = await this.#lookup<Uint8Array>(key.bytes, async (contact, signal) => {
      const { contacts, records } = await peers.findValue(contact, { key: key.bytes }, signal);
      const kind = records[0]?.kind;
      if (kind?.case !== "immutable") return { contacts: contactsOf(contacts) };
      if (!RecordKey.ofValue(kind.value.value).equals(key)) throw new DswarmError("record_invalid");
      return { contacts: contactsOf(contacts), found: kind.value.value };
    });
    return found[0] && { kind: "immutable", key, value: found[0].value };
  }

  close(): Promise<void> {
    this.#closing.abort();
    return Promise.resolve();
  }

  ping({ nonce }: PingRequest, caller: Caller): MessageInitShape<typeof PingResponseSchema> {
    this.#noteCaller(caller);
    return { nonce };
  }

  findNode({ target }: FindNodeRequest, caller: Caller): MessageInitShape<typeof FindNodeResponseSchema> {
    this.#noteCaller(caller);
    return { contacts: this.table.closest(target, k).map(contactToMessage) };
  }

  async findValue(
    { key }: FindValueRequest,
    { id }: Caller,
  ): Promise<MessageInitShape<typeof FindValueResponseSchema>> {
    const value = this.values.get(RecordKey.fromBytes(key).toHex());
    const contacts = this.table.closest(key, k, id).map(contactToMessage);
    return value === undefined
      ? { contacts }
      : { contacts, records: [{ kind: { case: "immutable", value: { value } }, ttlS: 1 }] };
  }

  async store({ record }: StoreRequest): Promise<MessageInitShape<typeof StoreResponseSchema>> {
    if (record?.kind.case !== "immutable") throw new DswarmError("record_invalid");
    const { value } = record.kind.value;
    this.values.set(RecordKey.ofValue(value).toHex(), value);
    return {};
  }

  #noteCaller({ id, host }: Caller): void {
    this.table.seen({ id, addresses: [{ host, port: 4000 }] });
  }

  #lookup<T>(
    target: Uint8Array,
    ask: (contact: Contact, signal: AbortSignal) => Promise<LookupAnswer<T>>,
  ): Promise<LookupResult<T>> {
    const { clock, keys } = this.#init;
    return lookup<T>({
      target,
      seeds: this.table.closest(target, k),
      self: keys.id,
      k,
      alpha,
      clock,
      timeouts: this.#timeouts,
      ask,
      onAnswer: (contact) => void this.table.seen(contact),
      onFailure: (contact) => this.table.missed(contact.id),
      accept: () => "stop",
      signal: this.#closing.signal,
    });
  }
}

function contactsOf(messages: ContactMessages): Contact[] {
  return messages.slice(0, k).flatMap((message) => contactFromMessage(message) ?? []);
}
