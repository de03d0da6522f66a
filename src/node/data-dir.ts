// The directory in which a node keeps what outlives it: its key. One node at a time: two with one key would take each
// other's place with every peer, now one, now the other.
import { randomBytes } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type KeyPair, loadOrCreateKeyFile } from "../identity/keys.ts";
import { DswarmError } from "../util/errors.ts";
import { ioMessageOf } from "../util/io-error.ts";
import { makePrivateDirectory } from "../util/private-directory.ts";
import { readSmallFile } from "../util/small-file.ts";

/** A data directory in use. */
export interface DataDir {
  /** The key kept in it. */
  readonly keys: KeyPair;
  /** Lets others use it. */
  close(): Promise<void>;
}

/** Who holds a lock: what the lock file says. */
interface Holder {
  readonly pid: number;
  /** Tells the process from a later one with the same pid; "" where the system does not say. */
  readonly startedAt: string;
  /** Unique to this lock. */
  readonly token: string;
}

const maxLockBytes = 1024;

/**
 * Takes a data directory for one node, making it (mode 0700) and a key in it where there are none. It is free again after
 * `close`, or when the process is gone.
 * @throws DswarmError `data_dir_in_use`, `data_dir_invalid` when it cannot be written to, or another user may write to it, `key_file_invalid`
 */
export async function openDataDir(path: string): Promise<DataDir> {
  const close = await lockDirectory(path);
  try {
    return { keys: await loadOrCreateKeyFile(join(path, "key")), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Returns a function that unlocks it. */
async function lockDirectory(path: string): Promise<() => Promise<void>> {
  const lock = join(path, "lock");
  const holder: Holder = {
    pid: process.pid,
    startedAt: (await startOf(process.pid)) ?? "",
    token: randomBytes(12).toString("hex"),
  };
  const draft = `${lock}.${holder.token}.new`;
  try {
    await makePrivateDirectory(path);
    try {
      await writeDraft(draft, JSON.stringify(holder));
      await acquire(lock, draft);
    } finally {
      await rm(draft, { force: true });
    }
  } catch (error) {
    if (error instanceof DswarmError) throw error;
    throw new DswarmError("data_dir_invalid", ioMessageOf(error), { cause: error });
  }
  return async () => {
    if (readHolder(lock)?.token === holder.token) await rm(lock, { force: true });
  };
}

/** Nobody ever sees half a lock: it is whole, on the disk, before it gets its name. */
async function writeDraft(draft: string, text: string): Promise<void> {
  const file = await open(draft, "wx", 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Makes the draft the lock, once there is none or that of a dead process. To remove that one takes a lock of its own, named
 * after it: otherwise, of two that find it dead, the slower would remove the new lock of the faster.
 */
async function acquire(lock: string, draft: string): Promise<void> {
  while (!(await linkIfAbsent(draft, lock))) {
    const holder = readHolder(lock);
    if (holder === undefined) continue;
    if (await isAlive(holder)) {
      const hint = `stop that one, or use another directory; if it is no node, remove ${lock}`;
      throw new DswarmError("data_dir_in_use", `process ${holder.pid} uses it; ${hint}`);
    }
    const removal = `${lock}.${holder.token}`;
    await acquire(removal, draft);
    if (readHolder(lock)?.token === holder.token) await rm(lock, { force: true });
    await rm(removal, { force: true });
  }
}

async function linkIfAbsent(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Who holds a lock; undefined where there is no such lock. */
function readHolder(lock: string): Holder | undefined {
  const text = readSmallFile(lock, { maxBytes: maxLockBytes, isSecret: false });
  if (text === undefined) return undefined;
  const holder = parseHolder(text);
  if (holder !== undefined) return holder;
  throw new DswarmError("data_dir_invalid", `${lock} is no lock of dswarm; if no node uses the directory, remove it`);
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, startedAt, token }: Partial<Record<keyof Holder, unknown>> = JSON.parse(text);
    if (!Number.isInteger(pid) || Number(pid) <= 0) return undefined;
    if (typeof startedAt !== "string" || typeof token !== "string" || !/^[0-9a-f]{24}$/.test(token)) return undefined;
    return { pid: Number(pid), startedAt, token };
  } catch {
    // No JSON, or null.
    return undefined;
  }
}

async function isAlive({ pid, startedAt }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Otherwise it is another user's.
    if (codeOf(error) === "ESRCH") return false;
  }
  const start = await startOf(pid);
  return start === undefined || startedAt === "" || start === startedAt;
}

/** When a process started, in Linux's ticks since boot; "dead" for one that is; undefined where the system does not say. */
async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1");
    // proc_pid_stat(5): after the name in parentheses, the state is field 3 and the start is field 22.
    const [state = "", ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? "dead" : fields[18];
  } catch {
    // It may be hidden from us, or just gone.
    return undefined;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
