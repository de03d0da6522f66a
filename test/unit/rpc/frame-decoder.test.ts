import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import * as fc from "fast-check";
import { type Frame, FrameSchema } from "../../../gen/dswarm/v1/frame_pb.ts";
import { FrameDecoder } from "../../../src/rpc/frame-decoder.ts";
import { protocol } from "../../../src/rpc/params.ts";
import { DswarmError } from "../../../src/util/errors.ts";

const { maxFrameBytes } = protocol;

/** A Data frame whose encoding, without its length, has so many bytes. */
function frameOf(bytes: number): Uint8Array {
  for (let length = bytes; length >= 0; length--) {
    const body = { case: "data" as const, value: { payload: new Uint8Array(length).fill(7) } };
    const encoded = sizeDelimitedEncode(FrameSchema, create(FrameSchema, { streamId: 1, body }));
    if (encoded.length - prefixBytes(bytes) === bytes) return encoded;
  }
  throw new RangeError(`no frame has ${bytes} bytes`);
}

function prefixBytes(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : 3;
}

/** Decodes chunks; the frames, and the error that ended it. */
function decode(chunks: Iterable<Uint8Array>): { frames: Frame[]; error: DswarmError | undefined } {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  try {
    for (const chunk of chunks) decoder.push(Uint8Array.from(chunk), (frame) => frames.push(frame));
  } catch (error) {
    assert.ok(error instanceof DswarmError, String(error));
    assert.ok(error.code === "frame_too_large" || error.code === "frame_invalid", error.code);
    return { frames, error };
  }
  return { frames, error: undefined };
}

/** The bytes in chunks of the given lengths, which are used again and again. */
function* split(bytes: Uint8Array, lengths: readonly number[]): Iterable<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? 1;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

const payload = fc.tuple(fc.oneof(fc.nat(40), fc.integer({ min: 100, max: 5000 })), fc.nat(255));
const frames = fc.array(
  fc.tuple(fc.nat(1000), payload, fc.boolean()).map(([streamId, [length, fill], more]) => {
    const body = { case: "data" as const, value: { payload: new Uint8Array(length).fill(fill), more } };
    return create(FrameSchema, { streamId, body });
  }),
  { maxLength: 8 },
);
const lengths = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9000 })), { minLength: 1 });

suite("the frame decoder", () => {
  test("finds the same frames however the bytes are split", () => {
    fc.assert(
      fc.property(frames, lengths, (sent, chunkLengths) => {
        const bytes = Buffer.concat(sent.map((frame) => sizeDelimitedEncode(FrameSchema, frame)));
        const { frames: received, error } = decode(split(bytes, chunkLengths));
        assert.equal(error, undefined);
        assert.deepEqual(received, sent);
      }),
    );
  });

  test("says the same of arbitrary bytes however they are split, and nothing but DswarmErrors", () => {
    const junk = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ max: 12, maxLength: 200 }));
    fc.assert(
      fc.property(junk, lengths, (bytes, chunkLengths) => {
        const whole = decode([bytes]);
        const parts = decode(split(bytes, chunkLengths));
        assert.equal(parts.error?.code, whole.error?.code);
        assert.deepEqual(parts.frames, whole.frames);
      }),
      { numRuns: 3000 },
    );
  });

  test("takes a frame of maxFrameBytes and refuses a longer one by its length alone", () => {
    const largest = frameOf(maxFrameBytes);
    for (const chunkBytes of [1, 1000, largest.length]) {
      assert.equal(decode(split(largest, [chunkBytes])).frames.length, 1);
    }
    const over = frameOf(maxFrameBytes + 1).subarray(0, 3);
    assert.equal(decode([over]).error?.code, "frame_too_large");
    assert.equal(decode(split(over, [1])).error?.code, "frame_too_large");
  });

  test("refuses a length of more than three bytes", () => {
    assert.equal(decode([Uint8Array.of(0x80, 0x80, 0x80)]).error?.code, "frame_too_large");
    assert.equal(decode([Uint8Array.of(0xff, 0xff, 0x7f)]).error?.code, "frame_too_large");
    // Not the shortest form, but one that protobuf runtimes read.
    assert.equal(decode([Uint8Array.of(0x80, 0x80, 0x00)]).error, undefined);
    assert.equal(decode([Uint8Array.of(0x82, 0x80, 0x00, 0x08, 0x01)]).frames.length, 1);
  });

  test("ignores empty frames", () => {
    const good = frameOf(100);
    const { frames: received, error } = decode([Buffer.concat([new Uint8Array(3), good, new Uint8Array(3), good])]);
    assert.equal(error, undefined);
    assert.equal(received.length, 2);
  });

  test("calls back for what came before a fault", () => {
    const good = frameOf(100);
    const { frames: received, error } = decode([Buffer.concat([good, good, Uint8Array.of(1, 0xff)])]);
    assert.equal(received.length, 2);
    assert.equal(error?.code, "frame_invalid");
  });

  test("gives payloads as plain Uint8Arrays, from Buffers too, whole and in parts", () => {
    const bytes = Buffer.from(frameOf(200));
    const decoder = new FrameDecoder();
    const received: Uint8Array[] = [];
    const onFrame = ({ body }: Frame): void => void (body.case === "data" && received.push(body.value.payload));
    decoder.push(bytes, onFrame);
    decoder.push(bytes.subarray(0, 50), onFrame);
    decoder.push(bytes.subarray(50), onFrame);
    assert.deepEqual(
      received.map((one) => one.constructor),
      [Uint8Array, Uint8Array],
    );
  });

  test("keeps no large chunk alive for a small payload", () => {
    const bytes = new Uint8Array(1 << 20);
    const small = frameOf(100);
    bytes.set(small, 5000);
    const held: number[] = [];
    new FrameDecoder().push(bytes, ({ body }) => {
      if (body.case === "data") held.push(body.value.payload.buffer.byteLength);
    });
    assert.deepEqual(held, [100]);
  });

  test("costs time by the byte, also for a frame that comes one byte at a time", () => {
    // Copying all that is there for each byte would move 8 GiB here.
    const bytes = frameOf(maxFrameBytes);
    const decoder = new FrameDecoder();
    let count = 0;
    for (let i = 0; i < bytes.length; i++) decoder.push(bytes.subarray(i, i + 1), () => count++);
    assert.equal(count, 1);
  });
});
