// Small files that others may have put in place of ours: read within bounds, and never if they are anything but files.
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { isMissing } from "./io-error.ts";

/** How a file is read. */
export interface SmallFileOptions {
  /** Bytes that it has at most. */
  readonly maxBytes: number;
  /** Whether it must be of this process's user, and no other user may read or change it. */
  readonly isSecret: boolean;
}

/** A file is not what it must be; the message names it and says what to do. */
export class UnsafeFileError extends Error {
  override readonly name = "UnsafeFileError";
}

/**
 * Reads a file as UTF-8 text. Links to files are followed: what they lead to is checked.
 * @returns undefined where there is no such file
 * @throws UnsafeFileError; Error of the file system
 */
export function readSmallFile(path: string, options: SmallFileOptions): string | undefined {
  let file: number;
  try {
    // Without O_NONBLOCK, to open a pipe waits for its writer.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0));
  } catch (error) {
    if (isMissing(error)) return undefined;
    // A socket, or a device without a driver.
    if (error instanceof Error && "code" in error && error.code === "ENXIO") throw notFile(path);
    throw error;
  }
  try {
    check(path, fstatSync(file), options);
    // It may grow while it is read.
    const buffer = Buffer.alloc(options.maxBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = readSync(file, buffer, length, buffer.length - length, null);
    }
    if (length > options.maxBytes) throw tooLong(path, options);
    return buffer.toString("utf8", 0, length);
  } finally {
    closeSync(file);
  }
}

function check(path: string, stats: Stats, options: SmallFileOptions): void {
  if (!stats.isFile()) throw notFile(path);
  if (options.isSecret) checkOwner(path, stats);
  if (stats.size > options.maxBytes) throw tooLong(path, options);
}

function checkOwner(path: string, { uid, mode }: Stats): void {
  const user = process.geteuid?.();
  // Windows has neither owners nor modes here.
  if (user === undefined) return;
  // Root, too, takes none of others: they know what is in it.
  if (uid !== user) {
    throw new UnsafeFileError(`${path} belongs to user ${uid}; run: chown ${user} ${path}, or give another path`);
  }
  if ((mode & 0o077) !== 0) throw new UnsafeFileError(`others may read or change ${path}; run: chmod 600 ${path}`);
}

function notFile(path: string): UnsafeFileError {
  return new UnsafeFileError(`${path} is not a file; give another path`);
}

function tooLong(path: string, { maxBytes }: SmallFileOptions): UnsafeFileError {
  return new UnsafeFileError(`${path} is too long: it may have ${maxBytes} bytes at most; move it away`);
}
