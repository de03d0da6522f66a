// Records of the DHT as the code has them: read from messages, checked whole, made and signed.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Record as RecordMessage, RecordSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import type { KeyPair } from "../identity/keys.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { Contact } from "./contact.ts";
import type { RecordKey } from "./record-key.ts";

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
