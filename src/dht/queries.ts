// What a node asks of its peers: lookups of nodes, values and peers, and the placing of records. What peers answer is checked
// here; whether they answer goes to the routing table.
import { isIP } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Contact as ContactMessage, FindValueResponse } from "../../gen/dswarm/v1/dht_pb.ts";
import { compareDistance, type NodeId } from "../identity/node-id.ts";
import { type Checks, checkFunction, checkNumber, checkSignal } from "../util/arguments.ts";
import { equalBytes } from "../util/bytes.ts";
import type { Clock } from "../util/clock.ts";
import type { Counters } from "../util/counters.ts";
import { DswarmError, dswarmErrorOf, errorTable } from "../util/errors.ts";
import { isLoopback } from "../util/loopback.ts";
import { type Contact, contactElsewhere, contactFromMessage } from "./contact.ts";
import type { DhtPeers } from "./dht-peers.ts";
import { lookup } from "./lookup.ts";
import type { LookupEvent } from "./lookup-event.ts";
import type { LookupAnswer, LookupOptions, LookupResult } from "./lookup-options.ts";
import { Neighbourhood } from "./neighbourhood.ts";
import type { DhtConfig } from "./options.ts";
import { maxContactsOf } from "./params.ts";
import { QueryTimeout } from "./query-timeout.ts";
import type { DhtRecord } from "./record.ts";
import { recordFromMessage, recordToMessage } from "./record-codec.ts";
import { RecordDelivery } from "./record-delivery.ts";
import type { RecordKey } from "./record-key.ts";
import type { RoutingTable } from "./routing-table.ts";

/** A record as a peer has it. */
export interface RemoteRecord {
  readonly record: DhtRecord;
  /** Seconds that it lives, as the peer says. */
  readonly ttlS: number;
}

/** What a lookup of records has come to. */
interface FoundRecords extends LookupResult<readonly RemoteRecord[]> {
  /** Whether a peer has said anything, if only that it refuses the question. */
  readonly isHeard: boolean;
}

/** What may be set of a query. */
export interface QueryOptions {
  /** Its abort ends the query with the reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each step. */
  readonly onEvent?: ((event: LookupEvent) => void) | undefined;
  /** Paths that share no peer; 1 to 16. @default that of RoutingOptions */
  readonly disjointPaths?: number | undefined;
}

/** Checks of QueryOptions. */
export const queryChecks: Checks<QueryOptions> = {
  signal: checkSignal,
  onEvent: checkFunction,
  disjointPaths: checkNumber,
};

/** What may be set of placing a record. */
export interface PlacingOptions extends QueryOptions {
  /** Place a mutable record only where no sequence is held that is larger than this. */
  readonly expectedSequence?: bigint | undefined;
  /**
   * Whether peers that this node is not connected with may get the record from others: that is quicker; but that they have it is the
   * word of others then. @default false
   */
  readonly mayForward?: boolean | undefined;
  /** Whether the record is another's, so that it counts among those that this node passes on. @default false */
  readonly isForwarded?: boolean | undefined;
}

/** What may be set of a request to keep a record. */
interface RequestOptions {
  readonly expectedSequence?: bigint | undefined;
  /** Others to whom the peer is to pass it on. At most 4. */
  readonly forwardTo?: readonly Contact[];
  readonly isForwarded?: boolean | undefined;
}

/** Where a record was placed. */
export interface Placing {
  /** Peers that keep it, the closest first. */
  readonly replicas: readonly Contact[];
  /** Status codes of those that refuse it. Bounded by the queries of a lookup. */
  readonly refusals: readonly Code[];
  /** Whether this node knew no peer when it began. */
  readonly isAlone: boolean;
}

/** A record that a peer has stored here and that others are to keep, too. */
export interface Forwarding {
  readonly record: DhtRecord;
  readonly ttlS: number;
  readonly expectedSequence: bigint | undefined;
  /** Ids, 32 bytes each; at most 4. */
  readonly to: readonly Uint8Array[];
}

/** What queries need of their node. */
export interface QueriesInit {
  readonly self: NodeId;
  readonly config: DhtConfig;
  readonly clock: Clock;
  readonly peers: DhtPeers;
  readonly table: RoutingTable;
  readonly counters: Counters;
  /** Ends all lookups. @default never */
  readonly closing?: AbortSignal;
  /** Whether this node is to have peers, though its table may be empty. @default never */
  readonly expectsPeers?: (() => boolean) | undefined;
  /** A peer has answered. */
  readonly onAnswer: (contact: Contact, rttMs: number) => void;
}

// A peer that sends more than this under one key breaks the protocol; each may cost a signature to check.
const maxRecordsPerAnswer = 130;

