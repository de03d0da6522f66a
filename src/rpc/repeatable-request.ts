// The one request of a server-streaming call, kept so that the call can be made again where nobody has seen it.

/** Requests of which every reader gets the first, and no other. */
export class RepeatableRequest<T> implements AsyncIterable<T> {
  readonly #source: AsyncIterable<T>;
  #iterator: AsyncIterator<T> | undefined;
  #first: Promise<IteratorResult<T>> | undefined;

  constructor(source: AsyncIterable<T>) {
    this.#source = source;
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    let isTaken = false;
    return {
      next: async () => {
        if (isTaken) return { done: true, value: undefined };
        isTaken = true;
        this.#iterator ??= this.#source[Symbol.asyncIterator]();
        this.#first ??= this.#iterator.next();
        return this.#first;
      },
      return: async () => {
        isTaken = true;
        await this.#iterator?.return?.();
        return { done: true, value: undefined };
      },
    };
  }
}
