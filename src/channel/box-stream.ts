// The box stream of Secure Scuttlebutt: a byte stream as a chain of secretboxes, which cannot be read, changed, reordered,
// repeated or cut short unnoticed. Source: the Scuttlebutt Protocol Guide, "Box stream"; npm pull-box-stream.
//
//     ┌─ header box, 34 bytes, nonce n ─┐ ┌─ body, 1 to 4096 bytes, nonce n + 1 ─┐   next box: nonce n + 2
//     │ mac 16 │ length 2 ‖ body mac 16 │ │                                      │
//     └─────────────────────────────────┘ └──────────────────────────────────────┘
//     Goodbye: a header box of 18 zero bytes. The length and the nonces are big-endian.
import sodium from "sodium-native";
import { DswarmError } from "../util/errors.ts";
import { overLimit } from "../util/over-limit.ts";

/** Plaintext bytes of a box at most. */
export const maxBodyBytes = 4096;
/** Bytes that each box adds. */
export const overheadBytes = 34;

/** Bytes of the boxes of so many bytes. */
export function boxedBytes(plainBytes: number): number {
  return plainBytes + Math.ceil(plainBytes / maxBodyBytes) * overheadBytes;
}

const macBytes = 16;
const headerBytes = 2 + macBytes;
const zeroHeader = Buffer.alloc(headerBytes);

/** Adds a small number to a big-endian nonce. */
function advance(nonce: Buffer, by: number): void {
  let carry = by;
  for (let i = nonce.length - 1; carry > 0 && i >= 0; i--) {
    const sum = (nonce[i] ?? 0) + carry;
    nonce[i] = sum & 0xff;
    carry = sum >> 8;
  }
}

/** The sending half. */
export class Boxer {
  readonly #key: Buffer;
  readonly #headerNonce: Buffer;
  readonly #bodyNonce: Buffer;
  readonly #header = Buffer.alloc(headerBytes);
  readonly #headerMac = this.#header.subarray(2);