// What is passed on for others at once; what comes above they do themselves.
const maxForwarding = 1024;

// Where answers come sooner than this, one that is not needed costs more than the time that it may save.
const quickMs = 10;

// Shared, as the stack of an error costs more than a query.
const tooLong = new ConnectError("the peer does not answer in time", Code.DeadlineExceeded);

/** Asks peers. One for all queries of a node, which share what they learn of timeouts. */
export class Queries {
  readonly timeouts = new QueryTimeout();
  readonly #init: QueriesInit;
  #forwarding = 0;

  constructor(init: QueriesInit) {
    this.#init = init;
  }

  /** The k closest to a target (32 bytes) that answer. */
  nodes(target: Uint8Array, options: QueryOptions = {}): Promise<LookupResult<never>> {
    const { peers, table } = this.#init;
    table.lookedUp(target);
    return lookup<never>({
      ...this.#base(target, options),
      ask: async (contact, signal) => {
        const { contacts } = await peers.findNode(contact, { target }, signal);
        return { contacts: this.#contacts(contacts, contact) };
      },
    });
  }

  /** Looks for a node until it answers itself. @throws DswarmError `unreachable` where no peer has answered */
  async peer(id: NodeId, options: QueryOptions = {}): Promise<Contact | undefined> {
    const { peers, table } = this.#init;
    table.lookedUp(id.bytes);
    const hearing = new Hearing();
    const { found, rpcs } = await lookup<Contact>({
      ...this.#base(id.bytes, options),
      ask: async (contact, signal) => {
        const { contacts } = await hearing.of(peers.findNode(contact, { target: id.bytes }, signal));
        const answer: LookupAnswer<Contact> = { contacts: this.#contacts(contacts, contact) };
        return contact.id.equals(id) ? { ...answer, found: contact } : answer;
      },
      accept: () => "stop",
    });
    const [first] = found;
    if (first === undefined) this.checkHeard({ rpcs, isHeard: hearing.isHeard });
    return first?.value;
  }

  /**
   * The records under a key, as peers answer them, until `accept` has enough. Each is genuine and belongs to the key.
   * @param immutableSuffices whether `accept` says "stop" to an immutable one
   */
  async values(
    key: RecordKey,
    immutableSuffices: boolean,
    accept: (records: readonly RemoteRecord[], from: Contact) => "stop" | "continue",
    options: QueryOptions = {},
  ): Promise<FoundRecords> {
    const { peers, table } = this.#init;
    table.lookedUp(key.bytes);
    const hearing = new Hearing();
    const result = await lookup<readonly RemoteRecord[]>({
      ...this.#base(key.bytes, options),
      // Any of those that keep it will do.
      isConnected: (contact) => peers.isConnected(contact),
      serialMs: immutableSuffices && this.#isQuick ? quickMs : 0,
      ask: async (contact, signal) => {
        const answer = await hearing.of(peers.findValue(contact, { key: key.bytes, immutableSuffices }, signal));
        const records = this.#records(key, answer);
        const contacts = this.#contacts(answer.contacts, contact);
        return records.length > 0 ? { contacts, found: records } : { contacts };
      },
      accept,
    });
    return { ...result, isHeard: hearing.isHeard };
  }

  /**
   * Checks that a lookup that found nothing says something. It does if a peer was heard, or if this node is the whole of its DHT: it serves
   * the DHT, knows no other node and expects none.
   * @throws DswarmError `unreachable`
   */
  checkHeard({ isHeard, rpcs }: Pick<FoundRecords, "isHeard" | "rpcs">): void {
    const { config, expectsPeers } = this.#init;
    if (isHeard || (rpcs === 0 && !config.isClient && expectsPeers?.() !== true)) return;
    throw new DswarmError("unreachable", rpcs === 0 ? "no node of the DHT is known" : "no node of the DHT answers");
  }

  /**
   * Gives a record to the k closest to its key. First a lookup goes to where a few of them have answered, whose tables hold all
   * about them; then the record itself is what asks the others, so that each of the k costs one request and not two. With
   * `mayForward`, those with whom there is a connection pass it on.
   */
  async place(record: DhtRecord, ttlS: number, options: PlacingOptions = {}): Promise<Placing> {
    const { clock, config, self, peers } = this.#init;
    const { k, alpha } = config.routing;
    const { expectedSequence, mayForward = false, isForwarded } = options;
    const target = record.key.bytes;
    const isAlone = this.#init.table.size === 0;
    const seeds = await this.#neighbours(target, options);
    const refusals: Code[] = [];
    const delivery = new RecordDelivery({
      target,
      clock,
      patienceMs: () => this.timeouts.softMs,
      isDirect: (contact) => !mayForward || peers.isConnected(contact),
      store: async (contact, forwardTo, signal) => {
        try {
          return await this.store(contact, record, ttlS, signal, { expectedSequence, forwardTo, isForwarded });
        } catch (error) {
          if (!isSilence(error)) refusals.push(statusOf(error));
          throw error;
        }
      },
    });
    const observers = this.#observers();
    const { closest } = await lookup<never>({
      ...observers,
      onAnswer: (contact, rttMs) => {
        if (!delivery.isHearsay(contact)) observers.onAnswer(contact, rttMs);
      },
      target,
      seeds,
      self,
      k,
      alpha: Math.max(k, alpha),
      maxPerHost: this.#maxPerHost,
      clock,
      timeouts: this.timeouts,
      signal: options.signal,
      closing: this.#init.closing,
      ask: async (contact, signal) => {
        await delivery.deliver(contact, signal);
        return { contacts: [] };
      },
    });
    return { replicas: closest, refusals, isAlone };
  }

  /** Asks one peer to keep a record, and to pass it on. Resolves with the ids of those that keep it by his word, in text. */
  async store(
    contact: Contact,
    record: DhtRecord,
    ttlS: number,
    signal: AbortSignal,
    { expectedSequence, forwardTo = [], isForwarded = false }: RequestOptions = {},
  ): Promise<ReadonlySet<string>> {
    const request = {
      record: recordToMessage(record, ttlS),
      forwardTo: forwardTo.map(({ id }) => id.bytes),
      forwarded: isForwarded,
      ...(expectedSequence === undefined ? {} : { expectedSequence }),
    };
    const { keptBy } = await this.#init.peers.store(contact, request, signal);
    const kept = forwardTo.filter(({ id }) => keptBy.some((other) => equalBytes(other, id.bytes)));
    return new Set(kept.map(({ id }) => id.toString()));
  }

  /**
   * Passes a record on to those of the table with whom there is a connection. Resolves with the ids of those that keep it, soon: who is
   * slow must not make this node seem so.
   */
  async forward({ record, ttlS, expectedSequence, to }: Forwarding, signal: AbortSignal): Promise<Uint8Array[]> {
    const { peers, table, clock } = this.#init;
    const keptBy: Uint8Array[] = [];
    const request = { expectedSequence, isForwarded: true };
    const give = async (contact: Contact): Promise<void> => {
      this.#forwarding += 1;
      try {
        await this.within((both) => this.store(contact, record, ttlS, both, request), signal);
        keptBy.push(contact.id.bytes);
      } catch {
        // Who asked for it asks the other himself, and hears why.
      } finally {
        this.#forwarding -= 1;
      }
    };
    const room = Math.max(maxForwarding - this.#forwarding, 0);
    const known = to.slice(0, room).flatMap((id) => table.get(id) ?? []);
    const given = Promise.all(known.filter((contact) => peers.isConnected(contact)).map(give));
    const soon = Promise.withResolvers<void>();
    const stop = clock.setTimeout(soon.resolve, this.timeouts.softMs);
    await Promise.race([given, soon.promise]);
    stop();
    return [...keptBy];
  }

  /** The k closest to a key that the table knows and that answered last. */
  closestKnown({ bytes }: RecordKey): readonly Contact[] {
    const { table, config } = this.#init;
    return table.closest(bytes, config.routing.k);
  }

  /** `store`, which fails when it takes too long. */
  async storeWithin(contact: Contact, record: DhtRecord, ttlS: number, signal: AbortSignal): Promise<void> {
    await this.within((both) => this.store(contact, record, ttlS, both, { isForwarded: true }), signal);
  }

  /** Does something that ends when it takes longer than a query may, or `signal` aborts. */
  async within<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const controller = new AbortController();
    const stop = this.#init.clock.setTimeout(() => controller.abort(tooLong), this.timeouts.hardMs);
    const onAbort = () => controller.abort(signal.reason);
    signal.addEventListener("abort", onAbort);
    try {
      return await work(controller.signal);
    } finally {
      signal.removeEventListener("abort", onAbort);
      stop();
    }
  }

  /** Counts what failed in the background. */
  failed(name: "dht_replications_failed" | "dht_republish_failed" | "dht_repairs_failed"): void {
    this.#init.counters.add(name);
  }

  /**
   * All that are known about a target, once a few of the k closest of them have answered: in the range that they share, each knows
   * the others. On disjoint paths all of the k are asked.
   */
  async #neighbours(target: Uint8Array, options: QueryOptions): Promise<readonly Contact[]> {
    const { peers, table, config } = this.#init;
    table.lookedUp(target);
    const base = this.#base(target, options);
    if (base.disjointPaths > 1) return (await this.nodes(target, options)).closest;
    const { k, alpha } = config.routing;
    const around = new Neighbourhood(target, k, base.seeds);
    const missing = (): number => Math.min(alpha, k) - around.nearAnswers;
    await lookup<Contact>({
      ...base,
      isConnected: (contact) => peers.isConnected(contact),
      answersOfUse: missing,
      onFailure: (contact, error) => {
        base.onFailure(contact, error);
        around.failed(contact);
      },
      ask: async (contact, signal) => {
        const answer = await peers.findNode(contact, { target }, signal);
        const contacts = this.#contacts(answer.contacts, contact);
        for (const other of contacts) around.add(other);
        return {
          contacts: contacts.sort((a, b) => compareDistance(target, a.id.bytes, b.id.bytes)),
          found: contact,
        };
      },
      accept: (contact) => {
        around.answered(contact);
        return missing() > 0 ? "continue" : "stop";
      },
    });
    return around.contacts;
  }

  #base(target: Uint8Array, { signal, onEvent, disjointPaths }: QueryOptions) {
    const { self, config, clock, table } = this.#init;
    const { k, alpha } = config.routing;
    return {
      ...this.#observers(),
      maxPerHost: this.#maxPerHost,
      target,
      seeds: table.seeds(target, k),
      self,
      k,
      alpha,
      clock,
      timeouts: this.timeouts,
      disjointPaths: disjointPaths ?? config.routing.disjointPaths,
      onEvent,
      signal,
      closing: this.#init.closing,
    } satisfies Partial<LookupOptions<unknown>>;
  }

