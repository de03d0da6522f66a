// What a node answers its peers. Each request is checked whole; what breaks a rule is refused with a code and changes nothing.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import pLimit from "p-limit";
import type {
  FindNodeRequest,
  FindNodeResponseSchema,
  FindValueRequest,
  FindValueResponseSchema,
  PingRequest,
  PingResponseSchema,
  Record as RecordMessage,
  StoreRequest,
  StoreResponseSchema,
} from "../../gen/dswarm/v1/dht_pb.ts";
import { nodeIdBytes } from "../identity/node-id.ts";
import type { Clock } from "../util/clock.ts";
import type { Counters } from "../util/counters.ts";
import { DswarmError } from "../util/errors.ts";
import { isLoopback } from "../util/loopback.ts";
import { type Contact, contactElsewhere, contactToMessage } from "./contact.ts";
import { hostGroup } from "./contact-host.ts";
import type { Caller, DhtAnswers } from "./dht-peers.ts";
import type { DhtConfig } from "./options.ts";
import { dhtProtocol, maxContactsOf } from "./params.ts";
import type { Knows } from "./provider-slots.ts";
import type { Forwarding } from "./queries.ts";
import type { DhtRecord } from "./record.ts";
import { recordFromMessage, recordToMessage } from "./record-codec.ts";
import { RecordKey } from "./record-key.ts";
import type { HeldRecord, RecordStore } from "./record-store.ts";
import type { RoutingTable } from "./routing-table.ts";
import { costOf, StoreBudget } from "./store-budget.ts";

const maxNonceBytes = 64;
/** More is not quicker, and each holds the values that it has read. */
const maxReadsAtOnce = 32;

/** What answers need of their node. */
export interface AnswersInit {
  readonly config: DhtConfig;
  readonly clock: Clock;
  readonly table: RoutingTable;
  readonly store: RecordStore;
  readonly counters: Counters;
  /** A peer that serves the DHT has called from there. */
  readonly onCaller: (contact: Contact) => void;
  /** Passes on what has been stored. Resolves with the ids of those that keep it. */
  readonly forward: (forwarding: Forwarding) => Promise<Uint8Array[]>;
}

/** Answers of a node in server mode. */
export class Answers implements DhtAnswers {
  readonly #init: AnswersInit;
  readonly #budget: StoreBudget;
  readonly #knows: Knows;
  readonly #reads = pLimit(maxReadsAtOnce);

  constructor(init: AnswersInit) {
    const { table } = init;
    this.#init = init;
    this.#budget = new StoreBudget(init.clock, init.config);
    this.#knows = (id) => table.has(id);
  }

  ping({ nonce, port }: PingRequest, { id, host }: Caller): MessageInitShape<typeof PingResponseSchema> {
    if (nonce.length > maxNonceBytes) throw invalid(`a nonce has at most ${maxNonceBytes} bytes`);
    if (port > 65_535) throw invalid("a port is at most 65535");
    if (port > 0) this.#init.onCaller({ id, addresses: [{ host, port }] });
    return { nonce };
  }

  findNode({ target }: FindNodeRequest, caller: Caller): MessageInitShape<typeof FindNodeResponseSchema> {
    checkLength(target, "target");
    return { contacts: this.#closest(target, caller) };
  }

  async findValue(
    { key, immutableSuffices }: FindValueRequest,
    caller: Caller,
  ): Promise<MessageInitShape<typeof FindValueResponseSchema>> {
    checkLength(key, "key");
    const recordKey = RecordKey.fromBytes(key);
    const { store } = this.#init;
    const held = store.has(recordKey) ? await this.#reads(() => this.#select(recordKey, caller)) : [];
    const records = held.map(({ record, ttlS }) => recordToMessage(record, ttlS));
    // To find, write and read contacts is most of what an answer costs.
    if (immutableSuffices && held.some(({ record }) => record.kind === "immutable")) return { records };
    return { contacts: this.#closest(key, caller), records };
  }

  async #select(key: RecordKey, { id, hasGone }: Caller): Promise<readonly HeldRecord[]> {
    // Where many wait, their connection may have ended meanwhile: what is read for nobody is only garbage.
    if (hasGone?.() === true) throw new ConnectError("the caller has gone", Code.Canceled);
    return this.#init.store.select(key, id, this.#knows);
  }

  async store(request: StoreRequest, caller: Caller): Promise<MessageInitShape<typeof StoreResponseSchema>> {
    const { record: message, expectedSequence, forwardTo } = request;
    const { counters, forward } = this.#init;
    const cost = costOf(message);
    if (!this.#budget.take(caller, cost)) {
      counters.add("dht_stores_limited");
      throw new DswarmError("quota_exceeded", "too many at once");
    }
    if (message === undefined) throw new DswarmError("record_invalid", "there is none");
    const { ttlS } = message;
    if (ttlS === 0) throw new DswarmError("record_expired");
    if (forwardTo.length > dhtProtocol.maxForwards) throw invalid(`forward_to: at most ${dhtProtocol.maxForwards}`);
    for (const other of forwardTo) checkLength(other, "forward_to");
    const record = await this.#keep(message, request, caller);
    // What is passed on for a caller counts as stored by it.
    const to = forwardTo.filter(() => this.#budget.take(caller, cost));
    return to.length === 0 ? {} : { keptBy: await forward({ record, ttlS, expectedSequence, to }) };
  }

  async #keep(
    message: RecordMessage,
    { expectedSequence, forwarded }: StoreRequest,
    { id, host }: Caller,
  ): Promise<DhtRecord> {
    const { counters, store } = this.#init;
    const holder = { from: id, host: hostGroup(host), isForwarded: forwarded, knows: this.#knows };
    try {
      const record = recordFromMessage(message);
      await store.put(record, { ...holder, ttlS: message.ttlS, expectedSequence });
      counters.add("dht_stores");
      return record;
    } catch (error) {
      counters.add("dht_stores_refused");
      throw error;
    }
  }

  #closest(target: Uint8Array, { id, host }: Caller): ContactMessage[] {
    const closest = this.#init.table.tell(target, maxContactsOf(this.#init.config.routing.k), id);
    const usable = isLoopback(host) ? closest : closest.flatMap((contact) => contactElsewhere(contact) ?? []);
    return usable.map(contactToMessage);
  }
}

type ContactMessage = ReturnType<typeof contactToMessage>;

function checkLength({ length }: Uint8Array, name: string): void {
  if (length !== nodeIdBytes) throw invalid(`${name}: ${nodeIdBytes} bytes are needed, not ${length}`);
}

function invalid(detail: string): ConnectError {
  return new ConnectError(detail, Code.InvalidArgument);
}
