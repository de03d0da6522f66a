// Numbers that only grow, whatever the wall clock does: the largest one given out under each name is on the disk before it is used.

import { DswarmError } from "../util/errors.ts";
import type { Changes, GroupCommit } from "./group-commit.ts";
import { recordProtocol } from "./record.ts";
import { sequenceFromRow, sequenceToRow } from "./record-row.ts";

/** What the numbers are for. */
export type SequenceName =
  | "provider" // sequences of this node's provider records, of all keys together
  | "epoch"; // epochs of this node's announces

/** The largest number given out under each name, in rows "s/" name. Bounded by the names. */
export class SequenceBook {
  readonly #commits: GroupCommit;
  readonly #last = new Map<string, bigint>();

  constructor(commits: GroupCommit) {
    this.#commits = commits;
  }

  /** Takes in a row that the database had when it was opened. @throws DswarmError `record_invalid` for a damaged one */
  load(name: string, row: Uint8Array): void {
    this.#last.set(name, sequenceFromRow(row));
  }

  /**
   * Returns the next number: `atLeast`, or one more than the last where that is larger. Resolves when it is on the disk.
   * @throws DswarmError `record_invalid` past 2^64 - 1, `storage_failed`
   */
  next(name: SequenceName, atLeast: bigint): Promise<bigint> {
    return this.#commits.run((changes) => this.#next(name, atLeast, changes));
  }

  /** The last number that was given out under a name; undefined before the first. */
  last(name: SequenceName): bigint | undefined {
    return this.#last.get(name);
  }

  #next(name: SequenceName, atLeast: bigint, changes: Changes): bigint {
    const last = this.#last.get(name);
    const next = last === undefined || last < atLeast ? atLeast : last + 1n;
    if (next > recordProtocol.maxSequence) throw new DswarmError("record_invalid", "all sequences are used up");
    // A number that could not be written is not given out again either.
    this.#last.set(name, next);
    changes.put(`s/${name}`, sequenceToRow(next));
    return next;
  }
}
