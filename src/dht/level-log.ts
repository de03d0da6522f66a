// LevelDB's log files (https://github.com/google/leveldb/blob/main/doc/log_format.md). The manifest has the same form.
//
//     file       blocks of 32768 bytes
//     fragment   CRC-32C of type and payload, masked (4)   length (2)   type (1)   payload
//     type       1 whole record   2 first   3 middle   4 last fragment of a record; a block ends with fewer than 7 zeros
//
// LevelDB skips the rest of a block where a checksum is wrong, and does not report that. Here the damage is reported, and
// the fragments after it are found again.
import { crc32c } from "../util/crc32c.ts";
import { maskedCrc, uint32At } from "./level-cursor.ts";

const blockBytes = 32_768;
const headerBytes = 7;
const lastType = 4;

/** A record of a log. */
interface LogRecord {
  readonly bytes: Uint8Array;
  /** Whether all its checksums are right. */
  readonly isSound: boolean;
}

/** What a log holds. */
export interface LogContent {
  /** In the order of the file. */
  readonly records: readonly LogRecord[];
  /** Whether bytes have changed since they were written. */
  readonly isDamaged: boolean;
  /** Whether the end of the file cuts a record off, as a crash may leave it. That is no damage. */
  readonly isCutOff: boolean;
}

interface Fragment extends LogRecord {
  /** 1 to 4; 0 where the header is unreadable. */
  readonly type: number;
  readonly end: number;
}

/** Reads a log. Never throws. */
export function readLog(file: Uint8Array): LogContent {
  const records: LogRecord[] = [];
  let isDamaged = false;
  let readTo = 0;
  let parts: Fragment[] = [];
  const finish = (): void => {
    const bytes = parts.length === 1 ? parts[0]?.bytes : Buffer.concat(parts.map((part) => part.bytes));
    if (bytes !== undefined) records.push({ bytes, isSound: parts.every((part) => part.isSound) });
    parts = [];
  };
  for (const fragment of fragments(file)) {
    if (!fragment.isSound) isDamaged = true;
    readTo = fragment.end;
    const continues = fragment.type === 3 || fragment.type === 4;
    if (continues !== parts.length > 0 && fragment.type !== 0) {
      // A fragment of this record is missing.
      isDamaged = true;
      parts = [];
      if (continues) continue;
    }
    parts.push(fragment);
    if (fragment.type === 1 || fragment.type === 4 || (fragment.type === 0 && parts.length === 1)) finish();
  }
  return { records, isDamaged, isCutOff: parts.length > 0 || !isZero(file, readTo, file.length) };
}

function* fragments(file: Uint8Array): Generator<Fragment> {
  for (let start = 0; start < file.length; start += blockBytes) {
    const end = Math.min(start + blockBytes, file.length);
    for (let at = start; end - at >= headerBytes; ) {
      const fragment = soundAt(file, at, end);
      if (fragment !== undefined) {
        yield fragment;
        at = fragment.end;
        continue;
      }
      // Zeros are room that was reserved and never written.
      if (isZero(file, at, end)) break;
      const next = nextSound(file, at, end);
      const doubtful = doubtfulAt(file, at, next, end);
      if (doubtful !== undefined) yield doubtful;
      at = next;
    }
  }
}

function soundAt(file: Uint8Array, at: number, end: number): Fragment | undefined {
  const type = file[at + 6] ?? 0;
  const payloadEnd = at + headerBytes + lengthAt(file, at);
  if (type < 1 || type > lastType || payloadEnd > end) return undefined;
  if (uint32At(file, at) !== maskedCrc(crc32c(file, at + 6, payloadEnd))) return undefined;
  return { type, bytes: file.subarray(at + headerBytes, payloadEnd), isSound: true, end: payloadEnd };
}

/** Where the next sound fragment of a block begins; the end of the block where there is none. */
function nextSound(file: Uint8Array, at: number, end: number): number {
  const claimed = at + headerBytes + lengthAt(file, at);
  if (claimed <= end && (claimed === end || soundAt(file, claimed, end) !== undefined)) return claimed;
  for (let next = at + headerBytes; end - next >= headerBytes; next++) {
    if (soundAt(file, next, end) !== undefined) return next;
  }
  return end;
}

/** A fragment whose checksum is wrong, up to the next one; undefined where the end of the file cuts it off. */
function doubtfulAt(file: Uint8Array, at: number, next: number, end: number): Fragment | undefined {
  const claimed = at + headerBytes + lengthAt(file, at);
  const isCutOff = next === end && end === file.length && claimed > end;
  if (isCutOff && uint32At(file, at) !== maskedCrc(crc32c(file, at + 6, end))) return undefined;
  const type = file[at + 6] ?? 0;
  const bytes = file.subarray(at + headerBytes, claimed < next ? claimed : next);
  return { type: type <= lastType ? type : 0, bytes, isSound: false, end: next };
}

function lengthAt(file: Uint8Array, at: number): number {
  return (file[at + 4] ?? 0) + 256 * (file[at + 5] ?? 0);
}

function isZero(file: Uint8Array, at: number, end: number): boolean {
  for (let i = at; i < end; i++) if (file[i] !== 0) return false;
  return true;
}
