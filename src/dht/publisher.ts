// What a node publishes: values, signed values, and its word that it provides something. What is published is noted in the
// store's book, so that it is published again until it is taken back.
import { Code } from "@connectrpc/connect";
import type { KeyPair } from "../identity/keys.ts";
import { compareDistance } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import type { DhtConfig } from "./options.ts";
import type { Placing, PlacingOptions, Queries, QueryOptions } from "./queries.ts";
import { type DhtRecord, type ProviderRecord, recordId, sequenceOf } from "./record.ts";
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

/** Publishes records. */
export class Publisher {
  readonly #init: PublisherInit;

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
      store.published(id);
      return published;
    } catch (error) {
      if (before === undefined) await store.unpublish(id);
      else await store.publish(before, config.ttlS);
      throw error;
    }
  }

  /** Replaces what is under this node's key. */
  async replace(value: Uint8Array, isDeleted: boolean, options: UpdateOptions): Promise<Published> {
    const { keys, config, store, reader } = this.#init;
    const { salt = new Uint8Array(), expectedSequence, ...query } = options;
    const key = RecordKey.ofSigner(keys.id, salt);
    // All of the k are asked, so that what is written comes after what any of them has.
    const current = await reader.find(key, config.routing.k, query);
    const noted = await store.publishedRecord(`mutable ${key.toString()}`);
    const sequence = larger(
      current === undefined ? 0n : sequenceOf(current.record),
      noted === undefined ? 0n : sequenceOf(noted),
    );
    if (expectedSequence !== undefined && expectedSequence !== sequence) {
      throw new DswarmError("record_conflict", `it is ${sequence}, not ${expectedSequence}`);
    }
    const record = createMutable({ keys, salt, sequence: sequence + 1n, value, isDeleted });
    return this.publish(record, expectedSequence === undefined ? query : { ...query, expectedSequence });
  }

  /** This node's word that it provides what a key stands for, or does so no more. Newer than any before. */
  word(key: RecordKey, isWithdrawn: boolean): ProviderRecord {
    const { keys, clock, addresses } = this.#init;
    return createProvider({ keys, key, addresses: addresses(), sequence: BigInt(clock.wallMs()), isWithdrawn });
  }

  /** Takes back this node's word that it provides what a key stands for. */
  async withdraw(key: RecordKey, options: QueryOptions): Promise<void> {
    const record = this.word(key, true);
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
      const record = noted.kind === "provider" ? this.word(noted.key, false) : noted;
      try {
        if (record !== noted) await store.publish(record, config.ttlS);
        await this.#place(record, { signal });
        store.published(id);
      } catch {
        // One among many; the next round tries again, and the record still has time to live.
        queries.failed("dht_republish_failed");
      }
    }
  }

  async #place(record: DhtRecord, options: PlacingOptions): Promise<Published> {
    const { queries, config } = this.#init;
    const placing = await queries.place(record, config.ttlS, options);
    const isKept = await this.#keep(record, placing, options.expectedSequence);
    const { refusals } = placing;
    if (
      record.kind === "mutable" &&
      refusals.some((code) => code === Code.Aborted || code === Code.FailedPrecondition)
    ) {
      throw new DswarmError("record_conflict", "another update has come between");
    }
    const replicas = placing.replicas.length + (isKept ? 1 : 0);
    if (replicas === 0) {
      throw new DswarmError(refusals.includes(Code.ResourceExhausted) ? "quota_exceeded" : "store_refused");
    }
    return { key: record.key, sequence: sequenceOf(record), replicas };
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

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
