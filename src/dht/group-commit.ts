// Durable writes in groups: while one is being written to the disk, the next ones gather and are then written together
// (group commit). Work runs one piece after the other, so that it may decide by what the last has left.
import type { AbstractBatchOperation } from "abstract-level";
import { DswarmError } from "../util/errors.ts";
import type { Database } from "./database.ts";

type Operation = AbstractBatchOperation<Database, string, Uint8Array>;

// A group is closed when it has this much to write, so that the first in it need not wait for ever.
const maxGroupBytes = 4 * 1024 * 1024;
const maxGroupOperations = 4096;

// LevelDB returns from a synced write when the disk has it; others ignore the option.
const durable = { keyEncoding: "utf8", valueEncoding: "view", sync: true } as const;

/** What a piece of work has to write, and how to take back what it has done in memory should that fail. */
export class Changes {
  readonly #operations: Operation[] = [];
  readonly #undo: (() => void)[] = [];
  #bytes = 0;

  put(key: string, value: Uint8Array): void {
    this.#operations.push({ type: "put", key, value });
    this.#bytes += key.length + value.length;
  }

  del(key: string): void {
    this.#operations.push({ type: "del", key });
    this.#bytes += key.length;
  }

  /** Calls `undo` when the write fails; the last added first. */
  onFailure(undo: () => void): void {
    this.#undo.push(undo);
  }

  get isFull(): boolean {
    return this.#bytes >= maxGroupBytes || this.#operations.length >= maxGroupOperations;
  }

  /** @throws DswarmError `storage_failed`, with all undone */
  async write(database: Database): Promise<void> {
    if (this.#operations.length === 0) return;
    try {
      await database.batch(this.#operations, durable);
    } catch (cause) {
      for (const undo of this.#undo.toReversed()) undo();
      throw new DswarmError("storage_failed", undefined, { cause });
    }
  }
}

interface Job {
  /** Does the work. */
  readonly run: (changes: Changes) => void;
  /** Tells what has come of it; `error` when it could not be written. */
  readonly settle: (error?: DswarmError) => void;
}

/** Runs pieces of work in order, and writes what they change in groups. */
export class GroupCommit {
  readonly #database: Database;
  /** Bounded by the callers, each of which waits for its own. */
  #waiting: Job[] = [];
  #writing: Promise<void> | undefined;
  #isClosed = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Runs `work` when all work before it is done, and resolves with what it returns when the changes that it makes are written.
   * @throws what `work` throws; DswarmError `storage_failed` when the group cannot be written, whatever `work` has done,
   *   or after `close`
   */
  run<T>(work: (changes: Changes) => T): Promise<T> {
    if (this.#isClosed) return Promise.reject(new DswarmError("storage_failed", "the database is closed"));
    return new Promise((resolve, reject) => {
      let conclude: () => void;
      const run = (changes: Changes): void => {
        try {
          const result = work(changes);
          conclude = () => resolve(result);
        } catch (error) {
          conclude = () => reject(error);
        }
      };
      this.#waiting.push({ run, settle: (error) => (error === undefined ? conclude() : reject(error)) });
      this.#writing ??= this.#writeAll();
    });
  }

  /** Resolves when the work that was given before is done, whether or not it could be written. What comes later is not waited for. */
  async passed(): Promise<void> {
    if (this.#writing !== undefined) await Promise.allSettled([this.run(() => undefined)]);
  }

  /** Takes no more work, and resolves when all that was given is done. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#writing !== undefined) await this.#writing;
  }

  async #writeAll(): Promise<void> {
    // Work that is given in one turn of the event loop goes into one group.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const changes = new Changes();
      const jobs: Job[] = [];
      for (const job of this.#waiting) {
        if (changes.isFull) break;
        job.run(changes);
        jobs.push(job);
      }
      this.#waiting = this.#waiting.slice(jobs.length);
      let failure: DswarmError | undefined;
      try {
        await changes.write(this.#database);
      } catch (error) {
        failure = error instanceof DswarmError ? error : new DswarmError("storage_failed", undefined, { cause: error });
      }
      for (const job of jobs) job.settle(failure);
    }
    // At once: what is given from here on needs a new round.
    this.#writing = undefined;
  }
}
