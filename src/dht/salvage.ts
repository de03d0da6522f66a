// Takes out of the files of a damaged database all that is still readable, whatever its manifest says. `ClassicLevel.repair`
// does less: it loses a table whose index is damaged, and the rest of a log's block after a damaged header.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ioCodeOf } from "../util/io-error.ts";
import { levelFiles, logName } from "./database-check.ts";
import { type LevelEntry, readBatch } from "./level-entry.ts";
import { readLog } from "./level-log.ts";
import { isTableSound, tableEntries } from "./level-table.ts";

/** The writes that salvage makes. */
interface Sink {
  batch(operations: readonly Operation[], options: { readonly sync: boolean }): Promise<void>;
}

type Operation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

/** What was salvaged. */
export interface Salvaged {
  /** Rows that are there now. */
  readonly rows: number;
  /** Whether all files that hold rows were read to their end, each checksum right. */
  readonly isWhole: boolean;
}

const batchOperations = 256;
// Of what was written under a key, this is known: when, and whether it was a deletion.
interface Known {
  readonly sequence: bigint;
  readonly isRow: boolean;
}

/**
 * Copies the newest readable value of each key. What has a wrong checksum is taken only under keys that nothing else has: rows have
 * checksums of their own.
 * @param path the directory of the damaged database, which stays as it is
 * @throws Error of the file system, or of the database that is written
 */
export async function salvage(path: string, sink: Sink): Promise<Salvaged> {
  const { logs, tables } = await levelFiles(path);
  /** Bounded by the keys of the database. */
  const known = new Map<string, Known>();
  let isWhole = true;
  let waiting: Operation[] = [];
  const flush = async (sync: boolean): Promise<void> => {
    await sink.batch(waiting, { sync });
    waiting = [];
  };
  const doubtful: (() => Promise<Iterable<LevelEntry>>)[] = [];
  const take = async (entries: Iterable<LevelEntry>): Promise<void> => {
    for (const { key, value, sequence, isSound } of entries) {
      const text = Buffer.from(key).toString("latin1");
      const before = known.get(text);
      if (before !== undefined && (!isSound || before.sequence >= sequence)) continue;
      known.set(text, { sequence: isSound ? sequence : -1n, isRow: value !== undefined });
      waiting.push(value === undefined ? { type: "del", key } : { type: "put", key, value });
      if (waiting.length >= batchOperations) await flush(false);
    }
  };
  const readTable = (name: string) => readRegular(join(path, name));
  for (const name of tables.values()) {
    const table = await readTable(name);
    await take(tableEntries(table, true));
    if (isTableSound(table)) continue;
    isWhole = false;
    doubtful.push(async () => tableEntries(await readTable(name), false));
  }
  for (const number of logs) {
    const name = join(path, logName(number));
    const content = logEntries(await readRegular(name));
    await take(content.entries.filter(({ isSound }) => isSound));
    if (content.isWhole) continue;
    isWhole = false;
    doubtful.push(async () => logEntries(await readRegular(name)).entries.filter(({ isSound }) => !isSound));
  }
  for (const read of doubtful) await take(await read());
  await flush(true);
  let rows = 0;
  for (const { isRow } of known.values()) if (isRow) rows += 1;
  return { rows, isWhole };
}

function logEntries(file: Uint8Array): { readonly entries: LevelEntry[]; readonly isWhole: boolean } {
  const { records, isDamaged } = readLog(file);
  const entries: LevelEntry[] = [];
  let isWhole = !isDamaged;
  for (const { bytes, isSound } of records) isWhole = readBatch(bytes, isSound, entries) && isWhole;
  return { entries, isWhole };
}

/** Reads a file; nothing of a directory in its place. */
async function readRegular(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    if (ioCodeOf(error) === "EISDIR") return new Uint8Array(0);
    throw error;
  }
}
