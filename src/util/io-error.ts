// Errors of the file system: what they mean to the owner of the machine.
import { messageOf } from "./errors.ts";

interface Kind {
  readonly code: string;
  /** The text of such an error, where LevelDB reports it without the code. */
  readonly pattern: RegExp;
  readonly advice: string;
}

const kinds: readonly Kind[] = [
  { code: "ENOSPC", pattern: /no space left/i, advice: "the disk is full: free some space" },
  { code: "EDQUOT", pattern: /quota exceeded/i, advice: "the quota of the disk is used up: free some of it" },
  { code: "EFBIG", pattern: /file too large/i, advice: "the limit of file sizes is reached: raise it (ulimit -f)" },
  { code: "ENFILE", pattern: /open files in system/i, advice: "the system has too many open files: close programs" },
  { code: "EMFILE", pattern: /too many open files/i, advice: "too few open files are allowed: raise it (ulimit -n)" },
  { code: "EACCES", pattern: /permission denied/i, advice: "give the user that runs the node access to it" },
  { code: "EPERM", pattern: /operation not permitted/i, advice: "give the user that runs the node access to it" },
  { code: "EROFS", pattern: /read-only file system/i, advice: "the file system is read-only: mount it writable" },
  { code: "EIO", pattern: /input\/output error/i, advice: "the disk reports errors: check it" },
];

/** The code of a file system's error, of LevelDB's ("LEVEL_…"), or of its cause where it only wraps that; else undefined. */
export function ioCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return code === undefined || code === "LEVEL_DATABASE_NOT_OPEN" ? (ioCodeOf(error.cause) ?? code) : code;
}

/** Whether an error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return ioCodeOf(error) === "ENOENT";
}

/** What to do about an error of the file system or of LevelDB. It names no path. Undefined where that is unknown. */
export function ioAdviceFor(error: unknown): string | undefined {
  const root = rootOf(error);
  const code = ioCodeOf(root);
  const text = messageOf(root);
  return kinds.find((kind) => kind.code === code || (code?.startsWith("E") !== true && kind.pattern.test(text)))
    ?.advice;
}

/** The text of an error of the file system or of LevelDB, and what to do about it. */
export function ioMessageOf(error: unknown): string {
  const advice = ioAdviceFor(error);
  const text = messageOf(rootOf(error));
  return advice === undefined ? text : `${text}; ${advice}`;
}

/** The error that others wrap. */
function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? rootOf(error.cause) : error;
}
