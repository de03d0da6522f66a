// Values between who makes them and who reads them one after the other.

/** Settings of a queue. */
export interface PendingOptions {
  /** Values kept at most for a slow reader; past it the oldest are lost. At least 1. */
  readonly max: number;
  /** Ends the reading when it aborts, what waits included. */
  readonly signal?: AbortSignal | undefined;
}

/** A queue for one reader, which never makes the maker wait. Bounded by `max`. */
export class Pending<T> {
  readonly #options: PendingOptions;
  readonly #values: T[] = [];
  #wake: (() => void) | undefined;
  #end: { readonly error?: unknown } | undefined;

  constructor(options: PendingOptions) {
    this.#options = options;
  }

  push(value: T): void {
    if (this.#end !== undefined) return;
    if (this.#values.length >= this.#options.max) this.#values.shift();
    this.#values.push(value);
    this.#wake?.();
  }

  /** Nothing follows what was pushed. */
  end(): void {
    this.#end ??= {};
    this.#wake?.();
  }

  /** Reading fails with the error after what was pushed. */
  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  /** Reads until the end. To be called once. */
  async *read(): AsyncGenerator<T, void> {
    const { signal } = this.#options;
    const isOver = (): boolean => signal?.aborted === true;
    const onAbort = (): void => this.#wake?.();
    signal?.addEventListener("abort", onAbort);
    try {
      while (!isOver()) {
        const value = this.#values.shift();
        if (value !== undefined) {
          yield value;
        } else if (this.#end === undefined) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        } else if ("error" in this.#end) {
          throw this.#end.error;
        } else {
          return;
        }
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#end ??= {};
    }
  }
}
