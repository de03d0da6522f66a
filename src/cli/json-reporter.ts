// Events as JSON, one object a line.
import type { Reporter } from "./events.ts";
import type { Terminal } from "./terminal.ts";

/** Writes every event as one line. */
export function createJsonReporter(stdout: Pick<Terminal, "line">): Reporter {
  return {
    closestNodes: Number.POSITIVE_INFINITY,
    report: (event) => stdout.line(JSON.stringify(event)),
  };
}
