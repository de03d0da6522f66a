// Reads the fields of LevelDB's files: little-endian numbers, varints, and bytes with their length before them.

/** A position in some bytes that moves on with each field. */
export class LevelCursor {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  /** @param end where the fields end @default the end of the bytes */
  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  /** Where the next field begins. */
  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  /** Reads one byte. @throws RangeError past the end */
  byte(): number {
    const value = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
    if (value === undefined) throw new RangeError("the bytes end within a field");
    this.#at += 1;
    return value;
  }

  /** Reads a varint of at most 2^53 - 1. @throws RangeError past the end, or for a larger number */
  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (!Number.isSafeInteger(value)) throw new RangeError("a varint is too large");
      if (byte < 128) return value;
    }
  }

  /** Reads a number of bytes; a view, no copy. @throws RangeError past the end */
  take(length: number): Uint8Array {
    if (length > this.#end - this.#at) throw new RangeError("the bytes end within a field");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Reads bytes that have their length before them; a view, no copy. @throws RangeError past the end */
  prefixed(): Uint8Array {
    return this.take(this.varint());
  }
}

/** Reads 4 bytes, little-endian. */
export function uint32At(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}

/** Reads 8 bytes, little-endian. */
export function uint64At(bytes: Uint8Array, at: number): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);
}

/** Returns a CRC as LevelDB stores it: rotated and shifted, because a CRC of a CRC is weak. */
export function maskedCrc(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
