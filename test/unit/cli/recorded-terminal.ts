// A terminal that keeps its lines.
import type { Terminal } from "../../../src/cli/terminal.ts";

/** A terminal and what was written to it. */
export interface RecordedTerminal extends Terminal {
  /** Since they were last taken. */
  takeLines(): string[];
}

/** Makes a terminal without styles. */
export function recordedTerminal(columns = Number.POSITIVE_INFINITY): RecordedTerminal {
  let lines: string[] = [];
  return {
    line: (text = "") => void lines.push(text),
    bytes: (bytes) => void lines.push(Buffer.from(bytes).toString("latin1")),
    columns,
    isTerminal: false,
    paint: (_style, text) => text,
    takeLines() {
      const taken = lines;
      lines = [];
      return taken;
    },
  };
}
