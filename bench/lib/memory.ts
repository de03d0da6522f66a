// Memory of a process as Linux counts it.
import { readFileSync } from "node:fs";

/**
 * KiB of memory that a process has to itself, and its share of what it shares with others (PSS).
 * @throws Error where there is no /proc/PID/smaps_rollup
 */
export function pssKiB(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const pss = /^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1];
  if (pss === undefined) throw new Error(`no Pss in smaps_rollup of ${pid}`);
  return Number(pss);
}
