// LevelDB in a directory, opened so that it never deletes what it cannot read.
import { chmod } from "node:fs/promises";
import { ClassicLevel } from "classic-level";
import { ioCodeOf } from "../util/io-error.ts";
import { type Logger, silentLogger } from "../util/log.ts";
import { makeDirectory } from "../util/make-directory.ts";
import { DamagedDatabaseError } from "./damaged-database-error.ts";
import { checkDatabase } from "./database-check.ts";
import { checkDescriptors, checkSpace } from "./disk-room.ts";

const encodings = { keyEncoding: "view", valueEncoding: "view" } as const;

/** A LevelDB database. After a write that failed it must be opened again: what LevelDB appends to a half-written log, it loses. */
export class DiskDatabase extends ClassicLevel<Uint8Array, Uint8Array> {
  #reopening: Promise<void> | undefined;

  private constructor(path: string) {
    super(path, encodings);
  }

  /**
   * Opens the database in a directory; makes both (mode 0700) where there are none.
   * @throws DamagedDatabaseError; Error of the file system or of LevelDB. In all these cases the files are as they were.
   */
  static async open(path: string, logger: Logger = silentLogger): Promise<DiskDatabase> {
    await checkDescriptors();
    await makeDirectory(path, 0o700);
    // Whatever the umask is, and whoever made it: LevelDB's files in it may be readable by others.
    await chmod(path, 0o700);
    await probeLock(path);
    const found = await checkDatabase(path);
    if (found.state === "damaged") throw new DamagedDatabaseError(found.reason);
    const createIfMissing = found.state === "absent";
    const database = new DiskDatabase(path);
    try {
      await database.open({ createIfMissing });
    } catch (error) {
      if (ioCodeOf(error) !== "LEVEL_CORRUPTION") throw error;
      throw new DamagedDatabaseError("LevelDB cannot read it", { cause: error });
    }
    if (found.state === "sound" && found.cutOff !== undefined) {
      logger.warn(
        { event: "database_cut_off", path, file: found.cutOff },
        "the last write before a crash is not whole",
      );
    }
    return database;
  }

  /** Resolves when no reopening is under way. */
  async settled(): Promise<void> {
    await this.#reopening?.catch(() => undefined);
  }

  /**
   * Closes the database and opens it again, once there is room for that; until then what it holds can be read.
   * @throws as `open`
   */
  reopen(): Promise<void> {
    this.#reopening ??= this.#reopen().finally(() => {
      this.#reopening = undefined;
    });
    return this.#reopening;
  }

  async #reopen(): Promise<void> {
    await checkDescriptors();
    await checkSpace(this.location);
    await this.close();
    const found = await checkDatabase(this.location);
    if (found.state !== "sound") throw new DamagedDatabaseError("its files have changed; start the node again");
    await this.open({ createIfMissing: false });
  }
}

/**
 * Makes sure that nobody has the database open. LevelDB takes the lock first, and with these options opens nothing after that.
 * @throws Error with the code LEVEL_LOCKED, or of LevelDB where it can take no lock
 */
async function probeLock(path: string): Promise<void> {
  const probe = new ClassicLevel(path);
  try {
    await probe.open({ createIfMissing: false, errorIfExists: true });
    await probe.close();
  } catch (error) {
    const code = ioCodeOf(error);
    if (code === "LEVEL_LOCKED" || code === "LEVEL_IO_ERROR") throw error;
  }
}
