// Buffers that are used over and over: large ones made anew for each use cost more in garbage collection than what is done
// with them.

/** Buffers between uses, by size. Bounded by `maxSpares` of each size. */
export class BufferPool {
  readonly #sizes: readonly number[];
  readonly #maxSpares: number;
  readonly #spares: ReadonlyMap<number, Buffer[]>;

  /**
   * @param sizes bytes of the buffers, the smallest first
   * @param maxSpares unused buffers kept of each size
   */
  constructor(sizes: readonly number[], maxSpares: number) {
    this.#sizes = sizes;
    this.#maxSpares = maxSpares;
    this.#spares = new Map(sizes.map((size) => [size, []]));
  }

  /** A buffer of at least so many bytes, which hold anything; past the largest size, one of just so many. */
  take(bytes: number): Buffer {
    const size = this.#sizes.find((each) => each >= bytes);
    if (size === undefined) return Buffer.allocUnsafeSlow(bytes);
    return this.#spares.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size);
  }

  /** Takes a buffer back whole. Nobody may use it any more. */
  giveBack(buffer: Buffer): void {
    const same = this.#spares.get(buffer.length);
    if (same !== undefined && same.length < this.#maxSpares) same.push(buffer);
  }
}
