// Durable writes in groups: while one is being written to the disk, the next ones gather and are then written together
// (group commit). Work runs one piece after the other, so that it may decide by what the last has left.
//
// After a write that failed, as on a full disk, nothing more is written until the database was opened again, which is tried
// with growing delays. Reads go on meanwhile.
import { type Clock, jittered, systemClock } from "../util/clock.ts";
import { Counters } from "../util/counters.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import { ioAdviceFor, ioMessageOf } from "../util/io-error.ts";
import { type Logger, silentLogger } from "../util/log.ts";
import type { DatabaseOperation, RecordDatabase } from "./record-database.ts";

// A group is closed when it has this much to write, so that the first in it need not wait for ever.
const maxGroupBytes = 4 * 1024 * 1024;
const maxGroupOperations = 4096;

// LevelDB returns from a synced write when the disk has it; others ignore the option.
const durable = { keyEncoding: "utf8", valueEncoding: "view", sync: true } as const;

/** What a piece of work has to write, and how to take back what it has done in memory should that fail. */
export class Changes {
  readonly #operations: DatabaseOperation[] = [];
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

  get isEmpty(): boolean {
    return this.#operations.length === 0;
  }

  /** Takes back what was done in memory. */
  undo(): void {
    for (const undo of this.#undo.toReversed()) undo();
  }

  /** @throws Error of the database */
  async write(database: RecordDatabase): Promise<void> {
    await database.batch(this.#operations, durable);
  }
}

interface Job {
  /** Does the work. */
  readonly run: (changes: Changes) => void;
  /** Reports the outcome; `error` when it could not be written. */
  readonly settle: (error?: DswarmError) => void;
  /** Bytes of it that count while it waits. */
  readonly cost: number;
}

/** What a group commit needs besides its database, all optional. */
export interface GroupCommitOptions {
  /** @default systemClock */
  readonly clock?: Clock;
  /** @default silent */
  readonly logger?: Logger;
  /** Counts `storage.failed_writes` and `storage.refused_writes`. @default nowhere */
  readonly counters?: Counters;
  /** Bytes of the work that waits for a slow disk at most; further work is refused. @default 33554432 */
  readonly maxWaitingBytes?: number;
}

/** The defaults of GroupCommitOptions that are plain values. */
const groupCommitDefaults = Object.freeze({ maxWaitingBytes: 32 * 1024 * 1024 });

const firstRetryMs = 1000;
const lastRetryMs = 60_000;
/** A piece of work takes about this much besides the bytes that it writes. */
const jobBytes = 512;

/** Runs pieces of work in order, and writes what they change in groups. */
export class GroupCommit {
  readonly #database: RecordDatabase;
  readonly #options: Required<GroupCommitOptions>;
  /** Bounded by `maxWaitingBytes`. */
  #waiting: Job[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  /** Why nothing is written; undefined while all is well. */
  #fault: DswarmError | undefined;
  #retryMs = firstRetryMs;
  #stopRetry: (() => void) | undefined;
  #mending: Promise<void> | undefined;
  #isClosed = false;

  constructor(database: RecordDatabase, options: GroupCommitOptions = {}) {
    this.#database = database;
    this.#options = {
      clock: options.clock ?? systemClock,
      logger: options.logger ?? silentLogger,
      counters: options.counters ?? new Counters(),
      maxWaitingBytes: options.maxWaitingBytes ?? groupCommitDefaults.maxWaitingBytes,
    };
  }

  /**
   * Runs `work` when all work before it is done, and resolves with what it returns when the changes that it makes are written.
   * @param bytes how much it is about to write
   * @throws what `work` throws; DswarmError `storage_failed` when the group cannot be written, whatever `work` has done,
   *   when too much waits already, or after `close`
   */
  run<T>(work: (changes: Changes) => T, bytes = 0): Promise<T> {
    if (this.#isClosed) return Promise.reject(new DswarmError("storage_failed", "the database is closed"));
    const cost = bytes + jobBytes;
    if (this.#waitingBytes > 0 && this.#waitingBytes + cost > this.#options.maxWaitingBytes) {
      this.#options.counters.add("storage.refused_writes");
      return Promise.reject(new DswarmError("storage_failed", "the disk is too slow: too many writes wait for it"));
    }
    this.#waitingBytes += cost;
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
      const settle = (error?: DswarmError): void => (error === undefined ? conclude() : reject(error));
      this.#waiting.push({ run, settle, cost });
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
    this.#stopRetry?.();
    while (this.#writing !== undefined) await this.#writing;
    await this.#mending;
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
      const failure = changes.isEmpty ? undefined : await this.#write(changes);
      for (const { cost } of jobs) this.#waitingBytes -= cost;
      for (const job of jobs) job.settle(failure);
    }
    // At once: what is given from here on needs a new round.
    this.#writing = undefined;
  }

  /** Returns why it failed. */
  async #write(changes: Changes): Promise<DswarmError | undefined> {
    const { logger } = this.#options;
    try {
      if (this.#fault === undefined) {
        await changes.write(this.#database);
        return undefined;
      }
    } catch (cause) {
      // A peer may see it: it names no path.
      const failure = new DswarmError("storage_failed", ioAdviceFor(cause), { cause });
      const reason = ioMessageOf(cause);
      logger.error({ event: "storage_failed", reason }, "nothing is stored until the database can be written again");
      if (this.#database.reopen === undefined) return this.#undone(changes, failure);
      this.#fault = failure;
      this.#retryMs = firstRetryMs;
      this.#planMending();
    }
    return this.#undone(changes, this.#fault);
  }

  #undone(changes: Changes, failure: DswarmError): DswarmError {
    this.#options.counters.add("storage.failed_writes");
    changes.undo();
    return failure;
  }

  #planMending(): void {
    const { clock } = this.#options;
    if (this.#isClosed) return;
    this.#stopRetry = clock.setTimeout(
      () => {
        this.#mending = this.#mend().finally(() => {
          this.#mending = undefined;
        });
      },
      jittered(clock, this.#retryMs, 0.2),
    );
    this.#retryMs = Math.min(2 * this.#retryMs, lastRetryMs);
  }

  async #mend(): Promise<void> {
    const { logger } = this.#options;
    try {
      await this.#database.reopen?.();
      this.#fault = undefined;
      logger.warn({ event: "storage_recovered" }, "the database can be written again");
    } catch (error) {
      logger.debug({ event: "storage_still_failing", reason: messageOf(error) }, "it is tried again");
      this.#planMending();
    }
  }
}
