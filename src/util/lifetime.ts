// Closing things in the reverse order of their making, once.

type Closer = () => void | Promise<void>;

/** Owns what must be closed with its holder. Bounded by what the holder adds and removes. */
export class Lifetime {
  readonly #closers = new Set<Closer>();
  readonly #controller = new AbortController();
  #closing: Promise<void> | undefined;
  #ended = false;

  /** Aborts when closing begins. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Runs `closer` when the lifetime ends; the last added runs first, and each is awaited before the next. One that is
   * added while closing still belongs to it; one that is added after it runs at once, and nobody learns of its error.
   * @returns a function that removes it again
   */
  onClose(closer: Closer): () => void {
    this.#closers.add(closer);
    if (this.#ended) void this.#runAll();
    return () => this.#closers.delete(closer);
  }

  /** Closes all. Calling it again returns the same promise. Rejects with the first error after all have run. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      // Known before anything runs: listeners of the signal and closers may call close() again.
      this.#closing = promise;
      resolve(this.#run());
    }
    return this.#closing;
  }

  async #run(): Promise<void> {
    this.#controller.abort();
    const errors = await this.#runAll();
    this.#ended = true;
    if (errors.length > 0) throw errors[0];
  }

  async #runAll(): Promise<unknown[]> {
    const errors: unknown[] = [];
    while (this.#closers.size > 0) {
      for (const closer of [...this.#closers].toReversed()) {
        if (!this.#closers.delete(closer)) continue;
        try {
          await closer();
        } catch (error) {
          errors.push(error);
        }
      }
    }
    return errors;
  }
}
