// Closing things in the reverse order of their making, once.

type Closer = () => void | Promise<void>;

/** Owns what must be closed with its holder. Bounded by what the holder adds and removes. */
export class Lifetime {
  readonly #closers = new Set<Closer>();
  readonly #controller = new AbortController();
  #closing: Promise<void> | undefined;

  /** Aborts when closing begins. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Runs `closer` when the lifetime ends; the last added runs first, and each is awaited before the next.
   * @returns a function that removes it again
   */
  onClose(closer: Closer): () => void {
    this.#closers.add(closer);
    return () => this.#closers.delete(closer);
  }

  /** Closes all. Calling it again returns the same promise. Rejects with the first error after all have run. */
  close(): Promise<void> {
    this.#closing ??= this.#run();
    return this.#closing;
  }

  async #run(): Promise<void> {
    this.#controller.abort();
    const errors: unknown[] = [];
    for (const closer of [...this.#closers].toReversed()) {
      this.#closers.delete(closer);
      try {
        await closer();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
