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

/** Records that this node publishes, in rows "p/" id. Bounded by `maxPeerRecords` and `maxPeerBytes`. */
export class RecordBook {
  readonly #init: RecordBookInit;
  /** Bytes of each, by id. */
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  constructor(init: RecordBookInit) {
    this.#init = init;
  }

  /** Ids of what is in it. */
  ids(): readonly string[] {
    return [...this.#sizes.keys()];
  }

  /** Bytes of the one with an id. */
  bytesOf(id: string): number | undefined {
    return this.#sizes.get(id);
  }

  /** Takes in what the database had when it was opened. */
  load(id: string, bytes: number): void {
    this.#note(id, bytes);
  }

  /** Notes a record in place of the one with its id. @throws DswarmError `quota_exceeded`, `storage_failed` */
  async put(record: DhtRecord, ttlS: number): Promise<void> {
    const id = recordId(record);
    const row = recordToRow(record, ttlS);
    await this.#init.commits.run((changes) => {
      const { maxPeerRecords, maxPeerBytes } = this.#init.config;
      const before = this.#sizes.get(id);
      const records = this.#sizes.size + (before === undefined ? 1 : 0);
      const bytes = this.#bytes + row.length - (before ?? 0);
      if (records > maxPeerRecords || bytes > maxPeerBytes) {
        throw new DswarmError("quota_exceeded", "the node publishes as much as it may");
      }
      this.#note(id, row.length);
      changes.put(`p/${id}`, row);
      changes.onFailure(() => this.#note(id, before));
    });
  }

  /** Takes a record out. Returns whether it was in. @throws DswarmError `storage_failed` */
  delete(id: string): Promise<boolean> {
    return this.#init.commits.run((changes) => {
      const before = this.#sizes.get(id);
      if (before === undefined) return false;
      this.#note(id, undefined);
      changes.del(`p/${id}`);
      changes.onFailure(() => this.#note(id, before));
      return true;
    });
  }

  /** @throws DswarmError `storage_failed` */
  async read(id: string): Promise<DhtRecord | undefined> {
    if (!this.#sizes.has(id)) return undefined;
    const { database, commits, onDamaged } = this.#init;
    let [row] = await readRows(database, [`p/${id}`]);
    if (row === undefined) {
      // It is being written.
      await commits.passed();
      [row] = await readRows(database, [`p/${id}`]);
    }
    if (row === undefined) return undefined;
    try {
      return recordFromRow(row);
    } catch (error) {
      onDamaged(id, error);
      await this.delete(id);
      return undefined;
    }
  }

  #note(id: string, bytes: number | undefined): void {
    this.#bytes += (bytes ?? 0) - (this.#sizes.get(id) ?? 0);
    if (bytes === undefined) this.#sizes.delete(id);
    else this.#sizes.set(id, bytes);
  }
}
