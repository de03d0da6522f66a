// Records that two processes know by number.
import type { DhtRecord } from "../../../src/dht/record.ts";
import { createImmutable } from "../../../src/dht/record-codec.ts";

/**
 * The record with a number: 0 to 2^32 - 1.
 * @param bytes of its value, at least 4
 */
export function numberedRecord(n: number, bytes = 200): DhtRecord {
  const value = new Uint8Array(bytes);
  new DataView(value.buffer).setUint32(0, n);
  return createImmutable(value);
}
