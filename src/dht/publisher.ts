// What a node publishes: values, signed values, and its word that it provides something. What is published is noted in the
// store's book, so that it is published again until it is taken back.
import { Code } from "@connectrpc/connect";
import type { KeyPair } from "../identity/keys.ts";
import { compareDistance } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import { type Checks, checkBytes, sequenceFrom } from "../util/arguments.ts";
import { equalBytes } from "../util/bytes.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError, type ErrorCode } from "../util/errors.ts";
import type { Contact } from "./contact.ts";
import type { DhtConfig } from "./options.ts";
import { type Placing, type PlacingOptions, type Queries, type QueryOptions, queryChecks } from "./queries.ts";
import { type DhtRecord, type MutableRecord, type ProviderRecord, recordId, sequenceOf } from "./record.ts";
import { checkSalt, createMutable, createProvider } from "./record-codec.ts";
import { RecordKey } from "./record-key.ts";
import type { RecordStore } from "./record-store.ts";
import type { ValueReader } from "./value-reader.ts";

/** A record that was published. */
export interface Published {
  readonly key: RecordKey;
  /** Of an immutable record 0. */
  readonly sequence: bigint;
  /** Other nodes that keep it now. 0 only if this node knew no peer: then it is the only one that keeps the record. */
  readonly replicas: number;
  /** Whether this node keeps it, too: it does if it is among the closest. */
  readonly isKeptHere: boolean;
}

/** What may be set of an update. */
export interface UpdateOptions extends QueryOptions {
  /** Tells apart the records of one signer. 0 to 64 bytes. @default none */
  readonly salt?: Uint8Array | undefined;
  /**
   * Compare-and-swap: update only if this is the sequence now; 0 also where there is no record yet. A bigint, or a whole number up to
   * 2^53 - 1. @default any
   */
  readonly expectedSequence?: bigint | number | undefined;
}

/** Checks of UpdateOptions. */
export const updateChecks: Checks<UpdateOptions> = {
  ...queryChecks,
  salt: checkBytes,
  expectedSequence: sequenceFrom,
};

/** What publishing needs of its node. */
export interface PublisherInit {
  readonly keys: KeyPair;
  readonly config: DhtConfig;
  readonly clock: Clock;
  readonly store: RecordStore;
  readonly queries: Queries;
  readonly reader: ValueReader;
  /** Where this node is reached, the best first. */
  readonly addresses: () => readonly HostPort[];
}

/** Updates of one key that come from elsewhere, one after the other, are rare. */
const maxTries = 3;

/** Provider records that are taken back at once when the node leaves. */
const maxLeftAtOnce = 8;

/** Codes of a peer that has another record in the place of the one that it is given. */
const conflictCodes: ReadonlySet<Code> = new Set([Code.Aborted, Code.FailedPrecondition]);
const conflicts: ReadonlySet<ErrorCode> = new Set(["record_conflict", "record_stale"]);

/** Publishes records. */
export class Publisher {
  readonly #init: PublisherInit;
  /** The last change of each key that is under way or waits. Bounded by the callers, each of which waits for its own. */
  readonly #changes = new Map<string, Promise<unknown>>();

  /** Those that were last given each provider record, by its id. Bounded by what the node publishes. */
  readonly #replicas = new Map<string, readonly Contact[]>();

  constructor(init: PublisherInit) {
    this.#init = init;
  }

  /** Gives a record to the k closest, and notes that it is to be published again. @throws DswarmError; then it is not noted */
  async publish(record: DhtRecord, options: PlacingOptions = {}): Promise<Published> {
    const { store, config } = this.#init;
    const id = recordId(record);
    const before = await store.publishedRecord(id);
    await store.publish(record, config.ttlS);
    try {
      const published = await this.#place(record, { ...options, mayForward: true });
      // A node that was alone publishes again at the next sweep, when it may have peers.
      if (published.replicas > 0) store.touchPublished(id);
      return published;
    } catch (error) {
      if (before === undefined) await store.unpublish(id);
      else await store.publish(before, config.ttlS);
      throw error;
    }
  }

