// What a node publishes: values, signed values, and its word that it provides something. What is published is noted in the
// store's book, so that it is published again until it is taken back.
import { Code } from "@connectrpc/connect";
import type { KeyPair } from "../identity/keys.ts";
import { compareDistance } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import { equalBytes } from "../util/bytes.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError, type ErrorCode } from "../util/errors.ts";
import type { DhtConfig } from "./options.ts";
import type { Placing, PlacingOptions, Queries, QueryOptions } from "./queries.ts";
import { type DhtRecord, type MutableRecord, type ProviderRecord, recordId, sequenceOf } from "./record.ts";
import { createMutable, createProvider } from "./record-codec.ts";
import { RecordKey } from "./record-key.ts";
import type { RecordStore } from "./record-store.ts";
import type { ValueReader } from "./value-reader.ts";

/** A record that was published. */
export interface Published {
  readonly key: RecordKey;
  /** Of an immutable record 0. */
  readonly sequence: bigint;
  /** Nodes that keep it now, this one included where it is among the closest. At least 1. */
  readonly replicas: number;
}

/** What may be set of an update. */
export interface UpdateOptions extends QueryOptions {
  /** Tells apart the records of one signer. 0 to 64 bytes. @default none */
  readonly salt?: Uint8Array | undefined;
  /** Compare-and-swap: update only if this is the sequence now; 0 also where there is no record yet. @default any */
  readonly expectedSequence?: bigint | undefined;
}

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

/** Codes of a peer that has another record in the place of the one that it is given. */
const conflictCodes: ReadonlySet<Code> = new Set([Code.Aborted, Code.FailedPrecondition]);
const conflicts: ReadonlySet<ErrorCode> = new Set(["record_conflict", "record_stale"]);

/** Publishes records. */
export class Publisher {
  readonly #init: PublisherInit;
  /** The last update of each key that is under way or waits. Bounded by the callers, each of which waits for its own. */
  readonly #updates = new Map<string, Promise<unknown>>();

  constructor(init: PublisherInit) {
    this.#init = init;
  }

  /** Gives a record to the k closest, and notes that it is to be published again. @throws DswarmError; then it is not noted */
  async publish(
    record: DhtRecord,
    options: QueryOptions & Pick<UpdateOptions, "expectedSequence"> = {},
  ): Promise<Published> {
    const { store, config } = this.#init;
    const id = recordId(record);
    const before = record.kind === "immutable" ? undefined : await store.publishedRecord(id);
    await store.publish(record, config.ttlS);
    try {
      const published = await this.#place(record, { ...options, mayForward: true });
      store.touchPublished(id);
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
    const key = RecordKey.ofSigner(this.#init.keys.id, salt);
    const name = key.toString();
    const before = this.#updates.get(name);
    const update = (async () => {
      await before?.catch(() => undefined);
      signal?.throwIfAborted();
      return this.#replace(key, value, isDeleted, options);
    })();
    this.#updates.set(name, update);
    try {
      return await update;
    } finally {
      if (this.#updates.get(name) === update) this.#updates.delete(name);
    }
  }

  async #replace(key: RecordKey, value: Uint8Array, isDeleted: boolean, options: UpdateOptions): Promise<Published> {
    const { keys, store } = this.#init;
    const { salt, expectedSequence, ...query } = options;
    const noted = await store.publishedRecord(`mutable ${key.toString()}`);
    let sequence = noted === undefined ? 0n : sequenceOf(noted);
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

  /** This node's word that it provides what a key stands for, or does so no more. Newer than the last, where the clock was put back, too. */
  async word(key: RecordKey, isWithdrawn: boolean): Promise<ProviderRecord> {
    const { keys, clock, addresses, store } = this.#init;
    const init = { keys, key, addresses: addresses(), isWithdrawn };
    const word = createProvider({ ...init, sequence: BigInt(clock.wallMs()) });
    const noted = await store.publishedRecord(recordId(word));
    if (noted === undefined || sequenceOf(noted) < word.sequence) return word;
    return createProvider({ ...init, sequence: sequenceOf(noted) + 1n });
  }

  /** Takes back this node's word that it provides what a key stands for. */
  async withdraw(key: RecordKey, options: QueryOptions): Promise<void> {
    const record = await this.word(key, true);
    await this.#init.store.unpublish(recordId(record));
    await this.#place(record, { ...options, mayForward: true });
  }

  /** Publishes again what is noted and was last published so long ago, or before the start. What fails is tried the next time. */
  async republish(signal: AbortSignal): Promise<void> {
    const { store, config, clock, queries } = this.#init;
    for (const id of store.publishedBefore(clock.now() - config.republishMs)) {
      if (signal.aborted) return;
      const noted = await store.publishedRecord(id);
      if (noted === undefined) continue;
      try {
        const record = noted.kind === "provider" ? await this.word(noted.key, false) : noted;
        if (record !== noted) await store.publish(record, config.ttlS);
        await this.#place(record, { signal });
        store.touchPublished(id);
      } catch (error) {
        // One among many; the next round tries again, and the record still has time to live. One that was replaced elsewhere need not.
        if (isConflict(error)) store.touchPublished(id);
        queries.failed("dht_republish_failed");
      }
    }
  }

  async #place(record: DhtRecord, options: PlacingOptions): Promise<Published> {
    const { queries, config } = this.#init;
    const placing = await queries.place(record, config.ttlS, options);
    const { refusals } = placing;
    let isKept = false;
    let isRefused = refusals.some((code) => conflictCodes.has(code));
    try {
      isKept = await this.#keep(record, placing, options.expectedSequence);
    } catch (error) {
      if (!(error instanceof DswarmError && conflicts.has(error.code))) throw error;
      isRefused = true;
    }
    if (record.kind === "mutable" && isRefused) {
      // Whoever refuses may be behind, or lie: only who shows what came between keeps others from being satisfied.
      const { signal } = options;
      if (await this.#isOvertaken(record, { signal })) {
        throw new DswarmError("record_conflict", "another update has come between");
      }
    }
    const replicas = placing.replicas.length + (isKept ? 1 : 0);
    if (replicas === 0) {
      throw new DswarmError(refusals.includes(Code.ResourceExhausted) ? "quota_exceeded" : "store_refused");
    }
    return { key: record.key, sequence: sequenceOf(record), replicas };
  }

  /** Whether anybody has another record in its place, or a newer one. */
  async #isOvertaken({ key, sequence, signature }: MutableRecord, options: QueryOptions): Promise<boolean> {
    const there = await this.#init.reader.signed(key, options);
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
