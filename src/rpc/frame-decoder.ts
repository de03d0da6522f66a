// Cuts a byte stream into frames. Bytes may come split or joined in any way.
import { fromBinary } from "@bufbuild/protobuf";
import { type Frame, FrameSchema } from "../../gen/dswarm/v1/frame_pb.ts";
import { DswarmError } from "../util/errors.ts";
import { protocol } from "./params.ts";

const noBytes = new Uint8Array(0);
// Unknown fields are not kept: a peer cannot make a node remember what it does not understand.
const readOptions = { readUnknownFields: false };

/** Decodes frames. Bounded by one frame of `protocol.maxFrameBytes` and the bytes of one push. */
export class FrameDecoder {
  #rest = noBytes;

  /**
   * Takes bytes, whose memory is the decoder's from now on, and calls back for each frame that is complete. The payloads of
   * the frames are views of that memory.
   * @throws DswarmError `frame_too_large` or `frame_invalid`; the decoder is then of no further use
   */
  push(bytes: Uint8Array, onFrame: (frame: Frame) => void): void {
    const input = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    this.#rest = noBytes;
    let at = 0;
    while (at < input.length) {
      const length = frameLength(input, at);
      if (length === undefined) break;
      const start = at + length.prefixBytes;
      const end = start + length.bytes;
      if (end > input.length) break;
      onFrame(decode(input.subarray(start, end)));
      at = end;
    }
    // Copied, so that a part of a frame does not keep a large buffer alive.
    if (at < input.length) this.#rest = Uint8Array.from(input.subarray(at));
  }
}

function decode(bytes: Uint8Array): Frame {
  try {
    return fromBinary(FrameSchema, bytes, readOptions);
  } catch (error) {
    throw new DswarmError("frame_invalid", "it does not decode", { cause: error });
  }
}

/** The length prefix at a place; undefined where it is not complete. */
function frameLength(input: Uint8Array, at: number): { bytes: number; prefixBytes: number } | undefined {
  let bytes = 0;
  for (let i = 0; i < 3; i++) {
    const byte = input[at + i];
    if (byte === undefined) return undefined;
    bytes |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      if (bytes > protocol.maxFrameBytes) break;
      return { bytes, prefixBytes: i + 1 };
    }
  }
  throw new DswarmError("frame_too_large", `more than ${protocol.maxFrameBytes} bytes`);
}
