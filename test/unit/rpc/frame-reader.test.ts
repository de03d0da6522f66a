import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { type Frame, FrameSchema } from "../../../gen/dswarm/v1/frame_pb.ts";
import { readFrame } from "../../../src/rpc/frame-reader.ts";

const uint32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const bytes = fc.uint8Array({ maxLength: 300 });
const metadata = fc.array(fc.record({ key: fc.string(), value: bytes }), { maxLength: 3 });
const method = fc.oneof(fc.constantFrom("a.B/C", "a.B/D"), fc.string({ unit: "grapheme" }));

const body: fc.Arbitrary<NonNullable<MessageInitShape<typeof FrameSchema>["body"]>> = fc.oneof(
  fc.record({
    case: fc.constant("open" as const),
    value: fc.record(
      { method, timeoutMs: uint32, metadata, message: bytes, halfClose: fc.boolean() },
      { requiredKeys: [] },
    ),
  }),
  fc.record({
    case: fc.constant("data" as const),
    value: fc.record({ payload: bytes, more: fc.boolean() }),
  }),
  fc.record({ case: fc.constant("halfClose" as const), value: fc.constant({}) }),
  fc.record({ case: fc.constant("cancel" as const), value: fc.constant({}) }),
  fc.record({ case: fc.constant("credit" as const), value: fc.record({ bytes: uint32 }) }),
  fc.record({ case: fc.constant("ping" as const), value: fc.record({ id: uint32 }) }),
  fc.record({
    case: fc.constant("end" as const),
    value: fc.record(
      { code: fc.nat(20), message: fc.string(), header: metadata, trailer: metadata, response: bytes },
      { requiredKeys: [] },
    ),
  }),
);
const encodedFrame = fc
  .record({ streamId: uint32, body })
  .map((init) => toBinary(FrameSchema, create(FrameSchema, init)));

/** A frame that was changed, cut or lengthened at some place. */
const mutatedFrame = fc
  .tuple(encodedFrame, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(400), bytes)
  .map(([frame, changes, keep, extra]) => {
    const changed = Uint8Array.from([...frame.subarray(0, Math.max(1, keep)), ...(keep % 3 === 0 ? extra : [])]);
    for (const [place, value] of changes) changed[place % changed.length] = value;
    return changed;
  });

function generated(input: Uint8Array): Frame | "refused" {
  try {
    return fromBinary(FrameSchema, input, { readUnknownFields: false });
  } catch {
    return "refused";
  }
}

function byHand(input: Uint8Array): Frame | "refused" {
  try {
    return readFrame(input);
  } catch {
    return "refused";
  }
}

test("reads every frame as the generated codec does", () => {
  fc.assert(
    fc.property(encodedFrame, (input) => assert.deepEqual(byHand(input), generated(input))),
    { numRuns: 2000 },
  );
});

test("reads, or refuses, every changed frame as the generated codec does", () => {
  fc.assert(
    fc.property(mutatedFrame, (input) => assert.deepEqual(byHand(input), generated(input))),
    { numRuns: 5000 },
  );
});

test("reads, or refuses, arbitrary bytes as the generated codec does", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (input) => assert.deepEqual(byHand(input), generated(input))),
    { numRuns: 5000 },
  );
});

test("refuses a field that is cut off as the generated codec does", () => {
  const cutOpen = Uint8Array.of(8, 1, 18, 12, 10, 5, 97, 46, 66, 47, 67, 16, 1, 34, 0x80, 0x01);
  const cutEnd = Uint8Array.of(8, 1, 42, 3, 50, 0x80, 0x01);
  for (const input of [cutOpen, cutEnd]) assert.deepEqual([byHand(input), generated(input)], ["refused", "refused"]);
});

test("tells methods apart however many it has seen", () => {
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 100; i++) {
      const open = { method: `a.Service${i}/Call`, halfClose: true };
      const input = toBinary(FrameSchema, create(FrameSchema, { streamId: 1, body: { case: "open", value: open } }));
      const { body: read } = readFrame(input);
      assert.equal(read.case === "open" && read.value.method, open.method);
    }
  }
});
