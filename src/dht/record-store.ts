// The records that a node keeps for others, and the book of those that it publishes itself, in a database. What is
// acknowledged is on the disk.
//
//     rows   "m/" id   when it expires (8), whether a peer stored it (1), who (32)
//            "r/" id   the record, as a message of the protocol
//            "p/" id   a record that this node publishes, likewise
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { RecordSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import { NodeId } from "../identity/node-id.ts";
import { equalBytes } from "../util/bytes.ts";
import type { Clock } from "../util/clock.ts";
import { Counters } from "../util/counters.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import { type Logger, silentLogger } from "../util/log.ts";
import type { Database } from "./database.ts";
import { type Changes, GroupCommit } from "./group-commit.ts";
import { type DhtRecord, recordId, sequenceOf } from "./record.ts";
import { recordToMessage, unverifiedRecord } from "./record-codec.ts";
import { type RecordEntry, RecordIndex } from "./record-index.ts";
import type { RecordKey } from "./record-key.ts";
import type { StoreConfig } from "./store-options.ts";

export type { RecordEntry } from "./record-index.ts";

/** A record that is held. */
export interface HeldRecord {
  readonly record: DhtRecord;
  /** Whole seconds that it has left; at least 1. */
  readonly ttlS: number;
}

/** How a record is put. */
export interface PutOptions {
  /** Seconds that it lives. 0 is expired; what is above `maxTtlS` is cut to it. */
  readonly ttlS: number;
  /** Who stores it; undefined is this node itself. */
  readonly from: NodeId | undefined;
  /** Of a mutable record: only if this is the sequence held, or none is held. */
  readonly expectedSequence?: bigint | undefined;
}

/** What became of a record that was put: it is new here, or was here already and lives longer now. */
export type PutOutcome = "stored" | "refreshed";

/** What a store is made of. */
export interface RecordStoreInit {
  /** Open; closed with the store. */
  readonly database: Database;
  readonly config: StoreConfig;
  readonly clock: Clock;
  readonly logger?: Logger;
  readonly counters?: Counters;
}

const encodings = { keyEncoding: "utf8", valueEncoding: "view" } as const;
const headBytes = 41;
// Rounding and delays on the way move an expiry by less than that; it is not worth a write.
const refreshSlackMs = 2000;
const sweepMs = 600_000;

/** Keeps records. Bounded by its settings. */
export class RecordStore implements AsyncDisposable {
  readonly #init: RecordStoreInit;
  readonly #counters: Counters;
  readonly #index: RecordIndex;
  readonly #commits: GroupCommit;
  /** Ids of what this node publishes. Bounded by `maxPeerRecords`. */
  readonly #published = new Map<string, number>();
  #publishedBytes = 0;
  #stopSweep: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  private constructor(init: RecordStoreInit) {
    this.#init = init;
    this.#counters = init.counters ?? new Counters();
    this.#index = new RecordIndex(init.config);
    this.#commits = new GroupCommit(init.database);
  }

  /** Reads what a database holds. A row that cannot be read is reported and deleted. @throws DswarmError `storage_failed` */
  static async open(init: RecordStoreInit): Promise<RecordStore> {
    const store = new RecordStore(init);
    try {
      await store.#load();
    } catch (cause) {
      throw new DswarmError("storage_failed", undefined, { cause });
    }
    return store;
  }

  /** Records held. */
  get size(): number {
    return this.#index.size;
  }

  /** Bytes that they take. */
  get bytes(): number {
    return this.#index.bytes;
  }

  has(key: RecordKey): boolean {
    return this.#index.has(key);
  }

  /** What is known of the records held. */
  entries(): MapIterator<RecordEntry> {
    return this.#index.entries();
  }

  /**
   * Keeps a record, whose signature must have been verified. Resolves when it is on the disk. A larger sequence replaces a
   * smaller one. Of two with the same sequence the one with the larger signature stays, so that all nodes come to keep the
   * same. The same record again lives as long as the one that expires later.
   * @throws DswarmError `record_expired`, `record_stale`, `record_conflict`, `quota_exceeded`, `storage_failed`
   */
  put(record: DhtRecord, options: PutOptions): Promise<PutOutcome> {
    if (options.ttlS < 1) return Promise.reject(new DswarmError("record_expired"));
    const body = toBinary(RecordSchema, create(RecordSchema, recordToMessage(record, 0)));
    return this.#commits.run((changes) => this.#put(record, body, options, changes));
  }

  /** The records under a key that have not expired, deleted and withdrawn ones too. @throws DswarmError `storage_failed` */
  async get(key: RecordKey): Promise<readonly HeldRecord[]> {
    const held: HeldRecord[] = [];
    for (const { id } of this.#index.under(key)) {
      const one = await this.read(id);
      if (one !== undefined) held.push(one);
    }
    return held;
  }

  /** The record with an id, unless it has expired. @throws DswarmError `storage_failed` */
  async read(id: string): Promise<HeldRecord | undefined> {
    const entry = this.#index.get(id);
    if (entry === undefined) return undefined;
    let body = await this.#row(`r/${id}`);
    if (body === undefined && this.#commits.isWriting) {
      await this.#commits.settled();
      body = await this.#row(`r/${id}`);
    }
    const ttlS = Math.floor(((this.#index.get(id)?.expiresAtMs ?? 0) - this.#init.clock.wallMs()) / 1000);
    return body === undefined || ttlS < 1 ? undefined : { record: decoded(body), ttlS };
  }

  /** Notes that the k closest have just got the record. */
  touch(id: string): void {
    const entry = this.#index.get(id);
    if (entry !== undefined) this.#index.set({ ...entry, receivedAt: this.#init.clock.now() });
  }

  /** Keeps a record no longer. */
  async remove(id: string): Promise<void> {
    await this.#commits.run((changes) => this.#delete(id, changes));
  }

  /**
   * Notes that this node publishes a record, in place of the one with its id.
   * @throws DswarmError `quota_exceeded`, `storage_failed`
   */
  async publish(record: DhtRecord, ttlS: number): Promise<void> {
    const id = recordId(record);
    const body = toBinary(RecordSchema, create(RecordSchema, recordToMessage(record, ttlS)));
    await this.#commits.run((changes) => {
      const { maxPeerRecords, maxPeerBytes } = this.#init.config;
      const before = this.#published.get(id);
      const records = this.#published.size + (before === undefined ? 1 : 0);
      const bytes = this.#publishedBytes + body.length - (before ?? 0);
      if (records > maxPeerRecords || bytes > maxPeerBytes) {
        throw new DswarmError("quota_exceeded", "the node publishes as much as it may");
      }
      this.#note(id, body.length);
      changes.put(`p/${id}`, body);
      changes.onFailure(() => this.#note(id, before));
    });
  }

  /** Publishes it no more. Returns whether it did. @throws DswarmError `storage_failed` */
  unpublish(id: string): Promise<boolean> {
    return this.#commits.run((changes) => {
      const before = this.#published.get(id);
      if (before === undefined) return false;
      this.#note(id, undefined);
      changes.del(`p/${id}`);
      changes.onFailure(() => this.#note(id, before));
      return true;
    });
  }

  /** Ids of what this node publishes. */
  publishedIds(): readonly string[] {
    return [...this.#published.keys()];
  }

  /** What this node publishes under an id. @throws DswarmError `storage_failed` */
  async publishedRecord(id: string): Promise<DhtRecord | undefined> {
    if (!this.#published.has(id)) return undefined;
    const body = await this.#row(`p/${id}`);
    return body && decoded(body);
  }

  /** Finishes what is being written and closes the database. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      this.#stopSweep?.();
      await this.#commits.settled();
      await this.#init.database.close();
    })();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #put(
    record: DhtRecord,
    body: Uint8Array,
    { ttlS, from, expectedSequence }: PutOptions,
    changes: Changes,
  ): PutOutcome {
    const { clock, config } = this.#init;
    const id = recordId(record);
    const expiresAtMs = clock.wallMs() + Math.min(ttlS, config.maxTtlS) * 1000;
    let held = this.#index.get(id);
    if (held !== undefined && held.expiresAtMs <= clock.wallMs()) {
      this.#delete(id, changes);
      held = undefined;
    }
    const sequence = sequenceOf(record);
    const signature = record.kind === "immutable" ? undefined : record.signature;
    if (held !== undefined && held.sequence === sequence && isSame(held.signature, signature)) {
      return this.#refresh(held, expiresAtMs, changes);
    }
    if (held !== undefined && expectedSequence !== undefined && held.sequence !== expectedSequence) {
      throw new DswarmError("record_conflict", `it is ${held.sequence}, not ${expectedSequence}`);
    }
    if (held !== undefined && !isNewer(sequence, signature, held)) throw new DswarmError("record_stale");
    const entry: RecordEntry = {
      id,
      key: record.key,
      kind: record.kind,
      sequence,
      signature,
      bytes: 2 * id.length + headBytes + body.length,
      expiresAtMs,
      receivedAt: clock.now(),
      from,
    };
    try {
      this.#index.checkRoom(entry);
    } catch (error) {
      if (this.#deleteExpired(changes) === 0) throw error;
      this.#index.checkRoom(entry);
    }
    const before = this.#index.set(entry);
    changes.put(`m/${id}`, headOf(entry));
    changes.put(`r/${id}`, body);
    changes.onFailure(() => (before === undefined ? this.#index.delete(id) : this.#index.set(before)));
    this.#planSweep();
    return "stored";
  }

  #refresh(held: RecordEntry, expiresAtMs: number, changes: Changes): PutOutcome {
    const receivedAt = this.#init.clock.now();
    if (expiresAtMs <= held.expiresAtMs + refreshSlackMs) {
      this.#index.set({ ...held, receivedAt });
      return "refreshed";
    }
    const entry = { ...held, expiresAtMs, receivedAt };
    this.#index.set(entry);
    changes.put(`m/${held.id}`, headOf(entry));
    changes.onFailure(() => this.#index.set(held));
    return "refreshed";
  }

  #delete(id: string, changes: Changes): void {
    const before = this.#index.delete(id);
    if (before === undefined) return;
    changes.del(`m/${id}`);
    changes.del(`r/${id}`);
    changes.onFailure(() => this.#index.set(before));
  }

  #deleteExpired(changes: Changes): number {
    const now = this.#init.clock.wallMs();
    const expired = [...this.#index.entries()].filter(({ expiresAtMs }) => expiresAtMs <= now);
    for (const { id } of expired) this.#delete(id, changes);
    if (expired.length > 0) this.#counters.add("dht_records_expired", expired.length);
    return expired.length;
  }

  #planSweep(): void {
    if (this.#closed !== undefined || this.#index.size === 0) return;
    this.#stopSweep ??= this.#init.clock.setTimeout(() => {
      this.#stopSweep = undefined;
      // What cannot be deleted now is tried again with the next sweep; nobody is answered with it meanwhile.
      void this.#commits.run((changes) => this.#deleteExpired(changes)).catch((error: unknown) => this.#report(error));
      this.#planSweep();
    }, sweepMs);
  }

  #report(error: unknown): void {
    const { logger = silentLogger } = this.#init;
    logger.error({ event: "storage_failed", reason: messageOf(error) }, "expired records cannot be deleted");
  }

  #note(id: string, bytes: number | undefined): void {
    this.#publishedBytes += (bytes ?? 0) - (this.#published.get(id) ?? 0);
    if (bytes === undefined) this.#published.delete(id);
    else this.#published.set(id, bytes);
  }

  async #row(key: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#init.database.get(key, encodings);
    } catch (cause) {
      throw new DswarmError("storage_failed", undefined, { cause });
    }
  }

  async #load(): Promise<void> {
    const { database, clock, config, logger = silentLogger } = this.#init;
    const heads = new Map<string, Uint8Array>();
    const damaged: string[] = [];
    const now = clock.wallMs();
    // Rows come in the order of their keys: all of "m/", then "p/", then "r/".
    for await (const [key, value] of database.iterator<string, Uint8Array>(encodings)) {
      const id = key.slice(2);
      try {
        if (key.startsWith("m/")) {
          heads.set(id, Uint8Array.from(value));
          continue;
        }
        const record = decoded(value);
        if (recordId(record) !== id) throw new DswarmError("record_invalid", "it is under the id of another");
        if (key.startsWith("p/")) {
          this.#note(id, value.length);
        } else {
          this.#index.set(this.#entryOf(record, value.length, heads.get(id), now, config.maxTtlS));
          heads.delete(id);
        }
      } catch (error) {
        damaged.push(key);
        logger.error(
          { event: "record_damaged", id, reason: messageOf(error) },
          "a record cannot be read; it is deleted",
        );
      }
    }
    const orphans = [...heads.keys()].map((id) => `m/${id}`);
    const gone = [...damaged, ...orphans];
    if (gone.length > 0)
      await database.batch<string, Uint8Array>(
        gone.map((key) => ({ type: "del", key })),
        encodings,
      );
    if (this.#index.size > 0) await this.#commits.run((changes) => this.#deleteExpired(changes));
    this.#planSweep();
  }

  #entryOf(
    record: DhtRecord,
    bodyBytes: number,
    head: Uint8Array | undefined,
    wallMs: number,
    maxTtlS: number,
  ): RecordEntry {
    if (head?.length !== headBytes) throw new DswarmError("record_invalid", "its head is missing");
    const view = new DataView(head.buffer, head.byteOffset, head.length);
    const id = recordId(record);
    return {
      id,
      key: record.key,
      kind: record.kind,
      sequence: sequenceOf(record),
      signature: record.kind === "immutable" ? undefined : record.signature,
      bytes: 2 * id.length + headBytes + bodyBytes,
      // A clock that was set back must not let it live on for ever.
      expiresAtMs: Math.min(view.getFloat64(0), wallMs + maxTtlS * 1000),
      receivedAt: this.#init.clock.now(),
      from: head[8] === 1 ? NodeId.fromBytes(head.subarray(9)) : undefined,
    };
  }
}

function headOf({ expiresAtMs, from }: RecordEntry): Uint8Array {
  const head = new Uint8Array(headBytes);
  new DataView(head.buffer).setFloat64(0, expiresAtMs);
  if (from !== undefined) {
    head[8] = 1;
    head.set(from.bytes, 9);
  }
  return head;
}

function decoded(body: Uint8Array): DhtRecord {
  return unverifiedRecord(fromBinary(RecordSchema, body));
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

function isNewer(sequence: bigint, signature: Uint8Array | undefined, held: RecordEntry): boolean {
  if (sequence !== held.sequence) return sequence > held.sequence;
  return Buffer.compare(signature ?? new Uint8Array(), held.signature ?? new Uint8Array()) > 0;
}
