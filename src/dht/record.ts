// Records of the DHT as the code has them.
import type { NodeId } from "../identity/node-id.ts";
import type { Contact } from "./contact.ts";
import type { RecordKey } from "./record-key.ts";

/** Fixed by the protocol (proto/dswarm/v1/dht.proto). */
export const recordProtocol = {
  /** Bytes of a value at most. */
  maxValueBytes: 65536,
  /** Bytes of a salt at most. */
  maxSaltBytes: 64,
  /** The largest sequence. */
  maxSequence: 2n ** 64n - 1n,
  /** Bytes of a signature. */
  signatureBytes: 64,
} as const;

/** A value under the sha256 of itself. */
export interface ImmutableRecord {
  readonly kind: "immutable";
  readonly key: RecordKey;
  /** 0 to 65536 bytes. */
  readonly value: Uint8Array;
}

/** A value that the holder of a key may replace. */
export interface MutableRecord {
  readonly kind: "mutable";
  /** sha256 of the signer's public key and the salt. */
  readonly key: RecordKey;
  readonly signer: NodeId;
  /** 0 to 64 bytes. */
  readonly salt: Uint8Array;
  /** 0 to 2^64 - 1; the larger replaces the smaller. */
  readonly sequence: bigint;
  /** 0 to 65536 bytes; none when deleted. */
  readonly value: Uint8Array;
  readonly isDeleted: boolean;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** A node's word that it provides something. */
export interface ProviderRecord {
  readonly kind: "provider";
  readonly key: RecordKey;
  /** The node that signed, and where it is reached. */
  readonly provider: Contact;
  /** 0 to 2^64 - 1; the larger replaces the smaller. */
  readonly sequence: bigint;
  readonly isWithdrawn: boolean;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** What is kept under a key. */
export type DhtRecord = ImmutableRecord | MutableRecord | ProviderRecord;

/**
 * What a record is known by: its kind, key and, of a provider, who that is. Of two records with one id, the one with the
 * larger sequence replaces the other. At most 106 characters of ASCII.
 */
export function recordId(record: DhtRecord): string {
  const id = `${record.kind} ${record.key.toString()}`;
  return record.kind === "provider" ? `${id} ${record.provider.id.toString()}` : id;
}

/** Whether a record says that something is deleted or withdrawn. */
export function isGone(record: DhtRecord): boolean {
  return (record.kind === "mutable" && record.isDeleted) || (record.kind === "provider" && record.isWithdrawn);
}

/** The sequence of a record; 0 for an immutable one, which has none. */
export function sequenceOf(record: DhtRecord): bigint {
  return record.kind === "immutable" ? 0n : record.sequence;
}
