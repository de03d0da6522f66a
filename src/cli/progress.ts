// How far a long command is, on stderr: whole lines, never one that is drawn over. A script's log gets one now and then, too, and
// none of what is soon done.
import { type Clock, systemClock } from "../util/clock.ts";
import type { Terminal } from "./terminal.ts";

/** Milliseconds from one line to the next, on a terminal and elsewhere. */
const everyMs = { terminal: 1000, other: 30_000 } as const;

/** Tells how far it is, as often as is good: what comes too soon after the last line is left out. */
export function progressOn(
  stderr: Pick<Terminal, "isTerminal" | "line" | "paint">,
  clock: Clock = systemClock,
): (text: string) => void {
  const periodMs = stderr.isTerminal ? everyMs.terminal : everyMs.other;
  let nextAt = clock.now() + (stderr.isTerminal ? 0 : periodMs);
  return (text) => {
    const now = clock.now();
    if (now < nextAt) return;
    nextAt = now + periodMs;
    stderr.line(stderr.paint("dim", text));
  };
}
