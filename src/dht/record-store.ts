// The records that a node keeps for others, and the book of those that it publishes itself, in a database. What is
// acknowledged is on the disk.
//
//     rows   "m/" id   the head of a record: when it expires, who stored it
//            "r/" id   the record
//            "p/" id   a record that this node publishes
//            "d/" id   when it leaves, if it is deleted
//            "s/" name   the last number of a SequenceBook
import type { NodeId } from "../identity/node-id.ts";
import { equalBytes } from "../util/bytes.ts";
import type { Clock } from "../util/clock.ts";
import { Counters } from "../util/counters.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import { ioAdviceFor } from "../util/io-error.ts";
import { type Logger, silentLogger } from "../util/log.ts";
import type { Database } from "./database.ts";
import { type Changes, GroupCommit } from "./group-commit.ts";
import { type Knows, providersToAnswer } from "./provider-slots.ts";
import { type DhtRecord, isGone, recordId, sequenceOf } from "./record.ts";
import { RecordBook } from "./record-book.ts";
import type { RecordEntry } from "./record-entry.ts";
import { RecordIndex } from "./record-index.ts";
import type { RecordKey } from "./record-key.ts";
import {
  headFromRow,
  headRowBytes,
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

export type { RecordEntry } from "./record-entry.ts";

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
  /** The peer that stores it; undefined is this node itself, which never gives way to a peer. */
  readonly from: NodeId | undefined;
  /** The `hostGroup` that the peer stores from. Without it, not known. */
  readonly host?: string | undefined;
  /** Whether the peer passes it on for another: it has a share of its own for that. Without it, it does not. */
  readonly isForwarded?: boolean | undefined;
  /** Whether this node has seen the key of a provider itself lately. Without it, it has seen none. */
  readonly knows?: Knows | undefined;
  /** Of a mutable record: only if none is held that is larger than this. */
  readonly expectedSequence?: bigint | undefined;
}

/** What became of a record that was put: it is new here, or was here already and lives longer now. */
export type PutOutcome = "stored" | "refreshed";

/** What became of a record: it was stored, has expired, or gave way to another. */
export type RecordChange = "stored" | "expired" | "evicted";

/** What a store is made of. */
export interface RecordStoreInit {
  /** This node: of what is to give way, the farthest from it goes first. */
  readonly self: NodeId;
  /** Open; closed with the store. */
  readonly database: Database;
  readonly config: StoreConfig;
  readonly clock: Clock;
  readonly logger?: Logger;
  readonly counters?: Counters;
  /** A record was stored that was not held before in this form, has expired, or was evicted. Must not throw. */
  readonly onChange?: (change: RecordChange, entry: RecordEntry) => void;
}

// Rounding and delays on the way move an expiry by less than that; it is not worth a write. Of a short life it is less.
const maxSlackMs = 2000;
const slackShare = 0.01;
const sweepMs = 600_000;
const lostHeadMs = 2 * 3_600_000;
// What clients take in one answer, and as many withdrawn ones (docs/protocol.md).
const maxProvidersAnswered = 64;
// Reads of what is replaced again and again meanwhile.
const maxReads = 3;

const knowsNobody: Knows = () => false;

