// Snappy (https://github.com/google/snappy/blob/main/format_description.txt), in which LevelDB writes blocks that get smaller by it.
import { LevelCursor } from "./level-cursor.ts";

/** A block that unpacks to more is no block of LevelDB here: a value has 64 KiB at most. */
const maxBytes = 4 * 1024 * 1024;

/** What was unpacked. */
export interface Unpacked {
  readonly bytes: Uint8Array;
  /** Whether that is all. Otherwise the rest is damaged. */
  readonly isWhole: boolean;
}

/** Unpacks bytes, as far as they can be read. Never throws. */
export function unsnap(packed: Uint8Array): Unpacked {
  let bytes = new Uint8Array(0);
  let length = 0;
  try {
    const cursor = new LevelCursor(packed);
    const total = cursor.varint();
    if (total > maxBytes) return { bytes, isWhole: false };
    bytes = new Uint8Array(total);
    while (!cursor.isAtEnd) {
      const tag = cursor.byte();
      if ((tag & 3) === 0) {
        const literal = cursor.take(literalBytes(tag >> 2, cursor));
        bytes.set(literal, length);
        length += literal.length;
      } else {
        length = copy(bytes, length, tag, cursor);
      }
    }
    return { bytes: bytes.subarray(0, length), isWhole: length === total };
  } catch (error) {
    if (error instanceof RangeError) return { bytes: bytes.subarray(0, length), isWhole: false };
    throw error;
  }
}

function literalBytes(code: number, cursor: LevelCursor): number {
  return code < 60 ? code + 1 : little(cursor, code - 59) + 1;
}

/** Repeats bytes that were unpacked before. Returns the new length. @throws RangeError */
function copy(bytes: Uint8Array, length: number, tag: number, cursor: LevelCursor): number {
  const isShort = (tag & 3) === 1;
  const count = isShort ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
  const offset = isShort ? ((tag >> 5) << 8) + cursor.byte() : little(cursor, (tag & 3) === 2 ? 2 : 4);
  if (offset === 0 || offset > length || count > bytes.length - length) throw new RangeError("no such copy");
  // Byte by byte: what is repeated may overlap what is written.
  for (let i = 0; i < count; i++) bytes[length + i] = bytes[length + i - offset] ?? 0;
  return length + count;
}

function little(cursor: LevelCursor, bytes: number): number {
  let value = 0;
  for (let i = 0; i < bytes; i++) value += cursor.byte() * 256 ** i;
  return value;
}
