// The DHT of one node: its routing table, its records, what it asks and answers. It sees neither sockets nor the machine's
// clock, so that a simulation runs what the daemon runs.
//
//     Dht ─┬─ Queries ──► DhtPeers          asks
//          ├─ Answers ◄── Caller            answers
//          ├─ RoutingTable, Candidates      who is there
//          └─ RecordStore, Replication      what is kept, and where
import { setMaxListeners } from "node:events";
import type { KeyPair } from "../identity/keys.ts";
import { NodeId } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import {
  type Checks,
  checkArray,
  checkBytes,
  checkFunction,
  checkNumber,
  checkOptions,
  checkSignal,
  wrongType,
} from "../util/arguments.ts";
import { type Clock, jittered } from "../util/clock.ts";
import { watchClock } from "../util/clock-watch.ts";
import { Counters } from "../util/counters.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import { type Logger, silentLogger } from "../util/log.ts";
import { pause } from "../util/pause.ts";
import { Answers } from "./answers.ts";
import { Candidates, type Readiness } from "./candidates.ts";
import { type Contact, checkContact } from "./contact.ts";
import type { DhtAnswers, DhtPeers } from "./dht-peers.ts";
import type { LookupResult } from "./lookup-options.ts";
import type { DhtConfig } from "./options.ts";
import { type Published, Publisher, type UpdateOptions, updateChecks } from "./publisher.ts";
import { type Forwarding, isSilence, Queries, type QueryOptions, queryChecks } from "./queries.ts";
import { type ProviderRecord, sequenceOf } from "./record.ts";
import { createImmutable } from "./record-codec.ts";
import { RecordKey } from "./record-key.ts";
import type { RecordStore } from "./record-store.ts";
import { Replication } from "./replication.ts";
import { Republishing } from "./republishing.ts";
import { RoutingTable } from "./routing-table.ts";
import { type FoundValue, type Keeper, ValueReader, type ValueRecord } from "./value-reader.ts";

/** What a DHT is made of. */
export interface DhtInit {
  readonly keys: KeyPair;
  readonly clock: Clock;
  readonly config: DhtConfig;
  readonly peers: DhtPeers;
  /** Closed with the DHT. */
  readonly store: RecordStore;
  /** Where this node is reached, the best first; none while that is not known. */
  readonly addresses: () => readonly HostPort[];
  /** Does something that needs a connection to be made, when it is its turn. @default at once */
  readonly inTurn?: <T>(work: () => Promise<T>) => Promise<T>;
  /** Whether this node is to have peers, though its table may be empty: then nothing is "not found" without one. @default never */
  readonly expectsPeers?: () => boolean;
  /** What is known for certain of where peers are. Without it, each is believed to be where it was asked. */
  readonly proven?: ProvenAddresses;
  readonly counters?: Counters;
  readonly logger?: Logger;
  /** Publishing again has failed; it is tried again. Must not throw. @param id `recordId` of it */
  readonly onRepublishFailed?: (id: string, error: unknown) => void;
}

/** Tells where peers are reached for certain. */
interface ProvenAddresses {
  /** Where a peer was dialed and has proven its key, and no dial has failed since; undefined where it was not. */
  readonly address: (id: NodeId) => HostPort | undefined;
  /** Resolves with the same, dialing the contact's addresses where none of them is the one. Never rejects. */
  readonly prove: (contact: Contact) => Promise<HostPort | undefined>;
  /** When a contact may be dialed to see where it is. */
  readonly readiness: (contact: Contact) => Readiness;
}

/** What may be set of watching. */
export interface WatchOptions {
  /** Milliseconds between two looks. At least 100. @default 5000 */
  readonly intervalMs?: number;
  /** Ends the watching. */
  readonly signal?: AbortSignal;
}

const watchChecks: Checks<WatchOptions> = { intervalMs: checkNumber, signal: checkSignal };
const defaultWatchMs = 5000;
const minWatchMs = 100;
const maxFoundProviders = 64;
const refreshChecksPerPeriod = 12;
const timerJitter = 0.1;
const joinDelayMs = 2000;
const maxJoinDelayMs = 16_000;
// Before what is published again goes to those who are found then.
const rejoinMs = 300;
const rejoinJitter = 0.8;
// To ping a contact costs a connection: of ranges that are not near, a few are enough, as lookups bring more.
const farContacts = 4;

