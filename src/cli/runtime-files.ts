// Which nodes run on this machine: each writes a small file into a directory of its user, for the commands that call /api.
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { ioMessageOf } from "../util/io-error.ts";
import { readSmallFile, UnsafeFileError } from "../util/small-file.ts";
import { CliError } from "./cli-error.ts";

/** A node that runs, as its file says. */
export interface RunningNode {
  readonly pid: number;
  readonly id: string;
  readonly port: number;
  /** "https://host:port" of the API. */
  readonly url: string;
  /** "dswarm://KEY@HOST:PORT". */
  readonly address: string;
  /** sha256 of the TLS certificate, 64 hex digits. */
  readonly certificateSha256: string;
  /** When it, or its swarm, was started, in ISO 8601. */
  readonly startedAt: string;
  /** Which node of its swarm it is, from 1. */
  readonly index: number;
}

const maxFileBytes = 16_384;

/** The files of the user's running nodes. */
export class RuntimeFiles {
  readonly directory: string;
  /** Bounded by the nodes of this process. */
  readonly #own = new Set<string>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  /**
   * Opens `dswarm` in XDG_RUNTIME_DIR, or `dswarm-UID` in the directory for temporary files where that is not to be had.
   * @throws CliError when the directory cannot be made or others may change it
   */
  static open(environment: NodeJS.ProcessEnv = process.env): RuntimeFiles {
    const parent = environment["XDG_RUNTIME_DIR"];
    // With su and sudo it may be another user's.
    if (parent !== undefined && isAbsolute(parent) && isOwn(parent)) {
      const directory = join(parent, "dswarm");
      if (isMade(directory)) return new RuntimeFiles(directory);
    }
    const directory = join(tmpdir(), `dswarm-${process.geteuid?.() ?? "user"}`);
    if (isMade(directory)) return new RuntimeFiles(directory);
    throw new CliError(`cannot make ${directory}; set XDG_RUNTIME_DIR to a directory of yours`);
  }

  /** The nodes that run, those of the swarm that was started first before the others. Removes files of ended processes. */
  list(): RunningNode[] {
    const nodes: RunningNode[] = [];
    for (const name of readdirSync(this.directory)) {
      if (!name.endsWith(".json")) continue;
      const path = join(this.directory, name);
      const node = read(path);
      if (node === undefined) continue;
      if (isAlive(node.pid)) nodes.push(node);
      else rmSync(path, { force: true });
    }
    return nodes.sort((a, b) => compare(a.startedAt, b.startedAt) || a.index - b.index || a.pid - b.pid);
  }

  /**
   * Writes the file of a node of this process (mode 0600). It goes with the process at the latest.
   * @returns a function that removes it
   * @throws Error of the file system
   */
  add(node: RunningNode): () => void {
    const path = join(this.directory, fileName(node.pid, node.port));
    // Under its name only when it is whole: others may be reading.
    const draft = `${path}.draft`;
    rmSync(draft, { force: true });
    try {
      writeFileSync(draft, `${JSON.stringify(node)}\n`, { mode: 0o600, flag: "wx" });
      renameSync(draft, path);
    } catch (error) {
      // Of a full disk it would take what is left.
      rmSync(draft, { force: true });
      throw error;
    }
    if (this.#own.size === 0) process.once("exit", () => this.#removeAll());
    this.#own.add(path);
    return () => {
      this.#own.delete(path);
      rmSync(path, { force: true });
    };
  }

  /** Removes the file of a node that is gone though a process has its number. */
  remove({ pid, port }: RunningNode): void {
    rmSync(join(this.directory, fileName(pid, port)), { force: true });
  }

  #removeAll(): void {
    for (const path of this.#own) rmSync(path, { force: true });
  }
}

function fileName(pid: number, port: number): string {
  return `${pid}-${port}.json`;
}

/** Makes the directory where it is missing, and makes sure that nobody else can put files into it. */
function isMade(directory: string): boolean {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) return false;
  }
  const stats = lstatSync(directory);
  const user = process.geteuid?.();
  // Windows has neither owners nor modes here; its directory for temporary files is the user's own.
  const isUsers = user === undefined || stats.uid === user;
  const isPrivate = user === undefined || (stats.mode & 0o077) === 0;
  if (stats.isDirectory() && isUsers && isPrivate) return true;
  const remedy = isUsers
    ? `remove it, or run: chmod 700 ${directory}`
    : "set XDG_RUNTIME_DIR to a directory that is yours alone";
  throw new CliError(`${directory} is not a directory of yours alone; ${remedy}`);
}

/** Whether a directory is of this user, and no other can replace what is in it. */
function isOwn(directory: string): boolean {
  const user = process.geteuid?.();
  const stats = statSync(directory, { throwIfNoEntry: false });
  if (stats === undefined || user === undefined) return stats !== undefined;
  return stats.uid === user && (stats.mode & 0o022) === 0;
}

function read(path: string): RunningNode | undefined {
  try {
    const text = readSmallFile(path, { maxBytes: maxFileBytes, isSecret: false });
    // It may be removed while it is read.
    if (text === undefined) return undefined;
    const value: unknown = JSON.parse(text);
    return isRunningNode(value) ? value : undefined;
  } catch (error) {
    // It is of no node.
    if (error instanceof SyntaxError || error instanceof UnsafeFileError) return undefined;
    throw new CliError(ioMessageOf(error));
  }
}

function isRunningNode(value: unknown): value is RunningNode {
  if (typeof value !== "object" || value === null) return false;
  const fields = new Map(Object.entries(value));
  const isText = (name: string): boolean => typeof fields.get(name) === "string";
  const isWhole = (name: string): boolean => Number.isSafeInteger(fields.get(name)) && fields.get(name) > 0;
  return (
    ["id", "url", "address", "certificateSha256", "startedAt"].every(isText) &&
    ["pid", "port", "index"].every(isWhole) &&
    URL.canParse(`${fields.get("url")}`)
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // No such process, or the number has gone to one of another user.
    return false;
  }
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
