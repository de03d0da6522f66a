// Memory of a process as Linux counts it.
import { readFileSync, writeFileSync } from "node:fs";

const kib = 1024;

/** Resident MiB of a process now, and the most since the start or `forgetPeak`; undefined when it is gone. */
export function residentMiB(pid: number): { readonly now: number; readonly peak: number } | undefined {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return undefined;
  }
  const of = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) / kib;
  return { now: of("VmRSS"), peak: of("VmHWM") };
}

/** Makes the peak what it is now. */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch {
    // A process that is gone has no peak; without the right to do it the old peak stays, which is no less strict.
  }
}
