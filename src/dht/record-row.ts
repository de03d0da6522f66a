// Rows of the database of records. Each begins with a checksum: LevelDB does not look at its own when it reads, so that a bit
// that has changed on the disk would be answered as the record.
//
//     row    CRC-32 of the rest (4)   the rest
//     head   when the record expires, milliseconds as a float64 (8)   1 if a peer stored it, 3 if it passed it on for
//            another, else 0 (1)   that peer (32)   the host that it stored from (the rest, none in older rows)
//     body   the record, as a message of the protocol
//     number   a sequence (8)
import { crc32 } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { RecordSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import { NodeId } from "../identity/node-id.ts";
import { DswarmError } from "../util/errors.ts";
import { ioAdviceFor } from "../util/io-error.ts";
import type { DhtRecord } from "./record.ts";
import { recordToMessage, unverifiedRecord } from "./record-codec.ts";
import type { RecordDatabase } from "./record-database.ts";

/** What is known of a record beside the record itself. */
export interface RowHead {
  /** On the wall clock. */
  readonly expiresAtMs: number;
  /** The peer that stored it; undefined is this node itself. */
  readonly from: NodeId | undefined;
  /** The `hostGroup` from which it was stored, in ASCII; "" where it is not known. */
  readonly host: string;
  /** Whether that peer passed it on for another. */
  readonly isForwarded: boolean;
}

/** The encodings of rows: keys are text. */
export const rowEncodings = { keyEncoding: "utf8", valueEncoding: "view" } as const;

const checksumBytes = 4;
const sequenceBytes = 8;
const fixedHeadBytes = 41;

const maxHostBytes = 64;

const isOfPeer = 1;
const isPassedOn = 2;

/** The row of a head: 45 bytes, and the host. */
export function headToRow({ expiresAtMs, from, host, isForwarded }: RowHead): Uint8Array {
  const row = new Uint8Array(checksumBytes + fixedHeadBytes + host.length);
  new DataView(row.buffer).setFloat64(checksumBytes, expiresAtMs);
  if (from !== undefined) {
    row[12] = isForwarded ? isOfPeer | isPassedOn : isOfPeer;
    row.set(from.bytes, 13);
  }
  for (let i = 0; i < host.length; i++) row[checksumBytes + fixedHeadBytes + i] = host.charCodeAt(i);
  return sealed(row);
}

/** @throws DswarmError `record_invalid` for a damaged row */
export function headFromRow(row: Uint8Array): RowHead {
  const head = unsealed(row);
  if (head.length < fixedHeadBytes || head.length > fixedHeadBytes + maxHostBytes)
    throw new DswarmError("record_invalid", `its head has ${row.length} bytes`);
  const expiresAtMs = new DataView(head.buffer, head.byteOffset, head.length).getFloat64(0);
  const flags = head[8] ?? 0;
  return {
    expiresAtMs,
    from: flags === 0 ? undefined : NodeId.fromBytes(head.subarray(9, fixedHeadBytes)),
    host: String.fromCharCode(...head.subarray(fixedHeadBytes)),
    isForwarded: (flags & isPassedOn) !== 0,
  };
}

/** The row of a sequence, from 0 to 2^64 - 1: 12 bytes. */
export function sequenceToRow(sequence: bigint): Uint8Array {
  const row = new Uint8Array(checksumBytes + sequenceBytes);
  new DataView(row.buffer).setBigUint64(checksumBytes, sequence);
  return sealed(row);
}

/** @throws DswarmError `record_invalid` for a damaged row */
export function sequenceFromRow(row: Uint8Array): bigint {
  const number = unsealed(row);
  if (number.length !== sequenceBytes) {
    throw new DswarmError("record_invalid", `expected a number of ${sequenceBytes} bytes, got ${number.length}`);
  }
  return new DataView(number.buffer, number.byteOffset, number.length).getBigUint64(0);
}

/** The row of a record, and the time to live that it is published with. */
export function recordToRow(record: DhtRecord, ttlS = 0): Uint8Array {
  const body = toBinary(RecordSchema, create(RecordSchema, recordToMessage(record, ttlS)));
  const row = new Uint8Array(checksumBytes + body.length);
  row.set(body, checksumBytes);
  return sealed(row);
}

/**
 * Reads the row of a record, whose bytes are copied. Its signature was verified before it was written.
 * @throws DswarmError `record_invalid`, `record_too_large` for a damaged row
 */
export function recordFromRow(row: Uint8Array): DhtRecord {
  const body = unsealed(row);
  try {
    return unverifiedRecord(fromBinary(RecordSchema, body));
  } catch (cause) {
    if (cause instanceof DswarmError) throw cause;
    throw new DswarmError("record_invalid", "it is no message", { cause });
  }
}

/**
 * Reads rows; undefined for those that are not found, and those in a part of the database that is damaged.
 * @throws DswarmError `storage_failed`
 */
export async function readRows(
  database: RecordDatabase,
  keys: readonly string[],
): Promise<readonly (Uint8Array | undefined)[]> {
  const [first] = keys;
  if (database.status !== "open") await database.settled?.();
  try {
    // To read one alone is faster.
    if (first !== undefined && keys.length === 1) return [await database.get(first, rowEncodings)];
    return await database.getMany([...keys], rowEncodings);
  } catch (cause) {
    if (!isCorruption(cause)) throw new DswarmError("storage_failed", ioAdviceFor(cause), { cause });
    // What is in other parts can be read.
    const single = keys.length === 1 ? [] : await Promise.all(keys.map((key) => readRows(database, [key])));
    return keys.map((_, i) => single[i]?.[0]);
  }
}

function isCorruption(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "LEVEL_CORRUPTION";
}

function sealed(row: Uint8Array): Uint8Array {
  new DataView(row.buffer).setUint32(0, crc32(row.subarray(checksumBytes)));
  return row;
}

function unsealed(row: Uint8Array): Uint8Array {
  const rest = row.subarray(checksumBytes);
  if (row.length < checksumBytes || new DataView(row.buffer, row.byteOffset).getUint32(0) !== crc32(rest)) {
    throw new DswarmError("record_invalid", "its checksum is wrong");
  }
  return rest;
}
