// Records made and signed, read from messages and checked whole, and written to messages.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  MutableRecord as MutableMessage,
  ProviderRecord as ProviderMessage,
  Record as RecordMessage,
  RecordSchema,
} from "../../gen/dswarm/v1/dht_pb.ts";
import { type KeyPair, sign, verify } from "../identity/keys.ts";
import { NodeId } from "../identity/node-id.ts";
import { DswarmError } from "../util/errors.ts";
import { overLimit } from "../util/over-limit.ts";
import { type Contact, contactFromMessage, contactToMessage } from "./contact.ts";
import {
  type DhtRecord,
  type ImmutableRecord,
  type MutableRecord,
  type ProviderRecord,
  recordProtocol,
} from "./record.ts";
import { RecordKey } from "./record-key.ts";
import { mutableSignedBytes, providerSignedBytes } from "./record-signature.ts";

/** What a mutable record is made of. */
export interface MutableInit {
  /** The signer. */
  readonly keys: KeyPair;
  /** 0 to 64 bytes. Without it none. */
  readonly salt?: Uint8Array | undefined;
  /** 0 to 2^64 - 1. */
  readonly sequence: bigint;
  /** 0 to 65536 bytes; none when deleted. */
  readonly value: Uint8Array;
  /** Without it the value is not deleted. */
  readonly isDeleted?: boolean | undefined;
}

/** What a provider record is made of. */
export interface ProviderInit {
  /** The provider. */
  readonly keys: KeyPair;
  /** Under which it is to be found. */
  readonly key: RecordKey;
  /** Where it is reached, the best first: 1 to 4. */
  readonly addresses: Contact["addresses"];
  /** 0 to 2^64 - 1. */
  readonly sequence: bigint;
  /** Without it the provider does provide. */
  readonly isWithdrawn?: boolean | undefined;
}

/**
 * The record of a value, which is copied.
 * @throws DswarmError `record_too_large` for a value over 65536 bytes
 */
export function createImmutable(value: Uint8Array): ImmutableRecord {
  const copy = copyOfValue(value);
  return { kind: "immutable", key: RecordKey.ofValue(copy), value: copy };
}

/**
 * Makes and signs a mutable record; value and salt are copied. Takes about a millisecond.
 * @throws DswarmError `record_too_large` for a value over 65536 bytes, `record_invalid` for what else breaks the protocol
 */
export function createMutable({ keys, salt, sequence, value, isDeleted = false }: MutableInit): MutableRecord {
  const content = mutableContent({ signer: keys.id, salt: salt ?? new Uint8Array(), sequence, value, isDeleted });
  return { ...content, signature: sign(mutableSignedBytes(content), keys) };
}

/**
 * Makes and signs the word of a provider. Takes about a millisecond.
 * @throws DswarmError `record_invalid` for what breaks the protocol
 */
export function createProvider({ keys, key, addresses, sequence, isWithdrawn = false }: ProviderInit): ProviderRecord {
  const message = contactToMessage({ id: keys.id, addresses });
  const texts = message.addresses ?? [];
  const provider = contactFromMessage({ id: keys.id.bytes, addresses: texts });
  if (provider === undefined || texts.length !== addresses.length) {
    throw new DswarmError("record_invalid", "1 to 4 addresses of at most 64 characters belong to a provider");
  }
  checkSequence(sequence);
  const content = { kind: "provider", key, provider, sequence, isWithdrawn } as const;
  return { ...content, signature: sign(providerSignedBytes(content), keys) };
}

/**
 * Reads a record from a message and checks all of it, the signature too, which takes about 50 µs. Its bytes are copied; its
 * time to live is not looked at.
 * @throws DswarmError `record_too_large` for a value over 65536 bytes, `record_forged` for a signature that is not the signer's
 *   over the record, `record_invalid` for what else breaks the protocol
 */
export function recordFromMessage(message: Pick<RecordMessage, "kind">): DhtRecord {
  const record = unverifiedRecord(message);
  if (!isGenuine(record)) throw new DswarmError("record_forged");
  return record;
}

/**
 * Reads a record as `recordFromMessage`, but believes its signature: for what this node verified when it got it.
 * @throws DswarmError `record_too_large`, `record_invalid`
 */
