// The records that a node keeps for others, and the book of those that it publishes itself, in a database. What is
// acknowledged is on the disk.
//
//     rows   "m/" id   the head of a record: when it expires, who stored it
//            "r/" id   the record
//            "p/" id   a record that this node publishes
//            "d/" id   when it leaves, if it is deleted
//            "s/" name   the last number of a SequenceBook
import type { NodeId } from "../identity/node-id.ts";
import type { Clock } from "../util/clock.ts";
import { Counters } from "../util/counters.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import { ioAdviceFor } from "../util/io-error.ts";
import { type Logger, silentLogger } from "../util/log.ts";
import { type Changes, GroupCommit } from "./group-commit.ts";
import { type Knows, providersToAnswer } from "./provider-slots.ts";
import { type DhtRecord, recordId } from "./record.ts";
import { isOf, type PutOptions, type PutOutcome, RecordAdmission, type RecordChange } from "./record-admission.ts";
import { RecordBook } from "./record-book.ts";
import type { RecordDatabase } from "./record-database.ts";
import type { RecordEntry } from "./record-entry.ts";
import { RecordIndex } from "./record-index.ts";
import type { RecordKey } from "./record-key.ts";
import {
  headFromRow,
  headToRow,
  type RowHead,
  readRows,
  recordFromRow,
  recordToRow,
  rowEncodings,
  sequenceFromRow,
} from "./record-row.ts";
import { SequenceBook } from "./sequence-book.ts";
import type { StoreConfig } from "./store-options.ts";

export type { PutOptions, PutOutcome, RecordChange } from "./record-admission.ts";
export type { RecordEntry } from "./record-entry.ts";

/** A record that is held. */
export interface HeldRecord {
  readonly record: DhtRecord;
  /** Whole seconds that it has left; at least 1. */
  readonly ttlS: number;
}

/** What a store is made of. */
export interface RecordStoreInit {
  /** This node: of what is to give way, the farthest from it goes first. */
  readonly self: NodeId;
  /** Open; closed with the store. */
  readonly database: RecordDatabase;
  readonly config: StoreConfig;
  readonly clock: Clock;
  readonly logger?: Logger;
  readonly counters?: Counters;
  /** A record was stored that was not held before in this form, has expired, or was evicted. Must not throw. */
  readonly onChange?: (change: RecordChange, entry: RecordEntry) => void;
}

const sweepMs = 600_000;
const lostHeadMs = 2 * 3_600_000;
// What clients take in one answer, and as many withdrawn ones (docs/protocol.md).
const maxProvidersAnswered = 64;
// Reads of what is replaced again and again meanwhile.
const maxReads = 3;

/** Keeps records. Bounded by its settings; past them it evicts what belongs elsewhere, or to whoever holds most. */
export class RecordStore implements AsyncDisposable {
  /** Numbers of this node that only grow. */
  readonly sequences: SequenceBook;
  readonly #init: RecordStoreInit;
  readonly #index: RecordIndex;
  readonly #admission: RecordAdmission;
  readonly #commits: GroupCommit;
  readonly #book: RecordBook;
  #stopSweep: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  private constructor(init: RecordStoreInit) {
    this.#init = init;
    const { config, clock, counters = new Counters(), onChange } = init;
    this.#index = new RecordIndex(init.self, config);
    this.#admission = new RecordAdmission({ index: this.#index, config, clock, counters, onChange });
    this.#commits = new GroupCommit(init.database, init);
    this.sequences = new SequenceBook(this.#commits);
    const onDamaged = (id: string, error: unknown): void => this.#reportDamaged(id, error);
    this.#book = new RecordBook({ ...init, commits: this.#commits, onDamaged });
  }

