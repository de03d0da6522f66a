// Whether there is room for a database to be opened: LevelDB goes on without a log that it cannot open, and deletes it.
import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { levelFiles, logName } from "./database-check.ts";

// LevelDB has at most 6 files open while it opens a database, and the node opens its ports at the same time.
const descriptors = 12;
const spareBytes = 256 * 1024;

/** Makes sure that files can be opened. @throws Error of the file system, EMFILE and ENFILE among them */
export async function checkDescriptors(): Promise<void> {
  const opened = await Promise.allSettled(Array.from({ length: descriptors }, () => open(import.meta.filename, "r")));
  let failure: unknown;
  for (const result of opened) {
    if (result.status === "fulfilled") await result.value.close();
    else failure ??= result.reason;
  }
  if (failure !== undefined) throw failure;
}

/**
 * Makes sure that the disk has room for what LevelDB writes when it opens a database: its logs, as tables.
 * @throws Error of the file system, ENOSPC and EDQUOT among them
 */
export async function checkSpace(path: string): Promise<void> {
  const { logs } = await levelFiles(path);
  const sizes = await Promise.all(logs.map(async (number) => (await stat(join(path, logName(number)))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, spareBytes);
  const probe = join(path, "room");
  try {
    const file = await open(probe, "w", 0o600);
    try {
      const block = new Uint8Array(spareBytes).fill(0xa5);
      for (let written = 0; written < bytes; written += block.length) await file.write(block);
      await file.sync();
    } finally {
      await file.close();
    }
  } finally {
    await rm(probe, { force: true });
  }
}
