// LevelDB's manifest: a log of which files make up the database.
import { LevelCursor } from "./level-cursor.ts";
import { readLog } from "./level-log.ts";

/** What a manifest says. */
export interface Manifest {
  /** The smallest number of a log that is in use; 0 for a database that was never opened since it was made. */
  readonly logNumber: number;
  /** Bytes of each table, by its number. */
  readonly tables: ReadonlyMap<number, number>;
}

const comparator = "leveldb.BytewiseComparator";

/** Reads a manifest. Undefined for one that is damaged. */
export function readManifest(file: Uint8Array): Manifest | undefined {
  const { records, isDamaged } = readLog(file);
  if (isDamaged || records.length === 0) return undefined;
  const tables = new Map<number, number>();
  let logNumber = 0;
  try {
    for (const { bytes } of records) {
      const cursor = new LevelCursor(bytes);
      while (!cursor.isAtEnd) logNumber = readField(cursor, tables) ?? logNumber;
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return { logNumber, tables };
}

/** Returns the number of the log where the field has it. @throws RangeError for what is no field */
function readField(cursor: LevelCursor, tables: Map<number, number>): number | undefined {
  const tag = cursor.varint();
  switch (tag) {
    case 1: {
      const name = Buffer.from(cursor.prefixed()).toString("latin1");
      if (name !== comparator) throw new RangeError("the database has another order");
      return undefined;
    }
    case 2:
      return cursor.varint();
    case 3: // The next number of a file.
    case 4: // The last sequence.
    case 9: // The number of the log before; not used any more.
      cursor.varint();
      return undefined;
    case 5: // Where the compaction of a level goes on.
      cursor.varint();
      cursor.prefixed();
      return undefined;
    case 6:
      cursor.varint();
      tables.delete(cursor.varint());
      return undefined;
    case 7: {
      cursor.varint();
      const number = cursor.varint();
      tables.set(number, cursor.varint());
      cursor.prefixed();
      cursor.prefixed();
      return undefined;
    }
    default:
      throw new RangeError(`no field has the tag ${tag}`);
  }
}