  /**
   * @param key 32 bytes, secret; kept, and wiped by `wipe`
   * @param nonce 24 bytes; copied
   */
  constructor(key: Buffer, nonce: Uint8Array) {
    this.#key = key;
    this.#headerNonce = Buffer.from(nonce);
    this.#bodyNonce = Buffer.from(nonce);
    advance(this.#bodyNonce, 1);
  }

  /**
   * Boxes bytes. Returns no bytes for none.
   * @param output where to, at least `boxedBytes` of them; not the memory of `plain`
   * @returns the part of `output` that was written
   */
  box(plain: Uint8Array, output: Buffer = Buffer.allocUnsafe(boxedBytes(plain.length))): Buffer {
    let to = 0;
    for (let from = 0; from < plain.length; from += maxBodyBytes) {
      const body = plain.length <= maxBodyBytes ? plain : plain.subarray(from, from + maxBodyBytes);
      const bodyAt = to + overheadBytes;
      const cipher = output.subarray(bodyAt, bodyAt + body.length);
      sodium.crypto_secretbox_detached(cipher, this.#headerMac, body, this.#bodyNonce, this.#key);
      this.#header.writeUInt16BE(body.length, 0);
      this.#boxHeader(output.subarray(to, bodyAt), this.#header);
      to = bodyAt + body.length;
    }
    return output.subarray(0, to);
  }

  /** The goodbye: 34 bytes, after which nothing may be boxed. */
  goodbye(): Buffer {
    const output = Buffer.allocUnsafe(overheadBytes);
    this.#boxHeader(output, zeroHeader);
    return output;
  }

  /** Zeroes the key. */
  wipe(): void {
    sodium.sodium_memzero(this.#key);
  }

  #boxHeader(output: Buffer, header: Buffer): void {
    sodium.crypto_secretbox_easy(output, header, this.#headerNonce, this.#key);
    advance(this.#headerNonce, 2);
    advance(this.#bodyNonce, 2);
  }
}

/** The receiving half. */
export class Unboxer {
  readonly #key: Buffer;
  readonly #nonce: Buffer;
  readonly #header = Buffer.alloc(headerBytes);
  readonly #bodyMac = this.#header.subarray(2);
  /** A header box that came in parts, as far as it has come. */
  readonly #partialHeader = Buffer.alloc(overheadBytes);
  #partialHeaderBytes = 0;
  /** A body that came in parts, as far as it has come. Bounded by `maxBodyBytes`. */
  #partialBody: Buffer | undefined;
  #partialBodyBytes = 0;
  /** Length of the body that follows; 0 where a header follows. */
  #bodyBytes = 0;
  #saidGoodbye = false;

  /**
   * @param key 32 bytes, secret; kept, and wiped by `wipe`
   * @param nonce 24 bytes; copied
   */
  constructor(key: Buffer, nonce: Uint8Array) {
    this.#key = key;
    this.#nonce = Buffer.from(nonce);
  }

  /** Bytes of memory held for a body of which a part has come. */
  get heldBytes(): number {
    return this.#partialBody?.length ?? 0;
  }

  /** Whether the goodbye has come. */
  get saidGoodbye(): boolean {
    return this.#saidGoodbye;
  }

  /**
   * Opens boxes, however they are split over calls.
   * @param input their bytes, whose memory is the unboxer's from now on: the plaintext is written into it
   * @param plain gets the plaintext appended in order, in at most two chunks; also what preceded an error
   * @param maxBoxes after so many it returns, whatever is left
   * @returns how many bytes of the input it has read
   * @throws DswarmError `box_invalid`, `box_too_large`, `box_after_goodbye`; not to be used after that
   */
  push(input: Uint8Array, plain: Uint8Array[], maxBoxes = Number.POSITIVE_INFINITY): number {
    let at = 0;
    // The plaintext of whole bodies is moved to the front of the input, so that all of it is one chunk. It never
    // overtakes what is still to be read, because every body is at least as far back as its plaintext goes.
    let plainBytes = 0;
    let boxes = 0;
    try {
      while (at < input.length && boxes < maxBoxes) {
        if (this.#saidGoodbye) throw new DswarmError("box_after_goodbye");
        const bodyBytes = this.#bodyBytes;
        if (bodyBytes === 0) {
          at = this.#readHeader(input, at);
          boxes += 1;
        } else if (this.#partialBodyBytes === 0 && input.length - at >= bodyBytes) {
          const cipher = input.subarray(at, at + bodyBytes);
          this.#openBody(cipher, input.subarray(plainBytes, plainBytes + bodyBytes));
          at += bodyBytes;
          plainBytes += bodyBytes;
        } else {
          at = this.#readPartialBody(input, at, plain);
        }
      }
    } finally {
      if (plainBytes > 0) plain.push(input.subarray(0, plainBytes));
    }
    return at;
  }

  /** Zeroes the key. */
  wipe(): void {
    sodium.sodium_memzero(this.#key);
  }

  /** Returns where the input is read to. */
  #readHeader(input: Uint8Array, at: number): number {
    if (this.#partialHeaderBytes === 0 && input.length - at >= overheadBytes) {
      this.#openHeader(input.subarray(at, at + overheadBytes));
      return at + overheadBytes;
    }
    const part = input.subarray(at, at + overheadBytes - this.#partialHeaderBytes);
    this.#partialHeader.set(part, this.#partialHeaderBytes);
    this.#partialHeaderBytes += part.length;
    if (this.#partialHeaderBytes === overheadBytes) {
      this.#partialHeaderBytes = 0;
      this.#openHeader(this.#partialHeader);
    }
    return at + part.length;
  }

  /** Returns where the input is read to. */
  #readPartialBody(input: Uint8Array, at: number, plain: Uint8Array[]): number {
    const body = (this.#partialBody ??= Buffer.allocUnsafe(this.#bodyBytes));
    const part = input.subarray(at, at + body.length - this.#partialBodyBytes);
    body.set(part, this.#partialBodyBytes);
    this.#partialBodyBytes += part.length;
    if (this.#partialBodyBytes === body.length) {
      this.#openBody(body, body);
      this.#partialBody = undefined;
      this.#partialBodyBytes = 0;
      plain.push(body);
    }
    return at + part.length;
  }

  #openHeader(box: Uint8Array): void {
    const isValid = sodium.crypto_secretbox_open_easy(this.#header, box, this.#nonce, this.#key);
    if (!isValid) throw new DswarmError("box_invalid");
    advance(this.#nonce, 1);
    const length = this.#header.readUInt16BE(0);
    if (length > maxBodyBytes) throw new DswarmError("box_too_large", overLimit(length, maxBodyBytes));
    if (length === 0) {
      if (!this.#header.equals(zeroHeader)) throw new DswarmError("box_invalid", "it is empty");
      this.#saidGoodbye = true;
    }
    this.#bodyBytes = length;
  }

  #openBody(cipher: Uint8Array, plain: Uint8Array): void {
    const isValid = sodium.crypto_secretbox_open_detached(plain, cipher, this.#bodyMac, this.#nonce, this.#key);
    if (!isValid) throw new DswarmError("box_invalid");
    advance(this.#nonce, 1);
    this.#bodyBytes = 0;
  }
}
