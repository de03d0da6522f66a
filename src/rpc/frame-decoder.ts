// Cuts a byte stream into frames. Bytes may come split or joined in any way.
import type { Frame } from "../../gen/dswarm/v1/frame_pb.ts";
import { DswarmError } from "../util/errors.ts";
import { overLimit } from "../util/over-limit.ts";
import { passingBytes, plainView } from "./byte-views.ts";
import { readFrame } from "./frame-reader.ts";
import { protocol } from "./params.ts";

// A varint of this many bytes holds every length that is allowed.
const maxPrefixBytes = 3;

// Whoever keeps a message keeps at most this much alive beyond it, however large the chunk is in which it came.
const maxKeptBytes = 65_536;

/** Decodes frames. Bounded by one frame of `protocol.maxFrameBytes`. */
export class FrameDecoder {
  /** The length prefix as far as it has come. */
  #prefix = 0;
  #prefixBytes = 0;
  #isStopped = false;
  /** A frame that came in parts, as far as it has come: each byte is copied once, however small the parts are. */
  #partial: Uint8Array | undefined;
  #partialBytes = 0;

  /** Bytes of memory held for a frame of which a part has come. */
  get heldBytes(): number {
    return this.#partial?.length ?? 0;
  }

  /**
   * Takes bytes, whose memory is the decoder's from now on, and calls back for each frame that is complete, or `onEmpty` for
   * one without bytes, which says nothing. The payloads of
   * the frames may be views of that memory: plain Uint8Arrays, as a Buffer's `slice` would surprise who expects a copy.
   * @returns the bytes that it has not read because a callback called `stop`: they are to be pushed before any others
   * @throws DswarmError `frame_too_large` or `frame_invalid`; the decoder is then of no further use
   */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => void, onEmpty?: () => void): Uint8Array | undefined {
    const bytes = plainView(chunk);
    let at = 0;
    this.#isStopped = false;
    while (at < bytes.length) {
      if (this.#isStopped) return bytes.subarray(at);
      if (this.#partial !== undefined) {
        at = this.#readPartial(this.#partial, bytes, at, onFrame);
        continue;
      }
      const length = this.#readPrefix(bytes[at++] ?? 0);
      if (length === undefined) continue;
      if (length === 0) {
        onEmpty?.();
        continue;
      }
      const end = at + length;
      if (end <= bytes.length) {
        onFrame(decode(passingBytes(bytes.subarray(at, end), maxKeptBytes)));
        at = end;
      } else {
        this.#partial = plainView(Buffer.allocUnsafeSlow(length));
      }
    }
    return undefined;
  }

  /** Lets the `push` that calls back return. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Takes one byte of the length prefix. Returns the length when that was the last. */
  #readPrefix(byte: number): number | undefined {
    this.#prefix |= (byte & 0x7f) << (7 * this.#prefixBytes++);
    const isLast = byte < 0x80;
    if (this.#prefix > protocol.maxFrameBytes || (!isLast && this.#prefixBytes === maxPrefixBytes)) {
      throw new DswarmError(
        "frame_too_large",
        overLimit(isLast ? this.#prefix : protocol.maxFrameBytes + 1, protocol.maxFrameBytes, isLast),
      );
    }
    if (!isLast) return undefined;
    const length = this.#prefix;
    this.#prefix = 0;
    this.#prefixBytes = 0;
    return length;
  }

  /** Returns where the input is read to. */
  #readPartial(partial: Uint8Array, input: Uint8Array, at: number, onFrame: (frame: Frame) => void): number {
    const part = input.subarray(at, at + partial.length - this.#partialBytes);
    partial.set(part, this.#partialBytes);
    this.#partialBytes += part.length;
    if (this.#partialBytes === partial.length) {
      this.#partial = undefined;
      this.#partialBytes = 0;
      onFrame(decode(partial));
    }
    return at + part.length;
  }
}

function decode(bytes: Uint8Array): Frame {
  try {
    return readFrame(bytes);
  } catch (error) {
    throw new DswarmError("frame_invalid", "it does not decode", { cause: error });
  }
}
