// How things look in the output for people.

// C0, DEL and C1 controls, line separators, and what changes the direction of text (Unicode UAX 9): all of it can make a
// terminal show something else than was written.
const unsafe = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const shortIdChars = 9;

/** Text that may come from a peer, without what a terminal would act on. */
export function printable(text: string): string {
  return text.replace(unsafe, "\ufffd");
}

/** The first characters of a node id: enough to tell the nodes of one machine apart. */
export function shortId(id: string): string {
  return id.slice(0, shortIdChars);
}

/** The characters of ids that tell them apart, and at least as many as `shortId` has. */
export function shortestId(ids: readonly string[]): number {
  const distinct = new Set(ids);
  let length = shortIdChars;
  while (new Set([...distinct].map((id) => id.slice(0, length))).size < distinct.size) length += 1;
  return length;
}

/** Milliseconds as seconds: "1.2 s". */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

const spans = [
  [1000, "s"],
  [60_000, "min"],
  [3_600_000, "h"],
  [86_400_000, "d"],
] as const;

/** Milliseconds in the unit that says it shortest: "0.4 s", "12 s", "3.5 min", "20 h", "12 d". */
export function duration(ms: number): string {
  const [unitMs, unit] = spans.findLast(([least]) => ms >= least) ?? spans[0];
  const value = ms / unitMs;
  return `${value < 10 ? value.toFixed(1) : Math.floor(value)} ${unit}`;
}

/** "1 node", "2 nodes". */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/**
 * The local time of day, "14:03:59".
 * @param wallMs milliseconds since the Unix epoch
 */
export function timeOfDay(wallMs: number): string {
  const date = new Date(wallMs);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => `${part}`.padStart(2, "0")).join(":");
}

/** Rows as lines, each column as wide as its widest cell; cells of the last column are not filled up. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("  "),
  );
}

/**
 * The first of several texts that a terminal has room for, or the last.
 * @param texts at least one, the longest first
 */
export function fitting(texts: readonly string[], columns: number): string {
  return texts.find(({ length }) => length <= columns) ?? texts.at(-1) ?? "";
}

/**
 * An id, or the start of it where a line has no room for the whole.
 * @param others characters of the line besides the id
 */
export function fittingId(id: string, others: number, columns: number): string {
  return fitting([id, shortId(id)], columns - others);
}

/** How a process ended: "was ended by SIGKILL", "ended with exit code 1". */
export function howItEnded({ code, signal }: { readonly code: number | null; readonly signal: string | null }): string {
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
}
