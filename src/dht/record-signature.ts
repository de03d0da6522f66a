// What the signatures of records are over (ed25519, RFC 8032).
//
//     mutable    "dswarm-mutable-v1\0"   salt length (1)   salt   sequence (8)   deleted (1)   sha256 of the value (32)
//     provider   "dswarm-provider-v1\0"  key (32)   sequence (8)   withdrawn (1)   for each address: its length (1), address
import { hash } from "node:crypto";
import { formatHostPort } from "../identity/peer-address.ts";
import type { MutableRecord, ProviderRecord } from "./record.ts";

const mutableDomain = Buffer.from("dswarm-mutable-v1\0", "ascii");
const providerDomain = Buffer.from("dswarm-provider-v1\0", "ascii");

/**
 * The bytes that the signer of a mutable record signs, one after the other: the ASCII text "dswarm-mutable-v1" and a zero
 * byte; the salt's length in one byte, and the salt (0 to 64 bytes); the sequence as 8 bytes, most significant first; one
 * byte that is 1 when the value is deleted, else 0; the sha256 of the value (32 bytes).
 */
export function mutableSignedBytes(
  record: Pick<MutableRecord, "salt" | "sequence" | "isDeleted" | "value">,
): Uint8Array {
  const { salt, sequence, isDeleted, value } = record;
  return Buffer.concat([
    mutableDomain,
    Uint8Array.of(salt.length),
    salt,
    sequenceAndFlag(sequence, isDeleted),
    hash("sha256", value, "buffer"),
  ]);
}

/**
 * The bytes that a provider signs, one after the other: the ASCII text "dswarm-provider-v1" and a zero byte; the key
 * (32 bytes); the sequence as 8 bytes, most significant first; one byte that is 1 when withdrawn, else 0; then of each
 * address as it stands in the message, in that order, its length in one byte (at most 64) and its ASCII characters.
 */
export function providerSignedBytes(
  record: Pick<ProviderRecord, "key" | "sequence" | "isWithdrawn" | "provider">,
): Uint8Array {
  const { key, sequence, isWithdrawn, provider } = record;
  const parts: Uint8Array[] = [providerDomain, key.bytes, sequenceAndFlag(sequence, isWithdrawn)];
  for (const address of provider.addresses) {
    const text = Buffer.from(formatHostPort(address), "ascii");
    parts.push(Uint8Array.of(text.length), text);
  }
  return Buffer.concat(parts);
}

function sequenceAndFlag(sequence: bigint, flag: boolean): Uint8Array {
  const bytes = Buffer.alloc(9);
  bytes.writeBigUInt64BE(sequence);
  bytes[8] = flag ? 1 : 0;
  return bytes;
}
