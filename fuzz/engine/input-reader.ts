// Choices out of the bytes of an input, for targets that build something: what libFuzzer calls a FuzzedDataProvider.

/** Reads values from an input, in order. Past its end all are zero or empty. */
export class InputReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** 0 to 255. */
  byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  /** 0 to 65535. */
  uint16(): number {
    return this.byte() * 256 + this.byte();
  }

  /** At most `count` bytes: as many as are left. */
  bytes(count: number): Uint8Array {
    const part = this.#bytes.subarray(this.#at, this.#at + count);
    this.#at += count;
    return part;
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.bytes(this.#bytes.length);
  }
}
