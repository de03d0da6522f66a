// The announce packet: made and signed, taken apart and checked. The format is proto/dswarm/v1/announce.proto.
//
//     0a length announce (at most 420 bytes)   12 40 signature (64 bytes)
import { createHash } from "node:crypto";
import { BlockList, isIP } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type Announce as AnnounceMessage,
  AnnounceSchema,
  SignedAnnounceSchema,
} from "../../gen/dswarm/v1/announce_pb.ts";
import { type KeyPair, sign, verify } from "../identity/keys.ts";
import { NodeId, nodeIdBytes } from "../identity/node-id.ts";
import { toHex } from "../util/bytes.ts";

/** Bytes of a packet at most. */
export const maxPacketBytes = 512;

const version = 1;
const maxAnnounceBytes = 420;
const signatureBytes = 64;
const networkIdBytes = 8;
const certificateBytes = 32;
const maxAddresses = 4;
const maxAddressLength = 45;
const announceTag = 0x0a;
const signatureTag = 0x12;
const domain = Buffer.from("dswarm-announce-v1\0", "ascii");

/** What a node says of itself. */
export interface AnnounceContent {
  /** TCP port of `/dht` and `/api`, 1 to 65535. */
  readonly port: number;
  /** IP addresses besides the packet's source, at most 4; neither multicast, broadcast nor unspecified, no zone. */
  readonly addresses: readonly string[];
  /** 32 bytes: sha256 of the TLS certificate's DER form. */
  readonly certificateSha256: Uint8Array | undefined;
  /** Milliseconds since the Unix epoch, 1 to 2^53 - 1; grows whenever the content changes. */
  readonly epochMs: number;
  /** Whether the node is about to stop. */
  readonly leaving: boolean;
}

/** An announce as received. */
export interface Announce extends AnnounceContent {
  readonly id: NodeId;
  /** The network's id, 16 hex digits. */
  readonly networkId: string;
}