  /**
   * Replaces what is under this node's key: what this node has published there last, or nothing, unless the key is used elsewhere, too.
   * Then replicas refuse, and all are asked for the newest. With `expectedSequence` they are asked before. Updates of one key by this node
   * come one after the other.
   */
  async replace(value: Uint8Array, isDeleted: boolean, options: UpdateOptions): Promise<Published> {
    const { salt = new Uint8Array(), signal } = options;
    checkSalt(salt);
    const key = RecordKey.ofSigner(this.#init.keys.id, salt);
    return this.#inTurn(key, signal, () => this.#replace(key, value, isDeleted, options));
  }

  /** Changes what is under a key when the changes before have ended, one way or the other. */
  async #inTurn<T>(key: RecordKey, signal: AbortSignal | undefined, change: () => Promise<T>): Promise<T> {
    const name = key.toString();
    const before = this.#changes.get(name);
    const changed = (async () => {
      await before?.catch(() => undefined);
      signal?.throwIfAborted();
      return change();
    })();
    this.#changes.set(name, changed);
    try {
      return await changed;
    } finally {
      if (this.#changes.get(name) === changed) this.#changes.delete(name);
    }
  }

  /**
   * Publishes a provider record of this node whose sequence is above that of every earlier one. Where peers hold a larger one that this
   * key has signed, as after a loss of the data directory with the clock put back, it goes on from there.
   */
  async #newestWord<T>(
    key: RecordKey,
    isWithdrawn: boolean,
    options: QueryOptions,
    publish: (record: ProviderRecord) => Promise<T>,
  ): Promise<T> {
    for (let tries = 1; ; tries++) {
      const record = await this.#word(key, isWithdrawn);
      try {
        return await publish(record);
      } catch (error) {
        if (!isConflict(error) || tries === maxTries) throw error;
        await this.#passOwnWords(record, options);
      }
    }
  }