/** Keeps records. Bounded by its settings; past them it evicts what belongs elsewhere, or to whoever holds most. */
export class RecordStore implements AsyncDisposable {
  /** Numbers of this node that only grow. */
  readonly sequences: SequenceBook;
  readonly #init: RecordStoreInit;
  readonly #counters: Counters;
  readonly #index: RecordIndex;
  readonly #commits: GroupCommit;
  readonly #book: RecordBook;
  #stopSweep: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  private constructor(init: RecordStoreInit) {
    this.#init = init;
    this.#counters = init.counters ?? new Counters();
    this.#index = new RecordIndex(init.self, init.config);
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
    return this.#commits.run((changes) => this.#put(record, row, options, changes), row.length);
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
    return Math.floor((Math.min(expiresAtMs, this.#latestMs()) - this.#init.clock.wallMs()) / 1000);
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
      if (known === undefined || this.#index.get(id) === known) this.#delete(id, changes);
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

  #put(record: DhtRecord, row: Uint8Array, options: PutOptions, changes: Changes): PutOutcome {
    const { ttlS, expectedSequence, knows = knowsNobody } = options;
    const { clock, config } = this.#init;
    const id = recordId(record);
    const holder = holderOf(options);
    const expiresAtMs = clock.wallMs() + Math.min(ttlS, config.maxTtlS) * 1000;
    let held = this.#index.get(id);
    if (held !== undefined && held.expiresAtMs <= clock.wallMs()) {
      this.#delete(id, changes);
      held = undefined;
    }
    const sequence = sequenceOf(record);
    const signature = signatureOf(record);
    if (held !== undefined && isOf(record, held)) {
      return this.#refresh(held, holder, expiresAtMs, changes);
    }
    // Who has an older one is behind: the newer is for it, too.
    if (held !== undefined && expectedSequence !== undefined && held.sequence > expectedSequence) {
      throw new DswarmError("record_conflict", `it is ${held.sequence}, not ${expectedSequence}`);
    }
    if (held !== undefined && !isNewer(sequence, signature, held)) throw new DswarmError("record_stale");
    const entry: RecordEntry = {
      ...factsOf(record, id, row, holder),
      ...holder,
      expiresAtMs,
      receivedAt: clock.now(),
    };
    const before = this.#makeRoom(entry, knows, changes);
    changes.put(`m/${id}`, headToRow(entry));
    changes.put(`r/${id}`, row);
    changes.onFailure(() => (before === undefined ? this.#index.delete(id) : this.#index.set(before)));
    this.#planSweep();
    this.#init.onChange?.("stored", entry);
    return "stored";
  }

  /**
   * Enters an entry and evicts what has to give way to it. Returns the entry that was in its place.
   * @throws DswarmError `quota_exceeded` where the entry itself would have to go; nothing has changed then
   */
  #makeRoom(entry: RecordEntry, knows: Knows, changes: Changes): RecordEntry | undefined {
    const index = this.#index;
    const before = index.set(entry);
    let next = index.overflow(entry, knows);
    if (next !== undefined && this.#deleteExpired(changes) > 0) next = index.overflow(entry, knows);
    const evicted: RecordEntry[] = [];
    for (; next !== undefined && next !== entry; next = index.overflow(entry, knows)) {
      index.delete(next.id);
      evicted.push(next);
    }
    if (next !== undefined) {
      for (const each of evicted.toReversed()) index.set(each);
      if (before === undefined) index.delete(entry.id);
      else index.set(before);
      throw new DswarmError("quota_exceeded", "the part that a peer has of the store is used up");
    }
    for (const each of evicted) this.#noteEvicted(each, changes);
    return before;
  }

  #noteEvicted(entry: RecordEntry, changes: Changes): void {
    changes.del(`m/${entry.id}`);
    changes.del(`r/${entry.id}`);
    changes.onFailure(() => this.#index.set(entry));
    this.#counters.add("dht_records_evicted");
    this.#init.onChange?.("evicted", entry);
  }

  #refresh(held: RecordEntry, holder: Holder, expiresAtMs: number, changes: Changes): PutOutcome {
    const { clock } = this.#init;
    const wallMs = clock.wallMs();
    const receivedAt = clock.now();
    const slackMs = Math.min(maxSlackMs, slackShare * (expiresAtMs - wallMs));
    const claimed = this.#claimed(held, holder);
    // A clock that was set back must not let it live on longer than it may.
    const latestMs = this.#latestMs();
    const isTooLong = held.expiresAtMs > latestMs;
    if (claimed === held && !isTooLong && expiresAtMs <= held.expiresAtMs + slackMs) {
      this.#index.set({ ...held, receivedAt });
      return "refreshed";
    }
    const entry = { ...claimed, receivedAt, expiresAtMs: Math.max(expiresAtMs, Math.min(held.expiresAtMs, latestMs)) };
    this.#index.set(entry);
    changes.put(`m/${held.id}`, headToRow(entry));
    changes.onFailure(() => this.#index.set(held));
    return "refreshed";
  }

  /**
   * A held record, in the share of the peer that stores it again if that protects it better: the publisher's instead of a forwarder's,
   * the provider's own, a much smaller one. Otherwise strangers could take records into shares that give way first.
   */
  #claimed(held: RecordEntry, holder: Holder): RecordEntry {
    if (held.from === undefined || holder.isForwarded) return held;
    const bytes = held.bytes - Buffer.byteLength(held.host) + Buffer.byteLength(holder.host);
    const claimed: RecordEntry = { ...held, ...holder, bytes };
    const { from } = holder;
    if (from === undefined) return claimed;
    const isOfProvider = held.provider !== undefined && from.equals(held.provider) && !from.equals(held.from);
    const isBetter = held.isForwarded || isOfProvider || this.#index.isLighter(claimed, held);
    return isBetter && this.#index.fits(claimed) ? claimed : held;
  }

  /** The latest wall time at which any record may expire. */
  #latestMs(): number {
    const { clock, config } = this.#init;
    return clock.wallMs() + config.maxTtlS * 1000;
  }

  #delete(id: string, changes: Changes): void {
    const before = this.#index.delete(id);
    if (before === undefined) return;
    changes.del(`m/${id}`);
    changes.del(`r/${id}`);
    changes.onFailure(() => this.#index.set(before));
  }

  #deleteExpired(changes: Changes): number {
    const expired = this.#index.expired(this.#init.clock.wallMs());
    for (const entry of expired) {
      this.#delete(entry.id, changes);
      this.#init.onChange?.("expired", entry);
    }
    if (expired.length > 0) this.#counters.add("dht_records_expired", expired.length);
    return expired.length;
  }

  /** Evicts what is above the bounds, as where they were lowered since the records were stored. */
  #evictOverflow(changes: Changes): void {
    for (let next = this.#index.firstToGo; next !== undefined && this.#index.isOver; next = this.#index.firstToGo) {
      this.#index.delete(next.id);
      this.#noteEvicted(next, changes);
    }
  }

  /** Takes back what a clock gave too much that was set back since. */
  #shortenLives(changes: Changes): void {
    const latestMs = this.#latestMs();
    for (const held of this.#index.entries()) {
      if (held.expiresAtMs <= latestMs) continue;
      const entry = { ...held, expiresAtMs: latestMs };
      this.#index.set(entry);
      changes.put(`m/${held.id}`, headToRow(entry));
      changes.onFailure(() => this.#index.set(held));
    }
  }

  #planSweep(): void {
    if (this.#closed !== undefined || (this.#index.size === 0 && !this.#book.hasTombstones)) return;
    this.#stopSweep ??= this.#init.clock.setTimeout(() => {
      this.#stopSweep = undefined;
      // What cannot be deleted now is tried again with the next sweep; nobody is answered with it meanwhile.
      void this.#commits
        .run((changes) => {
          this.#deleteExpired(changes);
          this.#shortenLives(changes);
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
        if (this.#index.get(entry.id)?.signature === entry.signature) this.#delete(entry.id, changes);
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
    for await (const [key, row] of database.iterator<string, Uint8Array>(rowEncodings)) {
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
          const entry = this.#loaded(record, row, heads.get(id) ?? lostHead(self, wallMs), wallMs);
          this.#index.set(entry);
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
      this.#deleteExpired(changes);
      this.#evictOverflow(changes);
      this.#book.noteTombstones(changes);
      this.#book.dropTombstones(changes);
    });
    this.#planSweep();
  }

  #loaded(record: DhtRecord, row: Uint8Array, head: RowHead, wallMs: number): RecordEntry {
    return {
      ...factsOf(record, recordId(record), row, head),
      ...head,
      // A clock that was set back must not let it live on for ever.
      expiresAtMs: Math.min(head.expiresAtMs, wallMs + this.#init.config.maxTtlS * 1000),
      receivedAt: this.#init.clock.now(),
    };
  }
}

/**
 * The head of a record whose own was damaged: until then its publisher publishes it again, or another holder replicates it. It counts in
 * a share of this node, and may give way.
 */
function lostHead(self: NodeId, wallMs: number): RowHead {
  return { expiresAtMs: wallMs + lostHeadMs, from: self, host: "", isForwarded: true };
}

/** In whose share a record counts. */
type Holder = Pick<RecordEntry, "from" | "host" | "isForwarded">;

function holderOf({ from, host = "", isForwarded = false }: PutOptions): Holder {
  return from === undefined ? { from, host: "", isForwarded: false } : { from, host, isForwarded };
}

/** What a record says itself, and the room that it takes. */
function factsOf(record: DhtRecord, id: string, row: Uint8Array, holder: Holder) {
  return {
    id,
    key: record.key,
    kind: record.kind,
    sequence: sequenceOf(record),
    signature: signatureOf(record),
    provider: record.kind === "provider" ? record.provider.id : undefined,
    isGone: isGone(record),
    bytes: 2 * id.length + headRowBytes(holder) + row.length,
  };
}

function signatureOf(record: DhtRecord): Uint8Array | undefined {
  return record.kind === "immutable" ? undefined : record.signature;
}

function isOf(record: DhtRecord, { sequence, signature }: RecordEntry): boolean {
  return sequenceOf(record) === sequence && isSame(signatureOf(record), signature);
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

function isNewer(sequence: bigint, signature: Uint8Array | undefined, held: RecordEntry): boolean {
  if (sequence !== held.sequence) return sequence > held.sequence;
  return Buffer.compare(signature ?? new Uint8Array(), held.signature ?? new Uint8Array()) > 0;
}