/** An announce whose fields are sound, and what its signature needs to be verified. */
export interface DecodedAnnounce {
  readonly announce: Announce;
  readonly announceBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** Why the fields of a packet are refused. */
type FieldFault =
  | "size" // more than 512 bytes
  | "structure" // not a SignedAnnounce in its one form, or what it holds is no Announce
  | "version" // of another version
  | "network" // of a network that nobody here is on
  | "port" // 0, or above 65535
  | "epoch" // 0, or 2^53 and above
  | "certificate" // a fingerprint of another length than 32 bytes
  | "address" // too many addresses, or one that nobody can be reached at
  | "key"; // a public key that is not canonical or of small order

/** Why a packet is dropped; counted as `announce.dropped.` and this. */
export type DropReason =
  | FieldFault
  | "overflow" // more packets waiting than the queue holds; of the source that has most in it
  | "foreign" // from an interface that is none of ours
  | "own" // from a node of this process (its siblings, if any, heed it all the same)
  | "stale" // nothing newer than what is known of the sender
  | "full" // from a stranger, while as many peers are known as may be and all are proven
  | "rate" // of the source that has most signatures to verify, while too many wait
  | "signature"; // not signed by its public key

const unreachable = new BlockList();
unreachable.addSubnet("0.0.0.0", 8, "ipv4");
unreachable.addSubnet("224.0.0.0", 3, "ipv4"); // multicast, reserved, broadcast
unreachable.addAddress("::", "ipv6");
unreachable.addSubnet("ff00::", 8, "ipv6");

/**
 * The public id of a network: 8 bytes, which do not tell its key.
 * @param networkKey 32 bytes
 * @throws RangeError for another length
 */
export function networkIdOf(networkKey: Uint8Array): Uint8Array {
  if (networkKey.length !== 32) throw new RangeError(`a network key has 32 bytes, not ${networkKey.length}`);
  const hash = createHash("sha256").update("dswarm-network-id-v1").update(networkKey).digest();
  return new Uint8Array(hash.subarray(0, networkIdBytes));
}

/**
 * Makes and signs a packet, of at most 512 bytes.
 * @param networkId 8 bytes
 * @throws RangeError for content that `decodeAnnounce` would refuse
 */
export function encodeAnnounce(content: AnnounceContent, networkId: Uint8Array, keys: KeyPair): Uint8Array {
  const message = create(AnnounceSchema, {
    version,
    networkId,
    publicKey: keys.id.bytes,
    port: content.port,
    addresses: [...content.addresses],
    certificateSha256: content.certificateSha256 ?? new Uint8Array(0),
    epochMs: BigInt(content.epochMs),
    leaving: content.leaving,
  });
  const fault = faultOf(message, { has: () => true });
  if (fault !== undefined) throw new RangeError(`an announce with an invalid ${fault}`);
  const announce = toBinary(AnnounceSchema, message);
  const signature = sign(signedBytes(announce), keys);
  return toBinary(SignedAnnounceSchema, create(SignedAnnounceSchema, { announce, signature }));
}

/**
 * Takes a packet apart and checks all of it but the signature, which `verifyAnnounce` does, and which costs ten times as
 * much. Only one form of the outer message is taken (both fields, in order, lengths in as few bytes as possible,
 * nothing else), so that nobody but the signer can make a second packet of an announce. Never throws.
 * @param networks ids of the networks that count, 16 hex digits each
 */
export function decodeAnnounce(
  packet: Uint8Array,
  networks: { has(networkId: string): boolean },
): DecodedAnnounce | { readonly drop: DropReason } {
  if (packet.length > maxPacketBytes) return { drop: "size" };
  const parts = split(packet);
  if (parts === undefined) return { drop: "structure" };
  let message: AnnounceMessage;
  try {
    message = fromBinary(AnnounceSchema, parts.announceBytes, { readUnknownFields: false });
  } catch {
    return { drop: "structure" };
  }
  const drop = faultOf(message, networks);
  if (drop !== undefined) return { drop };
  const id = nodeIdOf(message.publicKey);
  if (id === undefined) return { drop: "key" };
  const announce: Announce = {
    id,
    networkId: toHex(message.networkId),
    port: message.port,
    addresses: message.addresses,
    certificateSha256: message.certificateSha256.length === 0 ? undefined : Uint8Array.from(message.certificateSha256),
    epochMs: Number(message.epochMs),
    leaving: message.leaving,
  };
  return { announce, ...parts };
}

/** Whether the announce is signed by the key that it names. About 40 µs. */
export function verifyAnnounce({ announce, announceBytes, signature }: DecodedAnnounce): boolean {
  return verify(signature, signedBytes(announceBytes), announce.id);
}

function signedBytes(announce: Uint8Array): Uint8Array {
  return Buffer.concat([domain, announce]);
}

function split(packet: Uint8Array): { announceBytes: Uint8Array; signature: Uint8Array } | undefined {
  const [tag, low = 0, high = 0] = packet;
  const long = low >= 0x80;
  if (tag !== announceTag || (long && (high === 0 || high >= 0x80))) return undefined;
  const length = long ? (low & 0x7f) | (high << 7) : low;
  const start = long ? 3 : 2;
  const end = start + length;
  if (length > maxAnnounceBytes || packet.length !== end + 2 + signatureBytes) return undefined;
  if (packet[end] !== signatureTag || packet[end + 1] !== signatureBytes) return undefined;
  return { announceBytes: packet.subarray(start, end), signature: packet.subarray(end + 2) };
}

function faultOf(message: AnnounceMessage, networks: { has(networkId: string): boolean }): FieldFault | undefined {
  if (message.version !== version) return "version";
  if (message.networkId.length !== networkIdBytes || !networks.has(toHex(message.networkId))) return "network";
  if (message.port < 1 || message.port > 65_535) return "port";
  if (message.epochMs < 1n || message.epochMs > Number.MAX_SAFE_INTEGER) return "epoch";
  if (message.certificateSha256.length !== 0 && message.certificateSha256.length !== certificateBytes)
    return "certificate";
  if (message.addresses.length > maxAddresses || !message.addresses.every(isReachable)) return "address";
  return message.publicKey.length === nodeIdBytes ? undefined : "key";
}

function isReachable(address: string): boolean {
  if (address.length > maxAddressLength || address.includes("%")) return false;
  const family = isIP(address);
  return family !== 0 && !unreachable.check(address, family === 4 ? "ipv4" : "ipv6");
}

function nodeIdOf(bytes: Uint8Array): NodeId | undefined {
  try {
    return NodeId.fromBytes(bytes);
  } catch {
    return undefined;
  }
}
