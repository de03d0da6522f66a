// A fuzz target: one decoder of strangers' bytes, and how to run it once.

/** One decoder under test. */
export interface FuzzTarget {
  /** Name on the command line and of the corpus file, in kebab-case. */
  readonly name: string;
  /** The meaning of the bytes, in one line. */
  readonly description: string;
  /** Inputs are cut to this many bytes. */
  readonly maxBytes: number;
  /** Sources whose coverage guides the search: parts of paths below the repository, for example "src/rpc/". */
  readonly covers: readonly string[];
  /** Valid inputs to begin with. Called once. */
  readonly seeds: () => readonly Uint8Array[];
  /** Byte sequences that mean something to the decoder. @default none */
  readonly dictionary?: readonly Uint8Array[];
  /**
   * Decodes one input. Must return or resolve for every input, refused ones too.
   * Whatever it throws, or rejects with, is a finding.
   */
  readonly run: (input: Uint8Array) => void | Promise<void>;
}