  /** Makes the next provider record of this node newer than all that are held under a key. */
  async #passOwnWords({ key, provider, sequence }: ProviderRecord, options: QueryOptions): Promise<void> {
    const words = await this.#init.reader.wordsOf(provider.id, key, options);
    const newest = words.reduce((most, word) => (word.sequence > most ? word.sequence : most), sequence);
    await this.#init.store.sequences.next("provider", newest);
  }

  /** A provider record of this node, newer than its last one whatever the wall clock says. */
  async #word(key: RecordKey, isWithdrawn: boolean): Promise<ProviderRecord> {
    const { keys, clock, addresses, store } = this.#init;
    const noted = await store.publishedRecord(`provider ${key.toString()} ${keys.id.toString()}`);
    const wall = BigInt(clock.wallMs());
    const last = noted === undefined ? 0n : sequenceOf(noted);
    const sequence = await store.sequences.next("provider", wall > last ? wall : last + 1n);
    return createProvider({ keys, key, addresses: addresses(), isWithdrawn, sequence });
  }

  async #replace(key: RecordKey, value: Uint8Array, isDeleted: boolean, options: UpdateOptions): Promise<Published> {
    const { keys, store } = this.#init;
    const { salt, expectedSequence: expected, ...query } = options;
    const expectedSequence = expected === undefined ? undefined : sequenceFrom("expectedSequence", expected);
    const noted = await store.publishedRecord(`mutable ${key.toString()}`);
    let sequence = noted === undefined ? 0n : sequenceOf(noted);
    if (isDeleted && noted === undefined && (await this.#newest(key, 0n, query)) === 0n) {
      // A tombstone of nothing would take up room on 20 nodes for a day.
      throw new DswarmError("record_not_found", "this node has published nothing there");
    }
    if (expectedSequence !== undefined) {
      sequence = await this.#newest(key, sequence, query);
      if (expectedSequence !== sequence) {
        throw new DswarmError("record_conflict", `it is ${sequence}, not ${expectedSequence}`);
      }
    }
    // Of two with one sequence, one would replace the other, and who watches would not notice.
    let condition: { readonly expectedSequence?: bigint } = { expectedSequence: sequence };
    for (let tries = 1; ; tries++) {
      const record = createMutable({ keys, salt, sequence: sequence + 1n, value, isDeleted });
      try {
        return await this.publish(record, { ...query, ...condition });
      } catch (error) {
        if (!isConflict(error) || expectedSequence !== undefined || tries === maxTries) throw error;
        sequence = await this.#newest(key, sequence + 1n, query);
        // Some have what was just tried, others what came between.
        condition = {};
      }
    }
  }

  /** Publishes that this node provides what a key stands for. Changes of one key come one after the other. */
  provide(key: RecordKey, options: QueryOptions): Promise<Published> {
    return this.#inTurn(key, options.signal, () =>
      this.#newestWord(key, false, options, (record) => this.publish(record, options)),
    );
  }

  /** Publishes that this node provides it no more. */
  async withdraw(key: RecordKey, options: QueryOptions): Promise<void> {
    await this.#inTurn(key, options.signal, () =>
      this.#newestWord(key, true, options, async (record) => {
        await this.#init.store.unpublish(recordId(record));
        return this.#place(record, { ...options, mayForward: true });
      }),
    );
  }

  /**
   * Publishes again what is noted under an id. Returns whether that is done: no other node keeps it where this one is alone.
   * @throws DswarmError
   */
  async publishAgain(id: string, signal: AbortSignal): Promise<boolean> {
    const { store } = this.#init;
    const noted = await store.publishedRecord(id);
    if (noted === undefined) return true;
    try {
      const published =
        noted.kind === "provider" ? await this.#provideAgain(noted, signal) : await this.#place(noted, { signal });
      if (published?.replicas === 0) return false;
    } catch (error) {
      // One that was replaced elsewhere is another's to publish.
      if (!isConflict(error)) throw error;
    }
    store.touchPublished(id);
    return true;
  }

  /**
   * Takes back all that this node provides, with those that were last given it, and keeps it noted: a node that starts again with its data
   * directory provides it again. `signal` ends it.
   */
  async leave(signal: AbortSignal): Promise<void> {
    const ids = this.#init.store.publishedIds().filter((id) => id.startsWith("provider "));
    let next = 0;
    const work = async (): Promise<void> => {
      for (let id = ids[next++]; id !== undefined && !signal.aborted; id = ids[next++]) {
        await this.#leave(id, signal).catch(() => undefined);
      }
    };
    await Promise.all(Array.from({ length: maxLeftAtOnce }, work));
  }

  async #leave(id: string, signal: AbortSignal): Promise<void> {
    const { store, queries, config } = this.#init;
    const noted = await store.publishedRecord(id);
    if (noted?.kind !== "provider") return;
    const record = await this.#word(noted.key, true);
    if (store.entry(id) !== undefined) await store.put(record, { ttlS: config.ttlS, from: undefined });
    const replicas = this.#replicas.get(id) ?? queries.closestKnown(noted.key);
    const give = async (contact: Contact): Promise<void> => {
      const tell = (both: AbortSignal) => queries.store(contact, record, config.ttlS, both);
      await queries.within(tell, signal).catch(() => undefined);
    };
    await Promise.all(replicas.map(give));
  }

  /** Publishes a provider record again under a new sequence, unless it is withdrawn by then. */
  #provideAgain({ key }: ProviderRecord, signal: AbortSignal): Promise<Published | undefined> {
    const { store, config } = this.#init;
    return this.#inTurn(key, signal, () =>
      this.#newestWord(key, false, { signal }, async (record) => {
        if (store.publishedBytes(recordId(record)) === undefined) return undefined;
        await store.publish(record, config.ttlS);
        return this.#place(record, { signal });
      }),
    );
  }

  async #place(record: DhtRecord, options: PlacingOptions): Promise<Published> {
    const { queries, config } = this.#init;
    const placing = await queries.place(record, config.ttlS, options);
    const { refusals } = placing;
    if (record.kind === "provider") {
      if (record.isWithdrawn) this.#replicas.delete(recordId(record));
      else this.#replicas.set(recordId(record), placing.replicas);
    }
    const replicas = placing.replicas.length;
    const isTaken = replicas > 0 || placing.isAlone;
    let isKeptHere = false;
    let isRefused = refusals.some((code) => conflictCodes.has(code));
    try {
      // A copy here alone, beside peers that did not take it, is what the caller would take for an acknowledgement.
      isKeptHere = isTaken && (await this.#keep(record, placing, options.expectedSequence));
    } catch (error) {
      if (!(error instanceof DswarmError && conflicts.has(error.code))) throw error;
      isRefused = true;
    }
    if (record.kind !== "immutable" && isRefused) {
      // Whoever refuses may be behind, or lie: only who shows what came between keeps others from being satisfied.
      const { signal } = options;
      if (await this.#isOvertaken(record, { signal })) {
        throw new DswarmError("record_conflict", "another update has come between");
      }
    }
    if (replicas === 0 && !isKeptHere) {
      throw new DswarmError(refusals.includes(Code.ResourceExhausted) ? "quota_exceeded" : "store_refused");
    }
    return { key: record.key, sequence: sequenceOf(record), replicas, isKeptHere };
  }

  /** Whether anybody has another record in its place, or a newer one. */
  async #isOvertaken(record: MutableRecord | ProviderRecord, options: QueryOptions): Promise<boolean> {
    const { key, sequence, signature } = record;
    const { reader } = this.#init;
    const there =
      record.kind === "mutable"
        ? await reader.signed(key, options)
        : await reader.wordsOf(record.provider.id, key, options);
    return there.some((other) => other.sequence >= sequence && !equalBytes(other.signature, signature));
  }

  /** The largest sequence that anybody has under a key, and `atLeast`. */
  async #newest(key: RecordKey, atLeast: bigint, options: QueryOptions): Promise<bigint> {
    const there = await this.#init.reader.signed(key, options);
    return there.reduce((newest, { sequence }) => (sequence > newest ? sequence : newest), atLeast);
  }

  /** Keeps a record here, where this node is among the k closest. */
  async #keep(record: DhtRecord, { replicas }: Placing, expectedSequence: bigint | undefined): Promise<boolean> {
    const { config, keys, store } = this.#init;
    const farthest = replicas[config.routing.k - 1];
    const target = record.key.bytes;
    if (config.isClient) return false;
    if (farthest !== undefined && compareDistance(target, farthest.id.bytes, keys.id.bytes) < 0) return false;
    await store.put(record, { ttlS: config.ttlS, from: undefined, expectedSequence });
    return true;
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof DswarmError && error.code === "record_conflict";
}
