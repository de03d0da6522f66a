// The database that a node keeps its records in: in memory, or LevelDB in a directory. An error of the disk is no damage, and
// leaves it as it is; what is damaged is salvaged into a new one, and the old one is kept.
//
//     PATH                   the database
//     PATH.salvaged          what is salvaged, until it takes the place of the damaged one
//     PATH.damaged-MILLIS    the damaged ones, the newest 3
import { readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { AbstractLevel } from "abstract-level";
import { MemoryLevel } from "memory-level";
import { type Clock, systemClock } from "../util/clock.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import { ioCodeOf, ioMessageOf, isMissing } from "../util/io-error.ts";
import { type Logger, silentLogger } from "../util/log.ts";
import { syncDirectory } from "../util/sync-directory.ts";
import { DamagedDatabaseError } from "./damaged-database-error.ts";
import type { DiskDatabase } from "./disk-database.ts";
import { salvage } from "./salvage.ts";

/** Any database of the abstract-level family. Its users name their own encodings. */
export type Database = AbstractLevel<string | Buffer | Uint8Array, Uint8Array, Uint8Array> &
  Partial<Pick<DiskDatabase, "reopen" | "settled">>;

/** Settings of an open database, all optional. */
export interface DatabaseOptions {
  /** @default silent */
  readonly logger?: Logger;
  /** @default systemClock */
  readonly clock?: Pick<Clock, "wallMs">;
  /** Whether an empty database replaces a damaged one of which nothing can be read. That one is kept aside. @default false */
  readonly replaceDamaged?: boolean;
}

const maxDamagedKept = 3;

/**
 * Opens the database in a directory, which is made (mode 0700) where it is missing. All its files are checked first. Where one is
 * damaged, all rows that are still readable are copied into a new database, which takes its place; the damaged one is
 * renamed to "PATH.damaged-MILLISECONDS". The caller closes it.
 * @param path undefined for one in memory
 * @throws DswarmError `data_dir_in_use` when another process, or this one, has it open; `storage_failed` when the disk does not
 *   let it be opened, `database_damaged` when nothing of it can be read, `data_dir_invalid` when there can be no database at
 *   the path; then all files are as they were
 */
export async function openDatabase(path: string | undefined, options: DatabaseOptions = {}): Promise<Database> {
  if (path === undefined) {
    const database = new MemoryLevel<Uint8Array, Uint8Array>({ keyEncoding: "view", valueEncoding: "view" });
    await database.open();
    return database;
  }
  try {
    await finishReplacing(path);
    return await openOnDisk(path, options.logger);
  } catch (error) {
    if (!(error instanceof DamagedDatabaseError)) throw refusalOf(path, error);
    try {
      return await openSalvaged(path, error.message, options);
    } catch (failure) {
      throw refusalOf(path, failure);
    }
  }
}

/** @throws DswarmError `data_dir_invalid` where LevelDB is not installed; what `DiskDatabase.open` throws */
async function openOnDisk(path: string, logger?: Logger): Promise<DiskDatabase> {
  const { DiskDatabase } = await import("./disk-database.ts").catch((error: unknown) => {
    if (ioCodeOf(error) !== "ERR_MODULE_NOT_FOUND") throw error;
    const detail =
      "a data directory needs the package classic-level, which is not installed: npm install classic-level";
    throw new DswarmError("data_dir_invalid", detail, { cause: error });
  });
  return DiskDatabase.open(path, logger);
}

function refusalOf(path: string, error: unknown): DswarmError {
  if (error instanceof DswarmError) return error;
  const code = ioCodeOf(error);
  if (code === "LEVEL_LOCKED") return new DswarmError("data_dir_in_use", path, { cause: error });
  if (code === "ENOTDIR" || code === "EEXIST" || code === "EISDIR") {
    return new DswarmError("data_dir_invalid", messageOf(error), { cause: error });
  }
  return new DswarmError("storage_failed", `${path} is left as it is: ${ioMessageOf(error)}`, { cause: error });
}

/** Puts in its place what was salvaged by a process that was stopped after it had moved the damaged one. */
async function finishReplacing(path: string): Promise<void> {
  const salvaged = salvagedPath(path);
  if (!(await exists(salvaged))) return;
  if (await exists(path)) await rm(salvaged, { recursive: true });
  else await rename(salvaged, path);
}

/** @throws DswarmError `database_damaged`; what `DiskDatabase.open` throws */
async function openSalvaged(path: string, reason: string, options: DatabaseOptions): Promise<Database> {
  const { logger = silentLogger, clock = systemClock, replaceDamaged = false } = options;
  const salvaged = salvagedPath(path);
  const damaged = `${path}.damaged-${clock.wallMs()}`;
  let rows: number;
  let isWhole: boolean;
  try {
    const database = await openOnDisk(salvaged);
    try {
      ({ rows, isWhole } = await salvage(path, database));
    } finally {
      await database.close();
    }
    if (rows === 0 && !replaceDamaged && (!isWhole || reason.endsWith(" is missing"))) {
      const hint = "restore it from a copy, or start with --replace-damaged to begin with an empty one";
      throw new DswarmError("database_damaged", `${path}: ${reason}, and no record in it can be read; ${hint}`);
    }
    await replace(path, salvaged, damaged);
  } catch (error) {
    await rm(salvaged, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  const fields = { event: "database_damaged", path, damaged, reason, rows, isWhole };
  logger.error(fields, "the database was damaged: what is readable of it is in use, and it is kept as it was");
  await dropOldest(path);
  return await openOnDisk(path);
}

async function replace(path: string, salvaged: string, damaged: string): Promise<void> {
  // A rename would replace an empty directory.
  if (await exists(damaged)) throw new DswarmError("data_dir_invalid", `${damaged} is there already; move it away`);
  await syncDirectory(salvaged);
  await rename(path, damaged);
  try {
    await rename(salvaged, path);
  } catch (error) {
    await rename(damaged, path);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Removes the oldest of the damaged databases. */
async function dropOldest(path: string): Promise<void> {
  const prefix = `${basename(path)}.damaged-`;
  const kept = (await readdir(dirname(path)))
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .sort((a, b) => Number(a.slice(prefix.length)) - Number(b.slice(prefix.length)));
  for (const name of kept.slice(0, -maxDamagedKept)) await rm(join(dirname(path), name), { recursive: true });
}

function salvagedPath(path: string): string {
  return `${path}.salvaged`;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
