// The book of what this node publishes: what it has to publish again until it is taken back. It is apart from what the node
// holds for others, as a node need not be among those that keep its own records.
import { DswarmError } from "../util/errors.ts";
import type { Database } from "./database.ts";
import type { GroupCommit } from "./group-commit.ts";
import { type DhtRecord, recordId } from "./record.ts";
import { readRows, recordFromRow, recordToRow } from "./record-row.ts";
import type { StoreConfig } from "./store-options.ts";

/** What a book is made of. */
export interface RecordBookInit {
  readonly database: Database;
  readonly config: StoreConfig;
  readonly commits: GroupCommit;
  /** A record cannot be read; it is deleted. */
  readonly onDamaged: (id: string, error: unknown) => void;
}

interface Entry {
  readonly bytes: number;
  /** When the k closest last got it, on the clock's `now`; -Infinity where they have not since the book was opened. */
  placedAt: number;
}

/** Records that this node publishes, in rows "p/" id. Bounded by `maxPeerRecords` and `maxPeerBytes`. */
export class RecordBook {
  readonly #init: RecordBookInit;
  /** What is in it, by id. */
  readonly #entries = new Map<string, Entry>();
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

  /** Bytes of the one with an id. */
  bytesOf(id: string): number | undefined {
    return this.#entries.get(id)?.bytes;
  }

  /** Takes in what the database had when it was opened. */
  load(id: string, bytes: number): void {
    this.#set(id, { bytes, placedAt: -Infinity });
  }

  /** Notes a record in place of the one with its id. @throws DswarmError `quota_exceeded`, `storage_failed` */
  async put(record: DhtRecord, ttlS: number): Promise<void> {
    const id = recordId(record);
    const row = recordToRow(record, ttlS);
    await this.#init.commits.run((changes) => {
      const { maxPeerRecords, maxPeerBytes } = this.#init.config;
      const before = this.#entries.get(id);
      const records = this.#entries.size + (before === undefined ? 1 : 0);
      const bytes = this.#bytes + row.length - (before?.bytes ?? 0);
      if (records > maxPeerRecords || bytes > maxPeerBytes) {
        throw new DswarmError("quota_exceeded", "the node publishes as much as it may");
      }
      this.#set(id, { bytes: row.length, placedAt: before?.placedAt ?? -Infinity });
      changes.put(`p/${id}`, row);
      changes.onFailure(() => this.#set(id, before));
    }, row.length);
  }

  /** Takes a record out. Returns whether it was in. @throws DswarmError `storage_failed` */
  delete(id: string): Promise<boolean> {
    return this.#init.commits.run((changes) => {
      const before = this.#entries.get(id);
      if (before === undefined) return false;
      this.#set(id, undefined);
      changes.del(`p/${id}`);
      changes.onFailure(() => this.#set(id, before));
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

  #set(id: string, entry: Entry | undefined): void {
    this.#bytes += (entry?.bytes ?? 0) - (this.#entries.get(id)?.bytes ?? 0);
    if (entry === undefined) this.#entries.delete(id);
    else this.#entries.set(id, entry);
  }
}
