import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import { Code } from "@connectrpc/connect";
import * as fc from "fast-check";
import { FrameSchema } from "../../../gen/dswarm/v1/frame_pb.ts";
import { type FrameBody, FrameEncoder } from "../../../src/rpc/frame-encoder.ts";
import { protocol } from "../../../src/rpc/params.ts";

interface Step {
  write(encoder: FrameEncoder): void;
  /** What the generated codec makes of the same. */
  readonly expected: Uint8Array;
}

function generated(streamId: number, body: FrameBody): Uint8Array {
  return sizeDelimitedEncode(FrameSchema, create(FrameSchema, { streamId, body }));
}

const uint31 = fc.oneof(
  fc.nat(300),
  fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  fc.constantFrom(127, 128, 16_383, 16_384),
);
const uint32 = fc.oneof(uint31, fc.integer({ min: 2 ** 31, max: 2 ** 32 - 1 }));
// Lengths at which a length prefix grows by a byte come up often, large ones now and then.
const lengths = fc.oneof(
  { weight: 20, arbitrary: fc.nat(300) },
  { weight: 5, arbitrary: fc.integer({ min: 16_370, max: 16_390 }) },
  { weight: 1, arbitrary: fc.integer({ min: protocol.maxPieceBytes - 8, max: protocol.maxPieceBytes }) },
);
const bytes = fc.tuple(lengths, fc.nat(255)).map(([length, seed]) => new Uint8Array(length).map((_, i) => seed + i));
const name = fc.string({
  unit: fc.constantFrom("a", "Z", ".", "/", "_", "1"),
  minLength: 1,
  maxLength: protocol.maxMethodBytes,
});
const option = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(uint31, name, uint31, option(bytes), fc.boolean()).map(([id, method, timeoutMs, message, halfClose]) => ({
    write: (encoder: FrameEncoder) => encoder.open(id, Buffer.from(method, "latin1"), timeoutMs, message, halfClose),
    expected: generated(id, { case: "open", value: { method, timeoutMs, halfClose, ...(message && { message }) } }),
  })),
  fc.tuple(uint31, bytes, fc.boolean()).map(([id, payload, more]) => ({
    write: (encoder: FrameEncoder) => encoder.data(id, payload, more),
    expected: generated(id, { case: "data", value: { payload, more } }),
  })),
  uint31.map((id) => ({
    write: (encoder: FrameEncoder) => encoder.halfClose(id),
    expected: generated(id, { case: "halfClose", value: {} }),
  })),
  fc.tuple(uint31, option(bytes)).map(([id, response]) => ({
    write: (encoder: FrameEncoder) => encoder.endOk(id, response),
    expected: generated(id, { case: "end", value: { ...(response && { response }) } }),
  })),
  fc
    .tuple(uint31, fc.integer({ min: 1, max: 16 }), fc.string({ unit: "binary", minLength: 1, maxLength: 300 }))
    .map(([id, code, message]) => ({
      write: (encoder: FrameEncoder) => encoder.endFailed(id, code, message),
      expected: generated(id, { case: "end", value: { code, message } }),
    })),
  fc.tuple(uint31, fc.constantFrom(Code.Canceled, Code.DeadlineExceeded, Code.Internal)).map(([id, code]) => ({
    write: (encoder: FrameEncoder) => encoder.cancel(id, code),
    expected: generated(id, { case: "cancel", value: code === Code.Canceled ? {} : { code } }),
  })),
  uint32.map((id) => ({
    write: (encoder: FrameEncoder) => encoder.pong(id),
    expected: generated(0, { case: "pong", value: { id } }),
  })),
  fc.tuple(fc.oneof(fc.constant(0), uint31), uint32).map(([id, credit]) => ({
    write: (encoder: FrameEncoder) => encoder.credit(id, Math.max(1, credit)),
    expected: generated(id, { case: "credit", value: { bytes: Math.max(1, credit) } }),
  })),
  fc.tuple(uint31, bytes).map(([id, value]) => {
    const body: FrameBody = { case: "header", value: { metadata: [{ key: "k-bin", value }] } };
    return { write: (encoder: FrameEncoder) => void encoder.frame(id, body), expected: generated(id, body) };
  }),
);

suite("the frame encoder", () => {
  test("writes every frame as the generated codec does, one after the other", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const encoder = new FrameEncoder();
        for (const one of steps) one.write(encoder);
        const expected = Buffer.concat(steps.map((each) => each.expected));
        assert.equal(encoder.length, expected.length);
        encoder.take((written) => assert.ok(expected.equals(written)));
        assert.equal(encoder.length, 0);
      }),
      { numRuns: 1000 },
    );
  });

  test("starts anew after a take, also while what was taken is in use", () => {
    fc.assert(
      fc.property(step, step, (first, second) => {
        const encoder = new FrameEncoder();
        first.write(encoder);
        encoder.take((written) => {
          second.write(encoder);
          assert.ok(Buffer.from(first.expected).equals(written));
        });
        encoder.take((written) => assert.ok(Buffer.from(second.expected).equals(written)));
      }),
      { numRuns: 300 },
    );
  });

  test("encoders that grow and take in turn share no memory in use", () => {
    const payload = new Uint8Array(50_000).fill(1);
    const encoders = Array.from({ length: 40 }, () => new FrameEncoder());
    for (let round = 0; round < 5; round++) {
      for (const [i, encoder] of encoders.entries()) {
        for (let n = 0; n <= (i + round) % 5; n++) encoder.data(i + 1, payload.fill(i), n % 2 === 0);
      }
      for (const [i, encoder] of encoders.entries()) {
        const expected = Array.from({ length: ((i + round) % 5) + 1 }, (_, n) =>
          generated(i + 1, { case: "data", value: { payload: payload.fill(i), more: n % 2 === 0 } }),
        );
        encoder.take((written) => assert.ok(Buffer.concat(expected).equals(written)));
      }
    }
  });

  test("has nothing to take at first, and passes on what the user returns or throws", () => {
    const encoder = new FrameEncoder();
    assert.equal(
      encoder.take((written) => written.length),
      0,
    );
    encoder.halfClose(1);
    assert.throws(() => encoder.take(() => assert.fail("mine")), /mine/);
    assert.equal(encoder.length, 0);
  });
});
