// Small files that are read while they are replaced.
import { open, rename } from "node:fs/promises";

/**
 * Replaces a file at once (mode 0600): a reader, and who comes after a crash, sees the old text or the new one.
 * @throws Error of the file system
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  const file = await open(draft, "w", 0o600);
  try {
    // A draft that a crash has left keeps the mode that it has.
    await file.chmod(0o600);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}
