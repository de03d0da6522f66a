// The logger of a program that gives none: its errors reach the console, so that none is lost.
import { inspect } from "node:util";
import { systemClock } from "./clock.ts";
import type { LogFields, Logger } from "./log.ts";
import { silentLogger } from "./log.ts";

const periodMs = 60_000;
const maxPerPeriod = 20;

interface Lines {
  readonly since: number;
  count: number;
}

/**
 * A logger whose errors go to the console's error stream (stderr), each on a line of its own and with the stack of what was thrown. It
 * keeps nothing of the other levels. Of one event it writes at most 20 lines in a minute: peers can cause some of them as often as they like.
 * @param write takes a line. @default console.error
 */
export function createConsoleLogger(
  write: (line: string) => void = (line) => console.error(line),
  now: () => number = () => systemClock.now(),
): Logger {
  /** By event. Bounded by the events that the sources name. */
  const written = new Map<string, Lines>();
  const error = ({ event, ...fields }: LogFields, text?: string): void => {
    let lines = written.get(event);
    if (lines === undefined || now() - lines.since >= periodMs) {
      if (lines !== undefined && lines.count > maxPerPeriod) {
        write(`dswarm: ${event}: ${lines.count - maxPerPeriod} more lines were left out`);
      }
      lines = { since: now(), count: 0 };
      written.set(event, lines);
    }
    lines.count += 1;
    if (lines.count > maxPerPeriod) return;
    const details = Object.keys(fields).length === 0 ? "" : ` ${inspect(fields, { customInspect: false })}`;
    write(printable(`dswarm: ${event}: ${text ?? ""}${details}`));
  };
  return { ...silentLogger, error };
}

/** Without control characters, which act on a terminal and may come from peers within the text of an error. */
function printable(line: string): string {
  return line.replaceAll(/[^\P{Cc}\n]/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Shared by the nodes of the process. */
export const consoleLogger: Logger = createConsoleLogger();
