// Where and of what the figures were measured.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, totalmem } from "node:os";

/** What to know about a run. */
export interface MachineNotes {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  /** Short hash, with "+" where the sources of dswarm have changes that are not committed. */
  readonly commit: string;
  /** Load of the machine before the run, over one minute: figures of a busy machine mean little. */
  readonly loadBefore: number;
}

/** Looks at the machine. */
export function machineNotes(): MachineNotes {
  const [first] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: first?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    commit: commit(),
    loadBefore: Number(readFileSync("/proc/loadavg", "utf8").split(" ")[0]),
  };
}

/** One line of it, for people. */
export function machineLine({ date, cpu, cores, memoryGiB, node, commit: hash }: MachineNotes): string {
  return `${date}, ${cores} cores (${cpu}), ${memoryGiB} GiB, Node ${node}, commit ${hash}`;
}

/** Versions of packages as the benchmark loads them. Those that are not installed are left out. */
export function versions(names: readonly string[]): Record<string, string> {
  const { resolve } = createRequire(import.meta.url);
  const found: Record<string, string> = {};
  for (const name of names) {
    for (const folder of resolve.paths(name) ?? []) {
      try {
        const { version } = JSON.parse(readFileSync(`${folder}/${name}/package.json`, "utf8")) as { version: string };
        found[name] ??= version;
      } catch {
        // Not in this folder.
      }
    }
  }
  return found;
}

function commit(): string {
  try {
    const hash = git("rev-parse", "--short", "HEAD").trim();
    const changed = git("status", "--porcelain", "--", ":/src", ":/gen").trim();
    return changed === "" ? hash : `${hash}+`;
  } catch {
    return "unknown";
  }
}

function git(...args: string[]): string {
  return execFileSync("git", args, {
    cwd: import.meta.dirname,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
}