  /**
   * Reads what a database holds. A row that cannot be read is reported and deleted.
   * @throws DswarmError `storage_failed`; the database is closed then
   */
  static async open(init: RecordStoreInit): Promise<RecordStore> {
    const store = new RecordStore(init);
    try {
      await store.#load();
    } catch (cause) {
      await store.close();
      throw new DswarmError("storage_failed", ioAdviceFor(cause), { cause });
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
    const row = recordToRow(record);
    return this.#commits.run((changes) => {
      const outcome = this.#admission.put(record, row, options, changes);
      this.#planSweep();
      return outcome;
    }, row.length);
  }

  /** The records under a key that have not expired, deleted and withdrawn ones too. @throws DswarmError `storage_failed` */
  get(key: RecordKey): Promise<readonly HeldRecord[]> {
    return this.#read(this.#index.under(key).map(({ id }) => id));
  }

  /**
   * The records under a key to answer a peer with: all but providers, and of these at most 64, and as many withdrawn ones.
   * @param asker the peer, whose own provider record is in the answer
   * @throws DswarmError `storage_failed`
   */
  select(key: RecordKey, asker: NodeId | undefined, knows: Knows): Promise<readonly HeldRecord[]> {
    const entries = this.#index.under(key);
    const providers = entries.filter(({ kind }) => kind === "provider");
    const { clock } = this.#init;
    const chosen = providersToAnswer(providers, maxProvidersAnswered, { knows, asker, clock });
    const others = entries.filter(({ kind }) => kind !== "provider");
    return this.#read([...others, ...chosen].map(({ id }) => id));
  }

  /** The record with an id, unless it has expired. @throws DswarmError `storage_failed` */
  async read(id: string): Promise<HeldRecord | undefined> {
    if (this.#index.get(id) === undefined) return undefined;
    const [held] = await this.#read([id]);
    return held;
  }

  /** Whole seconds that a record has left: never more than `maxTtlS`, though the clock was set back since it was stored. */
  ttlOf({ expiresAtMs }: RecordEntry): number {
    return Math.floor((Math.min(expiresAtMs, this.#admission.latestMs) - this.#init.clock.wallMs()) / 1000);
  }

  /** Notes that the k closest have just got the record. */
  touch(id: string): void {
    const entry = this.#index.get(id);
    if (entry !== undefined) this.#index.set({ ...entry, receivedAt: this.#init.clock.now() });
  }

  /** What is known of the record with an id, as it is now. */
  entry(id: string): RecordEntry | undefined {
    return this.#index.get(id);
  }

  /**
   * Keeps a record no longer.
   * @param known what was known of it: one that was stored, refreshed or touched since then stays
   */
  async remove(id: string, known?: RecordEntry): Promise<void> {
    await this.#commits.run((changes) => {
      if (known === undefined || this.#index.get(id) === known) this.#admission.delete(id, changes);
    });
  }

  /**
   * Notes that this node publishes a record, in place of the one with its id.
   * @throws DswarmError `quota_exceeded`, `storage_failed`
   */
  async publish(record: DhtRecord, ttlS: number): Promise<void> {
    await this.#book.put(record, ttlS);
    this.#planSweep();
  }

  /** Publishes it no more. Returns whether it did. @throws DswarmError `storage_failed` */
  unpublish(id: string): Promise<boolean> {
    return this.#book.delete(id);
  }

  /** Bytes of a record that this node publishes; undefined where it publishes none of that id. */
  publishedBytes(id: string): number | undefined {
    return this.#book.bytesOf(id);
  }

  /** Ids of what this node publishes. */
  publishedIds(): readonly string[] {
    return this.#book.ids();
  }

  /** Notes that the k closest have got what this node publishes under an id. */
  touchPublished(id: string): void {
    this.#book.touch(id, this.#init.clock.now());
  }

  /** Ids of what this node publishes and the k closest have not got after a time, on the clock's `now`, or since the store was opened. */
  publishedBefore(time: number): readonly string[] {
    return this.#book.idsPlacedBefore(time);
  }

  /** Takes what this node publishes as published longer ago, by so many milliseconds. */
  publishedAged(ms: number): void {
    this.#book.age(ms);
  }

  /**
   * Keeps the times that records have left after the wall clock was put back. They expire on the wall clock, so that neither a restart nor
   * a suspend makes them live longer; a clock that goes back would.
   * @param ms how far it went back
   */
  wallPutBack(ms: number): void {
    this.#index.expireEarlier(ms);
  }

  /** What this node publishes under an id. @throws DswarmError `storage_failed` */
  publishedRecord(id: string): Promise<DhtRecord | undefined> {
    return this.#book.read(id);
  }

  /** Finishes what is being written, takes no more, and closes the database. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      this.#stopSweep?.();
      await this.#commits.close();
      await this.#init.database.close();
    })();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #planSweep(): void {
    if (this.#closed !== undefined || (this.#index.size === 0 && !this.#book.hasTombstones)) return;
    this.#stopSweep ??= this.#init.clock.setTimeout(() => {
      this.#stopSweep = undefined;
      // What cannot be deleted now is tried again with the next sweep; nobody is answered with it meanwhile.
      void this.#commits
        .run((changes) => {
          this.#admission.deleteExpired(changes);
          this.#admission.shortenLives(changes);
          this.#book.dropTombstones(changes);
        })
        .catch((error: unknown) => this.#reportFailed(error));
      this.#planSweep();
    }, sweepMs);
  }

  #reportFailed(error: unknown): void {
    const { logger = silentLogger } = this.#init;
    logger.error({ event: "storage_failed", reason: messageOf(error) }, "records cannot be deleted");
  }

  #reportDamaged(id: string, error: unknown): void {
    const { logger = silentLogger } = this.#init;
    logger.error({ event: "record_damaged", id, reason: messageOf(error) }, "a record cannot be read; it is deleted");
  }

  async #read(ids: readonly string[]): Promise<HeldRecord[]> {
    const held: HeldRecord[] = [];
    let left = ids;
    for (let reads = 1; left.length > 0; reads++) {
      const rows = await readRows(
        this.#init.database,
        left.map((id) => `r/${id}`),
      );
      const unsettled: string[] = [];
      for (const [i, id] of left.entries()) {
        const entry = this.#index.get(id);
        if (entry === undefined) continue;
        const record = this.#recordOf(entry, rows[i]);
        // The row comes with the group that is being written, or came with one after the row was read.
        if (reads < maxReads && (record === undefined || !isOf(record, entry))) unsettled.push(id);
        else if (record !== undefined) held.push(...this.#living(record, entry));
        else if (rows[i] === undefined) await this.#removeIfLost(entry);
      }
      left = unsettled;
      if (left.length > 0) await this.#commits.passed();
    }
    return held;
  }

  #recordOf(entry: RecordEntry, row: Uint8Array | undefined): DhtRecord | undefined {
    if (row === undefined) return undefined;
    try {
      return recordFromRow(row);
    } catch (error) {
      this.#reportDamaged(entry.id, error);
      // Unless it is replaced meanwhile.
      const remove = (changes: Changes): void => {
        if (this.#index.get(entry.id)?.signature === entry.signature) this.#admission.delete(entry.id, changes);
      };
      void this.#commits.run(remove).catch((failure: unknown) => this.#reportFailed(failure));
      return undefined;
    }
  }

  /**
   * Removes a record whose row is not to be found, as where the disk has changed what LevelDB looks it up by: as long as it is taken for
   * held, nobody can store it here again.
   */
  async #removeIfLost(entry: RecordEntry): Promise<void> {
    const { id } = entry;
    const isCurrent = (): boolean => this.#index.get(id) === entry;
    // What is being written is there then.
    await this.#commits.passed();
    if (!isCurrent()) return;
    const [row] = await readRows(this.#init.database, [`r/${id}`]);
    if (row !== undefined || !isCurrent()) return;
    this.#reportDamaged(id, new DswarmError("record_invalid", "its row is not found"));
    await this.remove(id, entry);
  }

  #living(record: DhtRecord, entry: RecordEntry): HeldRecord[] {
    const ttlS = this.ttlOf(entry);
    return ttlS < 1 ? [] : [{ record, ttlS }];
  }

  async #load(): Promise<void> {
    const { self, database, clock } = this.#init;
    const heads = new Map<string, RowHead>();
    const deadlines = new Map<string, number>();
    const gone: string[] = [];
    const headless: RecordEntry[] = [];
    const wallMs = clock.wallMs();
    // Rows come in the order of their keys: all of "d/" and "m/", then "p/", "r/" and "s/".
    for await (const [key, row] of database.iterator(rowEncodings)) {
      const id = key.slice(2);
      try {
        if (key.startsWith("m/")) {
          heads.set(id, headFromRow(row));
          continue;
        }
        if (key.startsWith("d/")) {
          deadlines.set(id, Number(sequenceFromRow(row)));
          continue;
        }
        if (key.startsWith("s/")) {
          this.sequences.load(id, row);
          continue;
        }
        const record = recordFromRow(row);
        if (recordId(record) !== id) throw new DswarmError("record_invalid", "it is under the id of another");
        if (key.startsWith("p/")) {
          this.#book.load(record, row.length, deadlines.get(id));
          deadlines.delete(id);
        } else {
          const entry = this.#admission.load(record, row, heads.get(id) ?? lostHead(self, wallMs));
          if (!heads.delete(id)) headless.push(entry);
        }
      } catch (error) {
        gone.push(key);
        this.#reportDamaged(id, error);
      }
    }
    for (const id of heads.keys()) gone.push(`m/${id}`);
    for (const id of deadlines.keys()) gone.push(`d/${id}`);
    await this.#commits.run((changes) => {
      for (const key of gone) changes.del(key);
      for (const entry of headless) changes.put(`m/${entry.id}`, headToRow(entry));
      this.#admission.deleteExpired(changes);
      this.#admission.evictOverflow(changes);
      this.#book.noteTombstones(changes);
      this.#book.dropTombstones(changes);
    });
    this.#planSweep();
  }
}

/**
 * The head of a record whose own was damaged: until then its publisher publishes it again, or another holder replicates it. It counts in
 * a share of this node, and may give way.
 */
function lostHead(self: NodeId, wallMs: number): RowHead {
  return { expiresAtMs: wallMs + lostHeadMs, from: self, host: "", isForwarded: true };
}
