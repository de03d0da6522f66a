// Frames: the decoder by hand against the generated codec, however the bytes are cut.
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Frame, FrameSchema } from "../../gen/dswarm/v1/frame_pb.ts";
import { FrameDecoder } from "../../src/rpc/frame-decoder.ts";
import { readFrame } from "../../src/rpc/frame-reader.ts";
import { DswarmError } from "../../src/util/errors.ts";
import type { FuzzTarget } from "../engine/target.ts";

const bodies: NonNullable<MessageInitShape<typeof FrameSchema>["body"]>[] = [
  { case: "open", value: { method: "a.B/C", timeoutMs: 9, message: Uint8Array.of(1, 2), halfClose: true } },
  { case: "open", value: { method: "a.B/C", metadata: [{ key: "k-bin", value: Uint8Array.of(0, 255) }] } },
  { case: "data", value: { payload: Uint8Array.of(1, 2, 3), more: true } },
  { case: "halfClose", value: {} },
  { case: "end", value: { code: 5, message: "no", details: [{ typeUrl: "a", value: Uint8Array.of(1) }] } },
  { case: "end", value: { response: new Uint8Array(0) } },
  { case: "cancel", value: {} },
  { case: "credit", value: { bytes: 65_536 } },
  { case: "ping", value: { id: 1 } },
  { case: "goAway", value: { lastStreamId: 3, code: 13, message: "why" } },
  { case: "header", value: { metadata: [{ key: "k", value: Buffer.from("v") }] } },
];

function generated(bytes: Uint8Array): Frame | undefined {
  try {
    return fromBinary(FrameSchema, bytes, { readUnknownFields: false });
  } catch {
    return undefined;
  }
}

function byHand(bytes: Uint8Array): Frame | undefined {
  try {
    return readFrame(bytes);
  } catch {
    return undefined;
  }
}

function textOf(frame: Frame | undefined): string {
  return frame === undefined
    ? "refused"
    : Buffer.from(toBinary(FrameSchema, create(FrameSchema, frame))).toString("hex");
}

/** Decodes a stream cut into pieces of so many bytes. Returns what came of it, as text. */
function framesIn(stream: Uint8Array, pieceBytes: number): string {
  const decoder = new FrameDecoder();
  const frames: string[] = [];
  try {
    for (let at = 0; at < stream.length; at += pieceBytes) {
      decoder.push(Uint8Array.from(stream.subarray(at, at + pieceBytes)), (frame) => void frames.push(textOf(frame)));
    }
  } catch (error) {
    if (!(error instanceof DswarmError) || !error.code.startsWith("frame_")) throw error;
    frames.push(error.code);
  }
  return frames.join(" ");
}

export const frame: FuzzTarget = {
  name: "frame",
  description: "frames of a peer, and a stream of them cut anywhere",
  maxBytes: 1024,
  covers: ["src/rpc/frame-", "src/rpc/byte-views"],
  seeds: () => {
    const frames = bodies.map((body, i) => toBinary(FrameSchema, create(FrameSchema, { streamId: i, body })));
    return [...frames, Buffer.concat(frames.flatMap((one) => [Uint8Array.of(one.length), one]))];
  },
  run: (input) => {
    if (textOf(byHand(Uint8Array.from(input))) !== textOf(generated(Uint8Array.from(input)))) {
      throw new Error("the reader by hand and the generated codec differ");
    }
    const whole = framesIn(input, Math.max(1, input.length));
    for (const pieceBytes of [1, 7]) {
      if (framesIn(input, pieceBytes) !== whole)
        throw new Error(`in pieces of ${pieceBytes} bytes it decodes otherwise`);
    }
  },
};
