// The database that a node keeps its records in: in memory, or LevelDB in a directory. A damaged one never stops a node.
import { rename } from "node:fs/promises";
import type { AbstractLevel } from "abstract-level";
import { ClassicLevel } from "classic-level";
import { MemoryLevel } from "memory-level";
import { type Clock, systemClock } from "../util/clock.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import { type Logger, silentLogger } from "../util/log.ts";

/** Any database of the abstract-level family. What uses it names its own encodings. */
export type Database = AbstractLevel<string | Buffer | Uint8Array, Uint8Array, Uint8Array>;

const encodings = { keyEncoding: "view", valueEncoding: "view" } as const;

/**
 * Opens the database in a directory, which is made where it is missing. All of it is read once: what LevelDB cannot read is
 * renamed to "PATH.damaged-MILLISECONDS", and an empty database takes its place. The caller closes it.
 * @param path undefined for one in memory
 * @throws DswarmError `data_dir_in_use` when another process, or this one, has it open; `data_dir_invalid` when there can
 *   be no database at the path
 */
export async function openDatabase(
  path: string | undefined,
  logger: Logger = silentLogger,
  clock: Pick<Clock, "wallMs"> = systemClock,
): Promise<Database> {
  if (path === undefined) {
    const database = new MemoryLevel<Uint8Array, Uint8Array>(encodings);
    await database.open();
    return database;
  }
  try {
    return await openReadable(path);
  } catch (error) {
    if (codeOf(error) === "LEVEL_LOCKED") throw new DswarmError("data_dir_in_use", path, { cause: error });
    // Without a LEVEL_ code it is the file system that has no directory there.
    if (!codeOf(error)?.startsWith("LEVEL_")) throw new DswarmError("data_dir_invalid", path, { cause: error });
    return replaceDamaged(path, error, logger, clock);
  }
}

async function replaceDamaged(
  path: string,
  damage: unknown,
  logger: Logger,
  clock: Pick<Clock, "wallMs">,
): Promise<Database> {
  const damaged = `${path}.damaged-${clock.wallMs()}`;
  let isAside = false;
  try {
    await rename(path, damaged);
    isAside = true;
    const database = await openReadable(path);
    logger.error(
      { event: "database_damaged", path, damaged, reason: messageOf(damage) },
      "the database is damaged; it is set aside and an empty one takes its place",
    );
    return database;
  } catch (cause) {
    // Where none can be opened, a full disk for one, the database was not what is at fault.
    if (isAside) await rename(damaged, path).catch((error: unknown) => reportStuck(logger, damaged, error));
    throw new DswarmError("data_dir_invalid", path, { cause });
  }
}

function reportStuck(logger: Logger, damaged: string, error: unknown): void {
  logger.error({ event: "database_stuck", damaged, reason: messageOf(error) }, "the database cannot be put back");
}

async function openReadable(path: string): Promise<Database> {
  const database = new ClassicLevel<Uint8Array, Uint8Array>(path, encodings);
  try {
    await database.open();
    const iterator = database.iterator({ fillCache: false });
    try {
      for (let rows = await iterator.nextv(256); rows.length > 0; rows = await iterator.nextv(256));
    } finally {
      await iterator.close();
    }
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** The code of what LevelDB or the file system reports; "LEVEL_DATABASE_NOT_OPEN" only wraps it. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return code === undefined || code === "LEVEL_DATABASE_NOT_OPEN" ? (codeOf(error.cause) ?? code) : code;
}