/** The DHT of one node. */
export class Dht implements AsyncDisposable {
  readonly id: NodeId;
  readonly table: RoutingTable;
  readonly store: RecordStore;
  /** What peers are answered. Undefined in client mode. */
  readonly answers: DhtAnswers | undefined;
  readonly #init: DhtInit;
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #queries: Queries;
  readonly #candidates: Candidates;
  readonly #replication: Replication;
  readonly #reader: ValueReader;
  readonly #publisher: Publisher;
  readonly #republishing: Republishing;
  readonly #closing = new AbortController();
  readonly #stopTimers = new Set<() => void>();
  #stopWatch: (() => void) | undefined;
  #hasJoined = false;
  #closed: Promise<void> | undefined;

  constructor(init: DhtInit) {
    const { keys, clock, config, peers, store, inTurn = (work) => work(), counters = new Counters() } = init;
    // Each query and each pause listens to it.
    setMaxListeners(0, this.#closing.signal);
    this.#init = init;
    this.#counters = counters;
    this.#logger = init.logger ?? silentLogger;
    this.id = keys.id;
    this.store = store;
    this.table = new RoutingTable({
      self: keys.id,
      config: config.routing,
      clock,
      ping: async (contact) => (await this.#probe(contact)) !== undefined,
      onSilent: (contact) => this.#replication.silent(contact),
    });
    const { table } = this;
    this.#queries = new Queries({
      self: keys.id,
      config,
      clock,
      peers,
      table,
      counters,
      closing: this.#closing.signal,
      expectsPeers: init.expectsPeers,
      onAnswer: (contact, rttMs) => this.#onAnswer(contact, rttMs),
    });
    this.#candidates = new Candidates({
      self: keys.id,
      clock,
      isWanted: ({ id }, farLimit, others) => table.hasRoomFor(id, farLimit, others),
      inTurn: (contact, work) => {
        const isReached = init.proven === undefined || init.proven.address(contact.id) !== undefined;
        return isReached && peers.isConnected(contact) ? work() : inTurn(work);
      },
      isReached: (contact) => peers.isConnected(contact),
      readiness: (contact) => init.proven?.readiness(contact) ?? "now",
      ping: (contact) => this.ping(contact),
    });
    const { signal } = this.#closing;
    const queries = this.#queries;
    const ping = (contact: Contact): Promise<boolean> => this.ping(contact);
    this.#replication = new Replication({
      self: keys.id,
      config,
      clock,
      table,
      store,
      queries,
      counters,
      ping,
      signal,
    });
    this.#reader = new ValueReader({ self: keys.id, config, store, queries, signal });
    const { addresses } = init;
    this.#publisher = new Publisher({ keys, config, clock, store, queries, reader: this.#reader, addresses });
    const publisher = this.#publisher;
    this.#republishing = new Republishing({
      config,
      clock,
      store,
      publish: (id) => publisher.publishAgain(id, signal),
      onFailed: (id, error) => this.#onRepublishFailed(id, error),
      signal,
    });
    if (!config.isClient) {
      const onCaller = (contact: Contact) => this.#onCaller(contact);
      const forward = (forwarding: Forwarding) => queries.forward(forwarding, signal);
      this.answers = new Answers({ config, clock, table, store, counters, onCaller, forward });
    }
  }

  /**
   * Begins to refresh the table, to replicate, and to publish again what this node published before; and joins as soon as there is
   * somebody to join by, unless `join` is false.
   */
  start({ join = true }: { readonly join?: boolean } = {}): void {
    const { config } = this.#init;
    this.#every(config.routing.refreshMs / refreshChecksPerPeriod, () => this.#refresh());
    if (!config.isClient) this.#every(this.#replication.sweepMs, () => this.#replication.sweep());
    this.#republishing.start();
    this.#stopWatch = watchClock(this.#init.clock, (ms) => this.#onWallMoved(ms));
    if (join) this.#joinSoon();
  }

  /**
   * A contact was heard of: it is pinged, if the table has a place for it.
   * @param source who told of it; the sources take turns
   */
  candidate(contact: Contact, source?: string): void {
    this.#candidates.offer(contact, farContacts, source);
  }

  /** The connection to a peer broke: it may be gone. */
  broken(id: NodeId): void {
    if (this.#closed === undefined) this.#replication.broken(id);
  }

  /** A node took its leave. */
  left(id: NodeId): void {
    this.table.remove(id);
  }

  /**
   * Joins by contacts (section 2.3): pings them, looks for itself, and for keys in each bucket that has few contacts and is farther
   * than the closest neighbour. Resolves when that is done, whoever answered.
   * @param enough contacts of a bucket for which nothing is looked for; that is as quick as it makes few connections
   */
  async bootstrap(
    contacts: readonly Contact[],
    options: QueryOptions = {},
    enough = this.#init.config.routing.k,
  ): Promise<void> {
    checkArray(checkContact)("contacts", contacts);
    checkOptions("options", options, queryChecks);
    this.#hasJoined = true;
    for (const contact of contacts) this.#candidates.offer(contact, enough);
    await this.#candidates.settled();
    await this.#queries.nodes(this.id.bytes, options);
    for (const index of this.table.sparseBuckets(enough)) {
      await this.#queries.nodes(this.table.randomKey(index), options);
    }
    if (this.#init.proven !== undefined) this.#lookAgain(joinDelayMs);
    // What was published before the start was taken back then, or is about to expire.
    if (this.#stopWatch !== undefined) this.#republishing.hurry();
  }

  /** Pings a contact. One that answers, and is reached at one of its addresses, enters the table. */
  async ping(contact: Contact): Promise<boolean> {
    checkContact("contact", contact);
    const rttMs = await this.#probe(contact);
    const reached = rttMs === undefined ? undefined : await this.#prove(contact);
    if (reached === undefined) this.table.missed(contact.id, contact.addresses);
    else this.#enter(reached, rttMs);
    return reached !== undefined;
  }

  /** The k closest to a target (32 bytes) that answer. */
  async lookup(target: Uint8Array, options: QueryOptions = {}): Promise<LookupResult<never>> {
    checkBytes("target", target);
    if (target.length !== 32) throw new RangeError(`target: expected 32 bytes, got ${target.length}`);
    checkOptions("options", options, queryChecks);
    return this.#queries.nodes(target, options);
  }

  /**
   * Where a node is reached: one of its addresses answers, with its key proven. Undefined where it is not found.
   * @throws DswarmError `unreachable` where no peer has answered
   */
  async findPeer(id: NodeId, options: QueryOptions = {}): Promise<Contact | undefined> {
    if (!(id instanceof NodeId)) throw wrongType("id", "a NodeId", id);
    checkOptions("options", options, queryChecks);
    const found = await this.#queries.peer(id, options);
    return found && this.#prove(found);
  }

  /**
   * Publishes a value under the sha256 of itself, and again while this node runs. Resolves when the k closest have answered and at
   * least one other node keeps it. A node that knows no peer keeps it alone.
   * @param value 0 to 65536 bytes
   * @throws DswarmError `record_too_large`; `store_refused` or `quota_exceeded` if this node knows peers and none of them takes it;
   *   `storage_failed`
   */
  async put(value: Uint8Array, options: QueryOptions = {}): Promise<Published> {
    checkBytes("value", value);
    checkOptions("options", options, queryChecks);
    return this.#publisher.publish(createImmutable(value), options);
  }

  /**
   * The record under a key: an immutable one from whoever has it, of a mutable one the largest sequence that a quorum knows.
   * Undefined where there is none, or it was deleted.
   * @throws DswarmError `record_key_invalid`; `unreachable` where none is found and no peer has answered
   */
  async get(key: RecordKey | string, options: QueryOptions = {}): Promise<ValueRecord | undefined> {
    return (await this.find(key, options))?.record;
  }

  /** `get` with the time that the record has left. @throws DswarmError as `get` */
  async find(key: RecordKey | string, options: QueryOptions = {}): Promise<FoundValue | undefined> {
    checkOptions("options", options, queryChecks);
    const found = await this.#reader.find(keyOf(key), options);
    return found?.record.kind === "mutable" && found.record.isDeleted ? undefined : found;
  }

  /**
   * Finds who keeps records under a key: the k closest nodes that answer, this one among them, and what each of them keeps.
   * @throws DswarmError `record_key_invalid`; `unreachable` where this node keeps none and no peer has answered
   */
  async keepers(key: RecordKey | string, options: QueryOptions = {}): Promise<readonly Keeper[]> {
    checkOptions("options", options, queryChecks);
    return this.#reader.keepers(keyOf(key), options);
  }

  /**
   * Publishes a value under this node's key, in place of the one before.
   * @param value 0 to 65536 bytes
   * @throws DswarmError `record_conflict` when `expectedSequence` is not the one that is there, or another update came between;
   *   `record_too_large`, `record_invalid` for the salt, `store_refused`, `quota_exceeded`, `storage_failed`
   */
  async update(value: Uint8Array, options: UpdateOptions = {}): Promise<Published> {
    checkBytes("value", value);
    checkOptions("options", options, updateChecks);
    return this.#publisher.replace(value, false, options);
  }

  /**
   * Deletes what this node has published with `update` under a salt. Where nothing was published, nothing is.
   * @throws DswarmError `record_not_found`; as `update`
   */
  async delete(options: UpdateOptions = {}): Promise<Published> {
    checkOptions("options", options, updateChecks);
    return this.#publisher.replace(new Uint8Array(), true, options);
  }

  /** Publishes a value no more: it is gone when its time is over. Returns whether this node has published it. */
  async unpublish(key: RecordKey | string): Promise<boolean> {
    return this.store.unpublish(`immutable ${keyOf(key).toString()}`);
  }

  /**
   * Says that this node provides what a key stands for, and again while it runs.
   * @throws DswarmError `record_invalid` while it is not known where the node is reached, `store_refused`, `quota_exceeded`,
   *   `storage_failed`
   */
  async provide(key: RecordKey | string, options: QueryOptions = {}): Promise<Published> {
    checkOptions("options", options, queryChecks);
    return this.#publisher.provide(keyOf(key), options);
  }

  /** Says that this node provides it no more. @throws DswarmError as `provide` */
  async unprovide(key: RecordKey | string, options: QueryOptions = {}): Promise<void> {
    checkOptions("options", options, queryChecks);
    await this.#publisher.withdraw(keyOf(key), options);
  }

  /**
   * Finds the providers under a key: each once, by its newest word. At most `limit`, 1 to 64 (64).
   * @throws DswarmError `record_key_invalid`; `unreachable` where none is found and no peer has answered
   */
  async findProviders(
    key: RecordKey | string,
    given: QueryOptions & { readonly limit?: number } = {},
  ): Promise<readonly ProviderRecord[]> {
    checkOptions("options", given, { ...queryChecks, limit: checkNumber });
    const { limit = maxFoundProviders, ...options } = given;
    if (!Number.isInteger(limit) || limit < 1 || limit > maxFoundProviders) {
      throw new RangeError(`limit: ${limit} is not a whole number from 1 to ${maxFoundProviders}`);
    }
    return this.#reader.providers(keyOf(key), limit, options);
  }

  /**
   * Tells of the provider records under a key as peers answer them, withdrawn ones too: each one that is newer than those told before of
   * the same provider. Resolves when the k closest that answer have told what they hold.
   */
  async eachProvider(
    key: RecordKey,
    onRecord: (record: ProviderRecord) => void,
    options: QueryOptions = {},
  ): Promise<void> {
    checkFunction("onRecord", onRecord);
    checkOptions("options", options, queryChecks);
    await this.#reader.eachProvider(keyOf(key), onRecord, options);
  }

  /** The record under a key now, and again each time it has changed; undefined where there is none, or not any more. */
  async *watch(key: RecordKey | string, options: WatchOptions = {}): AsyncGenerator<ValueRecord | undefined, void> {
    for await (const found of this.watchFound(key, options)) yield found?.record;
  }

  /** `watch` with the time that the record has left. */
  async *watchFound(key: RecordKey | string, options: WatchOptions = {}): AsyncGenerator<FoundValue | undefined, void> {
    checkOptions("options", options, watchChecks);
    const { intervalMs = defaultWatchMs, signal } = options;
    if (!(intervalMs >= minWatchMs)) throw new RangeError(`intervalMs: ${intervalMs} is below ${minWatchMs}`);
    const target = keyOf(key);
    let last: bigint | undefined | "unknown" = "unknown";
    const isOver = () => this.#closing.signal.aborted || signal?.aborted === true;
    while (!isOver()) {
      const found = await this.find(target, { signal });
      const sequence = found && sequenceOf(found.record);
      if (last !== sequence) yield found;
      last = sequence;
      await pause(this.#init.clock, intervalMs, [this.#closing.signal, signal]);
    }
  }

  /** Stops, taking back what it provides and giving away what it holds where `handOver` says so, and closes the store. Idempotent. */
  close({ handOver = false }: { readonly handOver?: boolean } = {}): Promise<void> {
    this.#closed ??= this.#close(handOver);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Milliseconds that a contact takes to answer a ping; undefined where it does not. */
  async #probe(contact: Contact): Promise<number | undefined> {
    const { clock, peers, addresses, config } = this.#init;
    const startedAt = clock.now();
    try {
      const port = config.isClient ? 0 : (addresses()[0]?.port ?? 0);
      await this.#queries.within((signal) => peers.ping(contact, { port }, signal), this.#closing.signal);
      return clock.now() - startedAt;
    } catch (error) {
      // Who refuses a ping serves no DHT, and has no place in the table either.
      if (!isSilence(error)) this.#counters.add("dht_pings_refused");
      return undefined;
    }
  }

  /** A peer says by a ping that it serves the DHT at a port of the host that its connection comes from. */
  #onCaller(contact: Contact): void {
    const known = this.table.get(contact.id.bytes);
    const [says] = contact.addresses;
    if (known === undefined || says === undefined || hasAddress(known, says)) {
      const { proven, config } = this.#init;
      // Where it is reached already, a ping costs no connection.
      const isReached = proven === undefined || proven.address(contact.id) !== undefined;
      this.#candidates.offer(contact, isReached ? config.routing.k : farContacts, `called ${contact.id.toString()}`);
    } else {
      void this.#prove(contact).then((reached) => {
        if (reached !== undefined && hasAddress(reached, says)) this.#enter(reached);
      });
    }
  }

  /** The contact with the address where it is reached for certain; undefined where it is not. */
  async #prove(contact: Contact): Promise<Contact | undefined> {
    const { proven } = this.#init;
    if (proven === undefined) return contact;
    const known = proven.address(contact.id);
    const address = known !== undefined && hasAddress(contact, known) ? known : await proven.prove(contact);
    return address && { id: contact.id, addresses: [address] };
  }

  #onAnswer(contact: Contact, rttMs: number): void {
    const { proven, config } = this.#init;
    // On a connection that was there already, what others tell of its addresses is not what has answered.
    const address = proven?.address(contact.id);
    if (proven !== undefined && address === undefined) {
      this.#candidates.offer(contact, farContacts, "answered");
      return;
    }
    const isNew = this.#enter(address === undefined ? contact : { id: contact.id, addresses: [address] }, rttMs);
    // It answers this node; whether this node may enter its table is told by a ping.
    if (isNew && !config.isClient) void this.#probe(contact);
  }

  /** Enters a contact that has answered into the table. Returns whether it is new there. */
  #enter(contact: Contact, rttMs?: number): boolean {
    const isNew = this.table.seen(contact, rttMs) === "added";
    if (isNew) this.#replication.greet(contact);
    return isNew;
  }

  /** Joins once there is somebody to join by, unless that is done by then. */
  #joinSoon(): void {
    this.#after(jittered(this.#init.clock, joinDelayMs, 0.5), async () => {
      if (this.#hasJoined) return;
      if (this.table.size === 0) this.#joinSoon();
      else await this.bootstrap([], {}, farContacts);
    });
  }

  /**
   * Looks for itself again, as long as neighbours come: nodes that join at the same time are told of only once the peers that they have
   * pinged have seen where they are reached.
   */
  #lookAgain(delayMs: number): void {
    this.#after(jittered(this.#init.clock, delayMs, 0.5), async () => {
      const before = new Set(this.#neighbours());
      await this.#queries.nodes(this.id.bytes);
      const haveCome = this.#neighbours().some((id) => !before.has(id));
      if (haveCome && delayMs < maxJoinDelayMs) this.#lookAgain(delayMs * 2);
    });
  }

  /** The k closest to this node in its table. */
  #neighbours(): string[] {
    return this.table.closest(this.id.bytes, this.#init.config.routing.k).map(({ id }) => id.toString());
  }

  async #refresh(): Promise<void> {
    for (const target of this.table.refreshTargets()) await this.#queries.nodes(target);
  }

  /**
   * The wall clock has moved. Forward, the machine was suspended, or nobody can tell that it was not: peers have forgotten what this node
   * published, and the table is as old. What is held expires on the wall clock all the while.
   */
  #onWallMoved(ms: number): void {
    this.#counters.add("dht_clock_moves");
    this.#logger.warn({ event: "clock_moved", ms }, "the wall clock has moved, or the machine was suspended");
    if (ms < 0) {
      this.store.wallPutBack(-ms);
      return;
    }
    this.#republishing.missed(ms);
    const { clock } = this.#init;
    this.#after(jittered(clock, rejoinMs, rejoinJitter), async () => {
      await this.#queries.nodes(this.id.bytes);
    });
  }

  #onRepublishFailed(id: string, error: unknown): void {
    this.#queries.failed("dht_republish_failed");
    this.#logger.warn({ event: "republish_failed", id, reason: messageOf(error) }, "it is tried again soon");
    this.#init.onRepublishFailed?.(id, error);
  }

  /** Does something again and again, the pauses jittered. What fails is logged and tried again. */
  #every(periodMs: number, work: () => Promise<void>): void {
    this.#after(jittered(this.#init.clock, periodMs, timerJitter), async () => {
      try {
        await work();
      } finally {
        this.#every(periodMs, work);
      }
    });
  }

  #after(delayMs: number, work: () => Promise<void>): void {
    if (this.#closed !== undefined) return;
    const stop = this.#init.clock.setTimeout(() => {
      this.#stopTimers.delete(stop);
      void work().catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#logger.warn({ event: "dht_maintenance_failed", reason: messageOf(error) }, "it is tried again later");
      });
    }, delayMs);
    this.#stopTimers.add(stop);
  }

  async #close(handOver: boolean): Promise<void> {
    for (const stop of this.#stopTimers) stop();
    this.#stopWatch?.();
    this.#republishing.close();
    this.#replication.close();
    this.#candidates.close();
    const { handOverMs, withdrawMs } = this.#init.config;
    if (handOver) {
      // First, so that what is handed over is what holds.
      await this.#within(withdrawMs, (signal) => this.#publisher.leave(signal));
      if (this.answers !== undefined) await this.#within(handOverMs, (signal) => this.#replication.handOver(signal));
    }
    this.#closing.abort(new DswarmError("node_closed"));
    await this.store.close();
  }

  /** Does something that ends when its time is over; 0 is no time at all. */
  async #within(ms: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (ms === 0) return;
    const leaving = new AbortController();
    const stop = this.#init.clock.setTimeout(() => leaving.abort(), ms);
    await work(leaving.signal);
    stop();
  }
}

function hasAddress({ addresses }: Contact, { host, port }: HostPort): boolean {
  return addresses.some((other) => other.host === host && other.port === port);
}

function keyOf(key: RecordKey | string): RecordKey {
  if (key instanceof RecordKey) return key;
  if (typeof key !== "string") throw wrongType("key", "a RecordKey or its text", key);
  return RecordKey.parse(key);
}
