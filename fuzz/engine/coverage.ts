// Finds the parts of the sources that have run, by V8's own block coverage. No build step and no native add-on is needed.
//
// V8 reports ranges of source text with a count, since the last report. Each offset of a source file gets a byte here, one
// bit for each order of magnitude of its count. An input is interesting when it sets a bit that no input has set before.
import { type Profiler, Session } from "node:inspector";

/** Collects coverage of this process. One at a time. */
export class Coverage {
  readonly #session = new Session();
  readonly #covers: readonly string[];
  /** By URL of a source file: a byte for each offset. Bounded by the sources. */
  readonly #seen = new Map<string, Uint8Array>();
  #bits = 0;

  /** @param covers parts of the URLs of the files that count */
  constructor(covers: readonly string[]) {
    this.#covers = covers;
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** How many bits are set: grows with all that was covered. */
  get bits(): number {
    return this.#bits;
  }

  /** Adds what has run since the last report. Returns whether something new was among it. Takes about a millisecond. */
  take(): boolean {
    return this.#merge(true);
  }

  /**
   * Returns whether something has run since the last report that never ran before, and forgets it. Counts do not matter: many
   * inputs together always reach new ones.
   */
  peek(): boolean {
    return this.#merge(false);
  }

  stop(): void {
    this.#session.disconnect();
  }

  #report(): Profiler.ScriptCoverage[] {
    let report: Profiler.ScriptCoverage[] = [];
    // In the same thread, the answer comes before `post` returns.
    this.#session.post("Profiler.takePreciseCoverage", (error, { result }) => {
      if (error !== null) throw error;
      report = result.filter(({ url }) => this.#covers.some((part) => url.includes(part)));
    });
    return report;
  }

  #merge(isKept: boolean): boolean {
    let isNew = false;
    for (const { url, functions } of this.#report()) {
      for (const { ranges } of functions) isNew = this.#add(url, ranges, isKept) || isNew;
    }
    return isNew;
  }

  /** The first range is the function. Each further one lies within an earlier one and has the count that holds there. */
  #add(url: string, ranges: readonly Profiler.CoverageRange[], isKept: boolean): boolean {
    const [whole] = ranges;
    if (whole === undefined || whole.count === 0) return false;
    let isNew = false;
    const bits = new Uint8Array(whole.endOffset - whole.startOffset);
    for (const { startOffset, endOffset, count } of ranges) {
      bits.fill(bitOf(count), startOffset - whole.startOffset, endOffset - whole.startOffset);
    }
    const seen = this.#seenOf(url, whole.endOffset);
    for (const [i, bit] of bits.entries()) {
      const at = whole.startOffset + i;
      const old = seen[at] ?? 0;
      if ((old & bit) === bit || (!isKept && old !== 0)) continue;
      isNew = true;
      if (!isKept) return true;
      seen[at] = old | bit;
      this.#bits += 1;
    }
    return isNew;
  }

  #seenOf(url: string, length: number): Uint8Array {
    const seen = this.#seen.get(url);
    if (seen !== undefined && seen.length >= length) return seen;
    const larger = new Uint8Array(length * 2);
    if (seen !== undefined) larger.set(seen);
    this.#seen.set(url, larger);
    return larger;
  }
}

/** 0 for what did not run; else one bit for once, twice, up to 7, 31, 127, and more. */
function bitOf(count: number): number {
  if (count === 0) return 0;
  if (count === 1) return 1;
  if (count === 2) return 2;
  if (count < 8) return 4;
  if (count < 32) return 8;
  if (count < 128) return 16;
  return 32;
}
