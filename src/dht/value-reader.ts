// Reading records: the first valid immutable one; of a mutable one the largest sequence that a quorum knows, which is given to
// those that had an older one; all providers.
import { compareDistance, type NodeId } from "../identity/node-id.ts";
import type { Contact } from "./contact.ts";
import type { LookupResult } from "./lookup-options.ts";
import type { DhtConfig } from "./options.ts";
import { ProviderLists } from "./provider-lists.ts";
import type { Queries, QueryOptions, RemoteRecord } from "./queries.ts";
import { type DhtRecord, type ImmutableRecord, type MutableRecord, type ProviderRecord, sequenceOf } from "./record.ts";
import type { RecordKey } from "./record-key.ts";
import type { RecordStore } from "./record-store.ts";

/** A record with a value, or with what is left of one that was deleted. */
export type ValueRecord = ImmutableRecord | MutableRecord;

/** A value that was found. */
export interface FoundValue {
  readonly record: ValueRecord;
  /** Seconds that it still lives. */
  readonly ttlS: number;
}

/** A node close to a key, and what it keeps under it. */
export interface Keeper {
  readonly id: NodeId;
  /** None of this node itself. */
  readonly addresses: Contact["addresses"];
  readonly records: readonly RemoteRecord[];
}

/** What reading needs of its node. */
export interface ValueReaderInit {
  readonly self: NodeId;
  readonly config: DhtConfig;
  readonly store: RecordStore;
  readonly queries: Queries;
  /** Aborts when the node closes. */
  readonly signal: AbortSignal;
}

// Of those that the k closest answer: each may answer 64 others.
const maxProviders = 4096;

type Values = LookupResult<readonly RemoteRecord[]>;

/** Reads records from the store and from peers. */
export class ValueReader {
  readonly #init: ValueReaderInit;

  constructor(init: ValueReaderInit) {
    this.#init = init;
  }

  /**
   * The record under a key; a deleted one too. For a mutable one, `readQuorum` answers with it are waited for.
   * @throws DswarmError `unreachable` where nothing is found and no peer has answered
   */
  async find(key: RecordKey, options: QueryOptions = {}): Promise<FoundValue | undefined> {
    const { config, store, queries } = this.#init;
    const own = store.has(key) ? await store.get(key) : [];
    let best = own.reduce(better, undefined);
    if (best?.record.kind === "immutable") return asValue(best);
    let answers = best === undefined ? 0 : 1;
    const accept = (records: readonly RemoteRecord[]): "stop" | "continue" => {
      const value = records.reduce(better, undefined);
      if (value === undefined) return "continue";
      best = better(best, value);
      answers += 1;
      return value.record.kind === "immutable" || answers >= config.readQuorum ? "stop" : "continue";
    };
    const result = await queries.values(key, true, accept, options);
    if (best === undefined) queries.checkHeard(result);
    if (best !== undefined) this.#spread(key, best, result);
    return asValue(best);
  }

  /** The signed records under a key that this node and the k closest hold, deleted ones too; the same may come several times. */
  async signed(key: RecordKey, options: QueryOptions): Promise<readonly MutableRecord[]> {
    const { store, queries } = this.#init;
    const own = store.has(key) ? await store.get(key) : [];
    const all = own.map(({ record }) => record);
    const accept = (records: readonly RemoteRecord[]): "continue" => {
      for (const { record } of records) all.push(record);
      return "continue";
    };
    await queries.values(key, false, accept, options);
    return all.filter((record) => record.kind === "mutable");
  }

  /**
   * The k closest nodes that answer, this one among them, and others that were found to keep a record; the closest first.
   * @throws DswarmError `unreachable` where this node keeps no record and no peer has answered
   */
  async keepers(key: RecordKey, options: QueryOptions): Promise<readonly Keeper[]> {
    const { self, config, store, queries } = this.#init;
    const own = store.has(key) ? await store.get(key) : [];
    const result = await queries.values(key, false, () => "continue", options);
    if (own.length === 0) queries.checkHeard(result);
    const { found, closest } = result;
    const nodes = new Map<string, Keeper>();
    if (own.length > 0 || !config.isClient) nodes.set(self.toString(), { id: self, addresses: [], records: own });
    for (const { from, value } of found) nodes.set(from.id.toString(), { ...from, records: value });
    for (const contact of closest) {
      const id = contact.id.toString();
      if (!nodes.has(id)) nodes.set(id, { ...contact, records: [] });
    }
    const target = key.bytes;
    return [...nodes.values()]
      .sort((a, b) => compareDistance(target, a.id.bytes, b.id.bytes))
      .filter(({ records }, index) => index < config.routing.k || records.length > 0);
  }

