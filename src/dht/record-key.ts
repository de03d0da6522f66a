// RecordKey: the 256-bit key under which the DHT keeps records, in the space of the NodeIds.
import { hash } from "node:crypto";
import { inspect } from "node:util";
import { NodeId } from "../identity/node-id.ts";
import { checkBytes, checkText, wrongType } from "../util/arguments.ts";
import { equalBytes, parse32Bytes, toBase64, toBase64url, toHex } from "../util/bytes.ts";
import { DswarmError } from "../util/errors.ts";

const signerDomain = Buffer.from("dswarm-mutable-key-v1\0", "ascii");

/** The key of a record: a hash, 32 bytes. Immutable. */
export class RecordKey {
  readonly #bytes: Uint8Array;
  #text: string | undefined;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * A key of 32 bytes, which are copied.
   * @throws DswarmError `record_key_invalid` for another length; TypeError for what is no bytes
   */
  static fromBytes(bytes: Uint8Array): RecordKey {
    checkBytes("bytes", bytes);
    if (bytes.length !== 32) throw new DswarmError("record_key_invalid", `${bytes.length} bytes where 32 belong`);
    return new RecordKey(Uint8Array.from(bytes));
  }

  /**
   * Reads a key from base64, base64url or hex, each with or without a leading "&".
   * @throws DswarmError `record_key_invalid`
   */
  static parse(text: string): RecordKey {
    checkText("text", text);
    const bytes = parse32Bytes(text.startsWith("&") ? text.slice(1) : text);
    if (bytes === undefined) {
      throw new DswarmError("record_key_invalid", `expected "&" and 44 characters of base64, or base64url, or hex`);
    }
    return new RecordKey(bytes);
  }

  /** The key of an immutable value: sha256 of it. */
  static ofValue(value: Uint8Array): RecordKey {
    checkBytes("value", value);
    return new RecordKey(sha256(value));
  }

  /**
   * The key of a mutable record: the first 32 bytes of the SHA-512 of "dswarm-mutable-key-v1", a zero byte, the signer's public
   * key (32 bytes) and the salt. Were it a sha256, what it is of would be a value under the same key, for anyone to put.
   */
  static ofSigner(publicKey: NodeId, salt: Uint8Array): RecordKey {
    if (!(publicKey instanceof NodeId)) throw wrongType("publicKey", "a NodeId", publicKey);
    checkBytes("salt", salt);
    const digest = hash("sha512", Buffer.concat([signerDomain, publicKey.bytes, salt]), "buffer");
    return new RecordKey(Uint8Array.from(digest.subarray(0, 32)));
  }

  /** The key of the providers of something that has a name, for example a service's protobuf type name: sha256 of its UTF-8. */
  static ofName(name: string): RecordKey {
    checkText("name", name);
    return new RecordKey(sha256(Buffer.from(name, "utf8")));
  }

  /** What `console.log` and `util.inspect` show. */
  [inspect.custom](): string {
    return this.toString();
  }

  /** The 32 bytes. Not to be written to. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** "&" and 44 characters of base64. */
  toString(): string {
    this.#text ??= `&${toBase64(this.#bytes)}`;
    return this.#text;
  }

  /** 43 characters of base64url: fit for paths. */
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

  equals(other: RecordKey): boolean {
    if (!(other instanceof RecordKey)) throw wrongType("other", "a RecordKey", other);
    return this === other || equalBytes(this.#bytes, other.#bytes);
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash("sha256", bytes, "buffer"));
}