export function unverifiedRecord({ kind }: Pick<RecordMessage, "kind">): DhtRecord {
  if (kind.case === "immutable") return createImmutable(kind.value.value);
  if (kind.case === "mutable") return mutableFrom(kind.value);
  if (kind.case === "provider") return providerFrom(kind.value);
  throw new DswarmError("record_invalid", "it is of no kind that is known");
}

/**
 * A record as a message. Its bytes are those of the record, not copies.
 * @param ttlS whole seconds that it has left
 */
export function recordToMessage(record: DhtRecord, ttlS: number): MessageInitShape<typeof RecordSchema> {
  if (record.kind === "immutable") return { kind: { case: "immutable", value: { value: record.value } }, ttlS };
  const { sequence, signature } = record;
  if (record.kind === "mutable") {
    const { signer, salt, value: bytes, isDeleted } = record;
    const value = { publicKey: signer.bytes, salt, sequence, value: bytes, signature, deleted: isDeleted };
    return { kind: { case: "mutable", value }, ttlS };
  }
  const { key, provider, isWithdrawn } = record;
  const value = { key: key.bytes, provider: contactToMessage(provider), sequence, signature, withdrawn: isWithdrawn };
  return { kind: { case: "provider", value }, ttlS };
}

function isGenuine(record: DhtRecord): boolean {
  if (record.kind === "immutable") return true;
  return record.kind === "mutable"
    ? verify(record.signature, mutableSignedBytes(record), record.signer)
    : verify(record.signature, providerSignedBytes(record), record.provider.id);
}

function mutableFrom(message: MutableMessage): MutableRecord {
  const { salt, sequence, value, deleted } = message;
  const signer = nodeIdOf(message.publicKey);
  const signature = copyOfSignature(message.signature);
  return { ...mutableContent({ signer, salt, sequence, value, isDeleted: deleted }), signature };
}

/** @throws DswarmError `record_invalid` for a salt that is too long */
export function checkSalt({ length }: Uint8Array): void {
  if (length <= recordProtocol.maxSaltBytes) return;
  throw new DswarmError(
    "record_invalid",
    `a salt over its size limit: ${overLimit(length, recordProtocol.maxSaltBytes)}`,
  );
}

function mutableContent({
  signer,
  salt,
  sequence,
  value,
  isDeleted,
}: Pick<MutableRecord, "signer" | "salt" | "sequence" | "value" | "isDeleted">): Omit<MutableRecord, "signature"> {
  checkSalt(salt);
  checkSequence(sequence);
  if (isDeleted && value.length > 0) throw new DswarmError("record_invalid", "it is deleted and yet has a value");
  const copy = new Uint8Array(salt);
  const key = RecordKey.ofSigner(signer, copy);
  return { kind: "mutable", key, signer, salt: copy, sequence, value: copyOfValue(value), isDeleted };
}

function providerFrom(message: ProviderMessage): ProviderRecord {
  if (message.key.length !== 32) throw new DswarmError("record_invalid", `a key of ${message.key.length} bytes`);
  const provider = message.provider && contactFromMessage(message.provider);
  if (provider === undefined) throw new DswarmError("record_invalid", "the provider is not a contact");
  checkSequence(message.sequence);
  return {
    kind: "provider",
    key: RecordKey.fromBytes(message.key),
    provider,
    sequence: message.sequence,
    isWithdrawn: message.withdrawn,
    signature: copyOfSignature(message.signature),
  };
}

function nodeIdOf(bytes: Uint8Array): NodeId {
  try {
    return NodeId.fromBytes(bytes);
  } catch (cause) {
    throw new DswarmError("record_invalid", "the signer is not a node id", { cause });
  }
}

function checkSequence(sequence: bigint): void {
  if (sequence < 0n || sequence > recordProtocol.maxSequence) {
    throw new DswarmError("record_invalid", "the sequence is not from 0 to 2^64 - 1");
  }
}

function copyOfValue(value: Uint8Array): Uint8Array {
  if (value.length > recordProtocol.maxValueBytes) {
    throw new DswarmError("record_too_large", overLimit(value.length, recordProtocol.maxValueBytes));
  }
  return new Uint8Array(value);
}

function copyOfSignature(signature: Uint8Array): Uint8Array {
  if (signature.length !== recordProtocol.signatureBytes) {
    throw new DswarmError("record_invalid", `a signature of ${signature.length} bytes`);
  }
  return new Uint8Array(signature);
}
