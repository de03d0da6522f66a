// The search: runs inputs, keeps those that reach something new, and changes them further.
//
//     corpus ──► mutate ──► run 32 inputs ──► new coverage? ──no──► next
//       ▲                        │                 │ yes
//       │                        └── throws ──► finding       run each of them alone ──► those that reach new parts ─┐
//       └──────────────────────────────────────────────────────────────────────────────────────────────────────────┘
import { Coverage } from "./coverage.ts";
import { mutate } from "./mutate.ts";
import { Random } from "./random.ts";
import type { FuzzTarget } from "./target.ts";

const batchInputs = 32;
/** An input that takes longer than this is a finding: a decoder takes far less than a millisecond a kilobyte. */
const slowMs = 2000;
/** Every so many batches each input is looked at alone, which also shows new counts of what has run before. */
const slowBatchEvery = 16;

/** How long and from where to search. */
export interface FuzzOptions {
  /** Equal seeds make the same inputs, as long as the code takes the same ways. */
  readonly seed: number;
  /** Inputs to begin with, beside the target's seeds. */
  readonly corpus: readonly Uint8Array[];
  /** New inputs at most. @default no limit */
  readonly maxInputs?: number;
  /** Milliseconds at most. @default no limit */
  readonly maxMs?: number;
  /** Findings after which the search stops. @default 10 */
  readonly maxFindings?: number;
  /** Called about once a second. */
  readonly onProgress?: (report: FuzzReport) => void;
}

/** An input that the target did not survive. */
interface Finding {
  readonly input: Uint8Array;
  readonly error: unknown;
}

/** The result of a search. */
export interface FuzzReport {
  /** Inputs run, those of the corpus among them. */
  readonly inputs: number;
  /** Bits of coverage. */
  readonly coverage: number;
  /** Inputs that reached something new, beyond those of the corpus. */
  readonly added: readonly Uint8Array[];
  readonly findings: readonly Finding[];
}

/**
 * Fuzzes one target. Stops at the first of the limits.
 * @throws RangeError without any limit
 */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzReport> {
  const {
    maxInputs = Number.POSITIVE_INFINITY,
    maxMs = Number.POSITIVE_INFINITY,
    maxFindings = 10,
    onProgress,
  } = options;
  if (maxInputs === Number.POSITIVE_INFINITY && maxMs === Number.POSITIVE_INFINITY) {
    throw new RangeError("maxInputs or maxMs is needed");
  }
  const search = new Search(target, options);
  const startedAt = performance.now();
  let reportedAt = startedAt;
  try {
    await search.runCorpus();
    while (search.made < maxInputs && search.report.findings.length < maxFindings) {
      const now = performance.now();
      if (now - startedAt >= maxMs) break;
      await search.runBatch(Math.min(batchInputs, maxInputs - search.made));
      if (now - reportedAt < 1000) continue;
      reportedAt = now;
      onProgress?.(search.report);
    }
  } finally {
    search.stop();
  }
  return search.report;
}

class Search {
  readonly #target: FuzzTarget;
  readonly #random: Random;
  readonly #coverage: Coverage;
  readonly #corpus: Uint8Array[];
  readonly #added: Uint8Array[] = [];
  /** Bounded by `maxFindings` and one batch. */
  readonly #findings: Finding[] = [];
  #inputs = 0;
  #batches = 0;
  /** Inputs made by mutation. */
  made = 0;

  constructor(target: FuzzTarget, { seed, corpus }: FuzzOptions) {
    this.#target = target;
    this.#random = new Random(seed);
    this.#coverage = new Coverage(target.covers);
    this.#corpus = [...target.seeds(), ...corpus, new Uint8Array(0)];
  }

  get report(): FuzzReport {
    return {
      inputs: this.#inputs,
      coverage: this.#coverage.bits,
      added: [...this.#added],
      findings: [...this.#findings],
    };
  }

  async runCorpus(): Promise<void> {
    for (const input of this.#corpus) await this.#run(input);
    this.#coverage.take();
  }

  async runBatch(count: number): Promise<void> {
    const context = {
      random: this.#random,
      dictionary: this.#target.dictionary ?? [],
      corpus: this.#corpus,
      maxBytes: this.#target.maxBytes,
    };
    const batch = Array.from({ length: count }, () => mutate(this.#pick(), context));
    this.made += count;
    this.#batches += 1;
    if (this.#batches % slowBatchEvery !== 0) {
      for (const input of batch) await this.#run(input);
      if (!this.#coverage.peek()) return;
    }
    for (const input of batch) {
      await this.#run(input);
      if (!this.#coverage.take()) continue;
      this.#corpus.push(input);
      this.#added.push(input);
    }
  }

  stop(): void {
    this.#coverage.stop();
  }

  /** Mostly one of those found last: they have been changed least often. */
  #pick(): Uint8Array {
    const { length } = this.#corpus;
    const recent = Math.min(length, 16);
    const at = this.#random.below(2) === 0 ? this.#random.below(length) : length - 1 - this.#random.below(recent);
    return this.#corpus[at] ?? new Uint8Array(0);
  }

  async #run(input: Uint8Array): Promise<void> {
    this.#inputs += 1;
    const startedAt = performance.now();
    try {
      // A copy: decoders may write into what they are given.
      await this.#target.run(Uint8Array.from(input));
      const tookMs = performance.now() - startedAt;
      if (tookMs > slowMs) throw new Error(`it took ${Math.round(tookMs)} ms`);
    } catch (error) {
      this.#findings.push({ input: Uint8Array.from(input), error });
    }
  }
}