  get #isQuick(): boolean {
    const { meanRttMs } = this.timeouts;
    return meanRttMs !== undefined && meanRttMs < quickMs;
  }

  /** As in a bucket, of the k closest: there is no bound from k on. */
  get #maxPerHost(): number {
    const { k, maxPerHost } = this.#init.config.routing;
    return maxPerHost >= k ? Infinity : maxPerHost;
  }

  #observers() {
    const { onAnswer } = this.#init;
    return {
      onAnswer,
      onFailure: (contact: Contact, error: unknown): void => {
        if (isSilence(error)) this.#init.table.missed(contact.id, contact.addresses);
      },
    };
  }

  /**
   * Those of the contacts that keep to the protocol; of one id the first; never this node; at most half more than k. Only this machine
   * itself may send us to this machine.
   */
  #contacts(messages: readonly ContactMessage[], toldBy: Contact): Contact[] {
    const { self, config, counters } = this.#init;
    // Of a host that the node's owner named, it is not known what it stands for.
    const isLocal = toldBy.addresses.some(({ host }) => isIP(host) === 0 || isLoopback(host));
    const contacts: Contact[] = [];
    for (const message of messages.slice(0, maxContactsOf(config.routing.k))) {
      const told = contactFromMessage(message);
      const contact = told === undefined || isLocal ? told : contactElsewhere(told);
      if (contact === undefined) counters.add("dht_contacts_invalid");
      else if (!contact.id.equals(self)) contacts.push(contact);
    }
    return contacts;
  }

  /** @throws DswarmError where a record is not genuine, or of another key: then the peer has not answered */
  #records(key: RecordKey, { records }: FindValueResponse): RemoteRecord[] {
    if (records.length > maxRecordsPerAnswer) throw new DswarmError("record_invalid", "too many in one answer");
    try {
      return records.map((message) => {
        const record = recordFromMessage(message);
        if (!record.key.equals(key)) throw new DswarmError("record_invalid", "it is of another key");
        return { record, ttlS: Math.min(message.ttlS, this.#init.config.store.maxTtlS) };
      });
    } catch (error) {
      this.#init.counters.add("dht_answers_invalid");
      throw error;
    }
  }
}

/** Notes whether any peer has said anything, if only that it refuses the question. */
class Hearing {
  isHeard = false;

  async of<T>(asking: Promise<T>): Promise<T> {
    try {
      const answer = await asking;
      this.isHeard = true;
      return answer;
    } catch (error) {
      this.isHeard ||= dswarmErrorOf(error) === undefined && !isSilence(error);
      throw error;
    }
  }
}

// What a transport fails with when nobody answers at any address of the peer, or somebody else does.
const silent: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.NotFound,
  Code.Unauthenticated,
]);

/** Whether a failure means that the peer is not there: undefined is a timeout. A refusal is an answer. */
export function isSilence(error: unknown): boolean {
  return error === undefined || silent.has(statusOf(error));
}

function statusOf(error: unknown): Code {
  const own = dswarmErrorOf(error);
  return own === undefined ? ConnectError.from(error).code : errorTable[own.code].connect;
}
