// The book of what this node publishes: what it has to publish again until it is taken back. It is apart from what the node
// holds for others, as a node need not be among those that keep its own records.
//
// A tombstone (a deleted record) stays in it for as long as older copies may live, and gives way to what is published before that.
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import type { Changes, GroupCommit } from "./group-commit.ts";
import { type DhtRecord, isGone, recordId } from "./record.ts";
import type { RecordDatabase } from "./record-database.ts";
import { readRows, recordFromRow, recordToRow, sequenceToRow } from "./record-row.ts";
import type { StoreConfig } from "./store-options.ts";

/** What a book is made of. */
export interface RecordBookInit {
  readonly database: RecordDatabase;
  readonly config: StoreConfig;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  /** A record cannot be read; it is deleted. */
  readonly onDamaged: (id: string, error: unknown) => void;
}

interface Entry {
  readonly bytes: number;
  /** When the k closest last got it, on the clock's `now`; -Infinity where they have not since the book was opened. */
  placedAt: number;
  /** When a tombstone leaves the book, on the wall clock; Infinity for what is not one. */
  readonly untilMs: number;
}

/** Records that this node publishes, in rows "p/" id and "d/" id. Bounded by `maxPeerRecords` and `maxPeerBytes`. */
export class RecordBook {
  readonly #init: RecordBookInit;
  /** What is in it, by id. */
  readonly #entries = new Map<string, Entry>();
  /** Ids of tombstones, the oldest first. */
  readonly #tombstones = new Set<string>();
  #bytes = 0;

  constructor(init: RecordBookInit) {
    this.#init = init;
  }

  /** Ids of what is in it. */
  ids(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Ids of what the k closest have not got after a time, on the clock's `now`. */
  idsPlacedBefore(time: number): readonly string[] {
    return [...this.#entries].flatMap(([id, { placedAt }]) => (placedAt <= time ? id : []));
  }

  /** Notes that the k closest have got the one with an id. */
  touch(id: string, now: number): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.placedAt = now;
  }

  /** Takes all as published longer ago, by so many milliseconds. */
  age(ms: number): void {
    for (const entry of this.#entries.values()) entry.placedAt -= ms;
  }

  /** Bytes of the one with an id. */
  bytesOf(id: string): number | undefined {
    return this.#entries.get(id)?.bytes;
  }

  /**
   * Takes in what the database had when it was opened.
   * @param untilMs of a tombstone, what the row "d/" id says; undefined where there is none
   */
  load(record: DhtRecord, bytes: number, untilMs: number | undefined): void {
    const latestMs = this.#latestMs();
    const until = isGone(record) ? Math.min(untilMs ?? Infinity, latestMs) : Infinity;
    this.#set(recordId(record), { bytes, placedAt: -Infinity, untilMs: until });
  }

  /** Writes when the tombstones leave that were loaded. An older version did not note it. */
  noteTombstones(changes: Changes): void {
    for (const id of this.#tombstones) {
      const { untilMs } = this.#entries.get(id) ?? {};
      if (untilMs !== undefined) changes.put(`d/${id}`, sequenceToRow(BigInt(untilMs)));
    }
  }

  /** Whether there are tombstones, which leave in time. */
  get hasTombstones(): boolean {
    return this.#tombstones.size > 0;
  }

  /** Takes out the tombstones whose time is over. */
  dropTombstones(changes: Changes): void {
    const wallMs = this.#init.clock.wallMs();
    for (const id of this.#tombstones) {
      const entry = this.#entries.get(id);
      if (entry !== undefined && entry.untilMs <= wallMs) this.#drop(id, entry, changes);
    }
  }

  /** Notes a record in place of the one with its id. @throws DswarmError `quota_exceeded`, `storage_failed` */
  async put(record: DhtRecord, ttlS: number): Promise<void> {
    const id = recordId(record);
    const row = recordToRow(record, ttlS);
    await this.#init.commits.run((changes) => {
      const before = this.#entries.get(id);
      this.#makeRoom(id, row.length, changes);
      // Of two tombstones in a row the first says how long older copies may live.
      const untilMs = isGone(record) ? Math.min(before?.untilMs ?? Infinity, this.#latestMs()) : Infinity;
      this.#set(id, { bytes: row.length, placedAt: before?.placedAt ?? -Infinity, untilMs });
      changes.put(`p/${id}`, row);
      if (untilMs !== Infinity) changes.put(`d/${id}`, sequenceToRow(BigInt(untilMs)));
      else if (before !== undefined && before.untilMs !== Infinity) changes.del(`d/${id}`);
      changes.onFailure(() => this.#set(id, before));
    }, row.length);
  }

  /** Takes a record out. Returns whether it was in. @throws DswarmError `storage_failed` */
  delete(id: string): Promise<boolean> {
    return this.#init.commits.run((changes) => {
      const before = this.#entries.get(id);
      if (before === undefined) return false;
      this.#drop(id, before, changes);
      return true;
    });
  }

  /** @throws DswarmError `storage_failed` */
  async read(id: string): Promise<DhtRecord | undefined> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    const { database, commits, onDamaged } = this.#init;
    let [row] = await readRows(database, [`p/${id}`]);
    if (row === undefined) {
      // It is being written.
      await commits.passed();
      [row] = await readRows(database, [`p/${id}`]);
    }
    if (row === undefined) {
      // Unless it came or went meanwhile, it is lost.
      if (this.#entries.get(id) !== entry) return undefined;
      onDamaged(id, new DswarmError("record_invalid", "its row is not found"));
      await this.delete(id);
      return undefined;
    }
    try {
      return recordFromRow(row);
    } catch (error) {
      onDamaged(id, error);
      await this.delete(id);
      return undefined;
    }
  }

  /** Takes out as many tombstones, the oldest first, as a record needs. @throws DswarmError `quota_exceeded`; none is taken out then */
  #makeRoom(id: string, length: number, changes: Changes): void {
    const { maxPeerRecords, maxPeerBytes } = this.#init.config;
    const before = this.#entries.get(id);
    let records = this.#entries.size + (before === undefined ? 1 : 0);
    let bytes = this.#bytes + length - (before?.bytes ?? 0);
    const isOver = (): boolean => records > maxPeerRecords || bytes > maxPeerBytes;
    const dropped: [string, Entry][] = [];
    for (const name of this.#tombstones) {
      if (!isOver()) break;
      const entry = this.#entries.get(name);
      if (entry === undefined || name === id) continue;
      dropped.push([name, entry]);
      records -= 1;
      bytes -= entry.bytes;
    }
    if (isOver()) throw new DswarmError("quota_exceeded", "the node publishes as much as it may");
    for (const [name, entry] of dropped) this.#drop(name, entry, changes);
  }

  #drop(id: string, entry: Entry, changes: Changes): void {
    this.#set(id, undefined);
    changes.del(`p/${id}`);
    if (entry.untilMs !== Infinity) changes.del(`d/${id}`);
    changes.onFailure(() => this.#set(id, entry));
  }

  /** When the last copy of what was published until now has expired. */
  #latestMs(): number {
    const { clock, config } = this.#init;
    return clock.wallMs() + config.maxTtlS * 1000;
  }

  #set(id: string, entry: Entry | undefined): void {
    this.#bytes += (entry?.bytes ?? 0) - (this.#entries.get(id)?.bytes ?? 0);
    if (entry === undefined) this.#entries.delete(id);
    else this.#entries.set(id, entry);
    if (entry === undefined || entry.untilMs === Infinity) this.#tombstones.delete(id);
    else this.#tombstones.add(id);
  }
}