  /** The provider records that a node has signed under a key, withdrawn ones too, as this node and the k closest hold them. */
  async wordsOf(provider: NodeId, key: RecordKey, options: QueryOptions): Promise<readonly ProviderRecord[]> {
    const { store, queries } = this.#init;
    const words: ProviderRecord[] = [];
    const note = ({ record }: { readonly record: DhtRecord }): void => {
      if (record.kind === "provider" && record.provider.id.equals(provider)) words.push(record);
    };
    for (const held of store.has(key) ? await store.get(key) : []) note(held);
    const accept = (records: readonly RemoteRecord[]): "continue" => {
      for (const record of records) note(record);
      return "continue";
    };
    await queries.values(key, false, accept, options);
    return words;
  }

  /**
   * Providers, each once, by its newest word. Ends when there are `limit`, and a quorum has answered: those that answer take turns at
   * naming them, so that no peer can fill the answer with strangers.
   * @throws DswarmError `unreachable` where none is found and no peer has answered
   */
  async providers(key: RecordKey, limit: number, options: QueryOptions): Promise<readonly ProviderRecord[]> {
    const { config, store, queries } = this.#init;
    const found = new ProviderLists();
    if (store.has(key)) found.add((await store.get(key)).map(({ record }) => record));
    let answers = 0;
    const accept = (records: readonly RemoteRecord[]): "stop" | "continue" => {
      answers += 1;
      found.add(records.map(({ record }) => record));
      return answers >= config.readQuorum && found.size >= limit ? "stop" : "continue";
    };
    const result = await queries.values(key, false, accept, options);
    if (found.size === 0) queries.checkHeard(result);
    return found.take(limit);
  }

  /** Tells of each provider record that is newer than those before of the same provider, withdrawn ones too. */
  async eachProvider(key: RecordKey, onRecord: (record: ProviderRecord) => void, options: QueryOptions): Promise<void> {
    const { store, queries } = this.#init;
    const sequences = new Map<string, bigint>();
    const note = ({ record }: { readonly record: DhtRecord }): void => {
      if (record.kind !== "provider") return;
      const name = record.provider.id.toString();
      const known = sequences.get(name);
      if (known === undefined ? sequences.size >= maxProviders : known >= record.sequence) return;
      sequences.set(name, record.sequence);
      onRecord(record);
    };
    for (const held of store.has(key) ? await store.get(key) : []) note(held);
    const accept = (records: readonly RemoteRecord[]): "continue" => {
      for (const record of records) note(record);
      return "continue";
    };
    await queries.values(key, false, accept, options);
  }

  /** Repairs those that had an older sequence and, where the options say so, leaves a copy on the way. In the background. */
  #spread(key: RecordKey, { record, ttlS }: RemoteRecord, { found, closest, closestWithout }: Values): void {
    if (ttlS < 1) return;
    for (const { from, value } of found) {
      const had = value.reduce(better, undefined);
      if (had !== undefined && sequenceOf(had.record) < sequenceOf(record)) this.#give(from, record, ttlS);
    }
    if (!this.#init.config.cacheOnPath || closestWithout === undefined) return;
    // The farther from the key, the shorter (section 2.3): half for each that answered and is closer.
    const target = key.bytes;
    const closer = closest.filter(({ id }) => compareDistance(target, id.bytes, closestWithout.id.bytes) < 0).length;
    const cachedS = Math.floor(ttlS / 2 ** (closer + 1));
    if (cachedS >= 1) this.#give(closestWithout, record, cachedS);
  }

  #give(contact: Contact, record: DhtRecord, ttlS: number): void {
    const { queries, signal } = this.#init;
    void queries.storeWithin(contact, record, ttlS, signal).catch(() => queries.failed("dht_repairs_failed"));
  }
}

function better(best: RemoteRecord | undefined, other: RemoteRecord): RemoteRecord | undefined {
  if (other.record.kind === "provider") return best;
  if (best === undefined || other.record.kind === "immutable") return other;
  if (best.record.kind !== "mutable") return best;
  const [sequence, bestSequence] = [other.record.sequence, best.record.sequence];
  if (sequence !== bestSequence) return sequence > bestSequence ? other : best;
  // Of two with one sequence all nodes take the one that stores keep.
  return Buffer.compare(other.record.signature, best.record.signature) > 0 ? other : best;
}

function asValue(best: RemoteRecord | undefined): FoundValue | undefined {
  if (best === undefined) return undefined;
  const { record, ttlS } = best;
  return record.kind === "provider" ? undefined : { record, ttlS };
}
