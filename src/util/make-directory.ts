// Makes directories with those above them. `mkdir` of Node.js with `recursive` never returns where a file system answers ENOENT
// though the directory above is there, as /proc does.
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { isMissing } from "./io-error.ts";
import { UnsafeFileError } from "./small-file.ts";

/**
 * Makes a directory, and those above it that are missing, with a mode that the umask narrows.
 * @returns whether it was missing
 * @throws UnsafeFileError where something else is in its place; Error of the file system
 */
export async function makeDirectory(path: string, mode: number): Promise<boolean> {
  const above = dirname(path);
  try {
    return await make(path, mode);
  } catch (error) {
    if (!isMissing(error) || above === path) throw error;
  }
  // Another may have made it meanwhile, which is as good.
  await makeDirectory(above, mode);
  return await make(path, mode);
}

async function make(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isDirectory() === true) return false;
    if (stats !== undefined) throw new UnsafeFileError(`${path} is not a directory; give another path`);
    throw error;
  }
}
