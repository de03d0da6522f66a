// NodeId: the ed25519 public key that names a node, and the XOR metric over it (Maymounkov and Mazières 2002, section 2.1).
import { inspect } from "node:util";
import { checkBytes, checkText, wrongType } from "../util/arguments.ts";
import { equalBytes, parse32Bytes, toBase64, toBase64url, toHex } from "../util/bytes.ts";
import { DswarmError } from "../util/errors.ts";

/** Bytes in a NodeId. */
export const nodeIdBytes = 32;

// 2^255 - 19, little-endian: y coordinates from here on are not canonical (RFC 8032, section 5.1.3).
const fieldPrime = Buffer.from(`ed${"ff".repeat(30)}7f`, "hex");

// y coordinates (little-endian) of the eight points whose order divides 8; the sign bit does not matter.
const smallOrderY = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);
const smallOrderFirstBytes = new Set([...smallOrderY].map((hex) => Number.parseInt(hex.slice(0, 2), 16)));

/** Names a node: its ed25519 public key, 32 bytes. Immutable. */
export class NodeId {
  readonly #bytes: Uint8Array;
  #text: string | undefined;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * A NodeId of 32 bytes, which are copied.
   * @throws DswarmError `node_id_invalid` for another length, a non-canonical encoding or a key of small order; TypeError for
   *   what is no bytes
   */
  static fromBytes(bytes: Uint8Array): NodeId {
    checkBytes("bytes", bytes);
    const fault = faultOf(bytes);
    if (fault !== undefined) throw new DswarmError("node_id_invalid", fault);
    return new NodeId(Uint8Array.from(bytes));
  }

  /**
   * Reads a NodeId from base64, base64url or hex, each with or without a leading "@".
   * @throws DswarmError `node_id_invalid` as `fromBytes`, and for any other text
   */
  static parse(text: string): NodeId {
    checkText("text", text);
    const bytes = parse32Bytes(text.startsWith("@") ? text.slice(1) : text);
    if (bytes === undefined) {
      throw new DswarmError("node_id_invalid", `expected "@" and 44 characters of base64, or base64url, or hex`);
    }
    return NodeId.fromBytes(bytes);
  }

  /** What `console.log` and `util.inspect` show. */
  [inspect.custom](): string {
    return this.toString();
  }

  /** The 32 bytes. Not to be written to. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** "@" and 44 characters of base64. */
  toString(): string {
    this.#text ??= `@${toBase64(this.#bytes)}`;
    return this.#text;
  }

  /** 43 characters of base64url: fit for paths and addresses. */
  toBase64url(): string {
    return toBase64url(this.#bytes);
  }

  /** 64 lower-case hex digits. */
  toHex(): string {
    return toHex(this.#bytes);
  }

  toJSON(): string {
    return this.toString();
  }

  equals(other: NodeId): boolean {
    if (!(other instanceof NodeId)) throw wrongType("other", "a NodeId", other);
    // One byte tells most apart: of those that are compared the first ones are often the same.
    return this === other || (this.#bytes[31] === other.#bytes[31] && equalBytes(this.#bytes, other.#bytes));
  }
}

function faultOf(bytes: Uint8Array): string | undefined {
  if (bytes.length !== nodeIdBytes) return `${bytes.length} bytes where 32 belong`;
  // Nearly all keys are told from those below by two of their bytes; each contact that is heard of is checked.
  if (((bytes[31] ?? 0) & 0x7f) !== 0x7f && !smallOrderFirstBytes.has(bytes[0] ?? 0)) return undefined;
  const y = Buffer.from(bytes);
  y[31] = (y[31] ?? 0) & 0x7f;
  if (compareLittleEndian(y, fieldPrime) >= 0) return "the key is not canonical";
  return smallOrderY.has(y.toString("hex")) ? "the key is of small order" : undefined;
}

function compareLittleEndian(a: Uint8Array, b: Uint8Array): number {
  for (let i = a.length - 1; i >= 0; i--) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The XOR distance of two 32-byte keys, as 32 bytes, most significant first. */
export function distance(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: nodeIdBytes }, (_, i) => (a[i] ?? 0) ^ (b[i] ?? 0));
}

/** Orders two 32-byte keys by their XOR distance to a target: negative when `a` is closer, 0 only when they are equal. */
export function compareDistance(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < nodeIdBytes; i++) {
    const x = a[i] ?? 0;
    const y = b[i] ?? 0;
    if (x !== y) {
      const t = target[i] ?? 0;
      return (x ^ t) - (y ^ t);
    }
  }
  return 0;
}

/** Leading bits that two 32-byte keys share: 0 to 256. 255 minus it is the index of the k-bucket. */
export function sharedBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < nodeIdBytes; i++) {
    const x = (a[i] ?? 0) ^ (b[i] ?? 0);
    if (x !== 0) return i * 8 + Math.clz32(x) - 24;
  }
  return nodeIdBytes * 8;
}
