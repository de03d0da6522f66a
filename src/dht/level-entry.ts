// Entries of LevelDB: a key and its value, or that it is deleted, under a number that grows with each write.
import { LevelCursor, uint32At, uint64At } from "./level-cursor.ts";

/** What was written last under a key, as one file has it. */
export interface LevelEntry {
  readonly key: Uint8Array;
  /** Undefined where the key was deleted. */
  readonly value: Uint8Array | undefined;
  /** Larger for what was written later. */
  readonly sequence: bigint;
  /** Whether the checksums around it are right. */
  readonly isSound: boolean;
}

const batchHeaderBytes = 12;

/** Reads the entries of a record of a log, up to the first that is unreadable. Returns whether that is all. */
export function readBatch(record: Uint8Array, isSound: boolean, entries: LevelEntry[]): boolean {
  if (record.length < batchHeaderBytes) return false;
  let sequence = uint64At(record, 0);
  const count = uint32At(record, 8);
  const cursor = new LevelCursor(record, batchHeaderBytes);
  try {
    for (let i = 0; !cursor.isAtEnd; i++) {
      if (i === count && isSound) return false;
      const type = cursor.byte();
      if (type > 1) return false;
      const key = cursor.prefixed();
      const value = type === 1 ? cursor.prefixed() : undefined;
      entries.push({ key, value, sequence, isSound });
      sequence += 1n;
    }
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
