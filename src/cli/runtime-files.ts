// Which nodes run on this machine: each writes a small file into a directory of its user, for the commands that call /api. The name of the
// file is the number of the node, which it keeps while it runs.
import { linkSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
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
  /** Its number among the nodes that run here, from 1: other nodes come and go, and it stays. */
  readonly number: number;
}

/** A node that has no number yet. */
export type UnnumberedNode = Omit<RunningNode, "number">;

/** From here on numbers on a command line are ports. */
export const firstUserPort = 1024;

const maxFileBytes = 16_384;

/** The files of the user's running nodes. */
export class RuntimeFiles {
  readonly directory: string;
  /** Bounded by the nodes of this process. */
  readonly #own = new Set<string>();
  /** Of the swarm that has added a node last: the number before its first one. */
  #swarm: { readonly startedAt: string; readonly before: number } | undefined;

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

  /** The nodes that run, by number. Removes files of ended processes. */
  list(): RunningNode[] {
    const nodes: RunningNode[] = [];
    for (const name of readdirSync(this.directory)) {
      const [, number] = numberedName.exec(name) ?? [];
      if (number === undefined) continue;
      const path = join(this.directory, name);
      const node = read(path);
      if (node === undefined) continue;
      if (isAlive(node.pid)) nodes.push({ ...node, number: Number(number) });
      else rmSync(path, { force: true });
    }
    return nodes.sort((a, b) => a.number - b.number);
  }

  /**
   * Writes the file of a node of this process (mode 0600). It goes with the process at the latest. The nodes of a swarm get numbers in a
   * row, after all that are in use.
   * @returns a function that removes it
   * @throws Error of the file system
   */
  add(node: UnnumberedNode): () => void {
    // Under its name only when it is whole: others may be reading.
    const draft = join(this.directory, `${node.pid}-${node.port}.draft`);
    rmSync(draft, { force: true });
    let path: string;
    try {
      writeFileSync(draft, `${JSON.stringify(node)}\n`, { mode: 0o600, flag: "wx" });
      path = this.#claim(draft, node);
    } finally {
      // Of a full disk it would take what is left.
      rmSync(draft, { force: true });
    }
    if (this.#own.size === 0) process.once("exit", () => this.#removeAll());
    this.#own.add(path);
    return () => {
      this.#own.delete(path);
      rmSync(path, { force: true });
    };
  }

  /** Removes the file of a node that is gone though a process has its process number. */
  remove({ number, pid, port }: RunningNode): void {
    const path = join(this.directory, fileName(number));
    const node = read(path);
    if (node?.pid === pid && node.port === port) rmSync(path, { force: true });
  }

  /** Gives a file the name of the first number that is free. Two nodes that start at once cannot get the same. */
  #claim(draft: string, { startedAt, index }: UnnumberedNode): string {
    if (this.#swarm?.startedAt !== startedAt) this.#swarm = { startedAt, before: this.#numberBefore(startedAt) };
    const wanted = this.#swarm.before + index;
    for (let number = wanted < firstUserPort ? wanted : index; ; number++) {
      const path = join(this.directory, fileName(number));
      try {
        linkSync(draft, path);
        return path;
      } catch (error) {
        if (!isThere(error)) throw error;
      }
    }
  }

  /** The number before that of a swarm's first node. */
  #numberBefore(startedAt: string): number {
    const nodes = this.list();
    const sibling = nodes.find((node) => node.startedAt === startedAt);
    return sibling === undefined ? (nodes.at(-1)?.number ?? 0) : Math.max(0, sibling.number - sibling.index);
  }

  #removeAll(): void {
    for (const path of this.#own) rmSync(path, { force: true });
  }
}

const numberedName = /^([1-9]\d{0,8})\.json$/;

function fileName(number: number): string {
  return `${number}.json`;
}

function isThere(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}

/** Makes the directory where it is missing, and makes sure that nobody else can put files into it. */
function isMade(directory: string): boolean {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (!isThere(error)) return false;
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

function read(path: string): UnnumberedNode | undefined {
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

function isRunningNode(value: unknown): value is UnnumberedNode {
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
