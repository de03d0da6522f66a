// What a crash of the machine must not undo: the names in a directory.
import { open } from "node:fs/promises";

/** Writes the names in a directory to the disk. Does nothing on Windows, which opens no directories. @throws Error of the file system */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
