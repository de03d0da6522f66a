// Directories in which no other user may put, replace or remove a file.
import { chmod, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { makeDirectory } from "./make-directory.ts";
import { UnsafeFileError } from "./small-file.ts";

const groupOrOthersWrite = 0o022;
const othersWrite = 0o002;
const sticky = 0o1000;

/**
 * Makes a directory (mode 0700, whatever the umask is) where it is missing. As ssh does, it refuses one of another user, one that its
 * group or others may write to, and one below a directory that all may write to (except where only owners may rename, as in /tmp).
 * @throws UnsafeFileError; Error of the file system
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  const isNew = await makeDirectory(path, 0o700);
  if (isNew) await chmod(path, 0o700);
  const user = process.geteuid?.();
  // Windows has neither owners nor modes here.
  if (user === undefined) return;
  const real = await realpath(path);
  const { uid, mode } = await stat(real);
  if (uid !== user) {
    throw new UnsafeFileError(
      `${path} belongs to user ${uid}, who may replace what is in it; run: chown ${user} ${path}`,
    );
  }
  if ((mode & groupOrOthersWrite) !== 0) {
    throw new UnsafeFileError(`others may replace what is in ${path}; run: chmod 700 ${path}`);
  }
  for (let above = dirname(real), below = real; above !== below; below = above, above = dirname(above)) {
    const parent = await stat(above);
    if ((parent.mode & othersWrite) !== 0 && (parent.mode & sticky) === 0) {
      throw new UnsafeFileError(`all users may replace ${below}; run: chmod o-w ${above}, or use another directory`);
    }
  }
}
