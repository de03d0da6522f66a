// LevelDB's tables (https://github.com/google/leveldb/blob/main/doc/table_format.md).
//
//     file     data blocks   filter block   meta-index block   index block   footer (48)
//     block    contents   type (1): 0 plain, 1 Snappy   CRC-32C of both, masked (4)
//     plain    entries   offsets of every 16th entry (4 each)   their count (4)
//     entry    key bytes shared with the entry before   other key bytes   value bytes   other key   value
//     key      the user's key   sequence << 8 | type (8)
import { crc32c } from "../util/crc32c.ts";
import { LevelCursor, maskedCrc, uint32At, uint64At } from "./level-cursor.ts";
import type { LevelEntry } from "./level-entry.ts";
import { unsnap } from "./snappy.ts";

const footerBytes = 48;
const trailerBytes = 5;
const magic = 0xdb4775248b80fb57n;
const keyTrailerBytes = 8;

interface Handle {
  readonly offset: number;
  readonly size: number;
}

interface RawEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Whether a table can be read and all its checksums are right. */
export function isTableSound(file: Uint8Array): boolean {
  const handles = handlesOf(file);
  return handles?.every((handle) => isBlockSound(file, handle)) === true;
}

/**
 * Reads the entries of a table; of a damaged one those that are still readable.
 * @param wantsSound whether to read the blocks whose checksum is right, or the other ones
 */
export function* tableEntries(file: Uint8Array, wantsSound: boolean): Generator<LevelEntry> {
  for (const handle of dataBlocks(file)) {
    const isSound = isBlockSound(file, handle);
    if (isSound !== wantsSound) continue;
    for (const { key, value } of entriesOf(contentsOf(file, handle))) {
      if (key.length < keyTrailerBytes) continue;
      const tag = uint64At(key, key.length - keyTrailerBytes);
      const type = tag & 0xffn;
      if (type > 1n) continue;
      const userKey = key.subarray(0, -keyTrailerBytes);
      yield { key: userKey, value: type === 1n ? value : undefined, sequence: tag >> 8n, isSound };
    }
  }
}

/** The data blocks, by the index, or where that is damaged by their checksums. */
function dataBlocks(file: Uint8Array): readonly Handle[] {
  const index = footerOf(file)?.index;
  const listed = index !== undefined && isBlockSound(file, index) ? listedIn(file, index) : undefined;
  return listed ?? scannedBlocks(file);
}

/** All blocks of a table; undefined where the footer, the index or the meta-index is damaged. */
function handlesOf(file: Uint8Array): readonly Handle[] | undefined {
  const footer = footerOf(file);
  if (footer === undefined) return undefined;
  const handles: Handle[] = [];
  for (const list of [footer.metaIndex, footer.index]) {
    const listed = isBlockSound(file, list) ? listedIn(file, list) : undefined;
    if (listed === undefined) return undefined;
    handles.push(...listed);
  }
  return handles;
}

function footerOf(file: Uint8Array): { readonly metaIndex: Handle; readonly index: Handle } | undefined {
  if (file.length < footerBytes || uint64At(file, file.length - 8) !== magic) return undefined;
  const cursor = new LevelCursor(file, file.length - footerBytes, file.length - 8);
  try {
    return { metaIndex: handleFrom(cursor), index: handleFrom(cursor) };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** @throws RangeError */
function handleFrom(cursor: LevelCursor): Handle {
  return { offset: cursor.varint(), size: cursor.varint() };
}

function listedIn(file: Uint8Array, list: Handle): readonly Handle[] | undefined {
  try {
    return Array.from(entriesOf(contentsOf(file, list)), ({ value }) => handleFrom(new LevelCursor(value)));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function isBlockSound(file: Uint8Array, { offset, size }: Handle): boolean {
  const end = offset + size;
  if (end + trailerBytes > file.length) return false;
  return uint32At(file, end + 1) === maskedCrc(crc32c(file, offset, end + 1));
}

/** Blocks from the start of the file on, each as long as it takes for its checksum to be right. */
function scannedBlocks(file: Uint8Array): readonly Handle[] {
  const handles: Handle[] = [];
  for (let offset = 0; ; ) {
    const size = scannedSize(file, offset);
    if (size === undefined) return handles;
    const handle = { offset, size };
    // The filter's block comes after those of data, and holds no entries.
    if (!holdsEntries(file, handle)) return handles;
    handles.push(handle);
    offset += size + trailerBytes;
  }
}

function scannedSize(file: Uint8Array, offset: number): number | undefined {
  let crc = 0;
  for (let end = offset; end + trailerBytes <= file.length; end++) {
    crc = crc32c(file, end, end + 1, crc);
    if ((file[end] ?? 2) <= 1 && uint32At(file, end + 1) === maskedCrc(crc)) return end - offset;
  }
  return undefined;
}

function holdsEntries(file: Uint8Array, handle: Handle): boolean {
  const [first] = entriesOf(contentsOf(file, handle));
  return first !== undefined && first.key.length > keyTrailerBytes && (first.key.at(-keyTrailerBytes) ?? 2) <= 1;
}

function contentsOf(file: Uint8Array, { offset, size }: Handle): Uint8Array {
  const contents = file.subarray(offset, offset + size);
  return file[offset + size] === 1 ? unsnap(contents).bytes : contents;
}

/** Entries of a plain block. Past one that is unreadable, it goes on with the next that shares nothing with those before. */
function* entriesOf(block: Uint8Array): Generator<RawEntry> {
  if (block.length < 8) return;
  const restarts = restartsOf(block);
  const end = block.length - 4 - 4 * restarts.length;
  const nextRestart = (after: number): number => restarts.find((restart) => restart > after && restart < end) ?? end;
  let key: Uint8Array = new Uint8Array(0);
  for (let at = 0; at < end; ) {
    try {
      const cursor = new LevelCursor(block, at, end);
      const [shared, other, valueBytes] = [cursor.varint(), cursor.varint(), cursor.varint()];
      if (shared > key.length) throw new RangeError("no such key before");
      key = Buffer.concat([key.subarray(0, shared), cursor.take(other)]);
      const value = cursor.take(valueBytes);
      if (cursor.at > nextRestart(at)) throw new RangeError("it reaches into the next entry");
      yield { key, value };
      at = cursor.at;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      at = nextRestart(at);
      key = new Uint8Array(0);
    }
  }
}

function restartsOf(block: Uint8Array): readonly number[] {
  const count = uint32At(block, block.length - 4);
  if (count > block.length / 4 - 1) return [];
  const first = block.length - 4 - 4 * count;
  return Array.from({ length: count }, (_, i) => uint32At(block, first + 4 * i));
}
