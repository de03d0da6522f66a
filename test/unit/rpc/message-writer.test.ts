import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import * as fc from "fast-check";
import { encodeMessage, keptMessage } from "../../../src/rpc/message-writer.ts";
import { protocol } from "../../../src/rpc/params.ts";
import { scalarTypes, schemaOf } from "./scalar-schema.ts";

const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  b: fc.uint8Array({ maxLength: 300 }),
  s: fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.string({ minLength: 100, maxLength: 300 })),
  u: fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 127, 128, 16_383, 16_384)),
  f: fc.boolean(),
};
const wrong = fc.constantFrom<unknown>(
  -1,
  1.5,
  2 ** 32,
  Number.NaN,
  "1",
  "\ud800",
  true,
  null,
  new Uint8Array(2),
  [1],
  {},
);

function initOf(faulty: boolean): fc.Arbitrary<MessageInitShape<DescMessage>> {
  const value = (name: string): fc.Arbitrary<unknown> => {
    const right = values[name.charAt(0)] ?? fc.nat();
    return faulty ? fc.oneof({ arbitrary: right, weight: 4 }, { arbitrary: wrong, weight: 1 }) : right;
  };
  const names = Object.keys(scalarTypes).flatMap((name) => [name, `${name}o`]);
  const record = Object.fromEntries([...names, "high15", "high16"].map((name) => [name, value(name)]));
  return fc.record(record, { requiredKeys: [] }) as fc.Arbitrary<MessageInitShape<DescMessage>>;
}

function outcome(encode: () => Uint8Array): string {
  try {
    return Buffer.from(encode()).toString("hex");
  } catch {
    return "refused";
  }
}

for (const [title, schema] of [
  ["short tags", schemaOf({ optional: true, highest: [15] })],
  ["a long tag", schemaOf({ optional: true, highest: [15, 16] })],
] as const) {
  test(`writes messages with ${title} as the generated codec does`, () => {
    fc.assert(
      fc.property(initOf(false), fc.boolean(), (init, whole) => {
        const message = whole ? create(schema, init) : init;
        assert.equal(
          outcome(() => encodeMessage(schema, message)),
          outcome(() => toBinary(schema, create(schema, init))),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test(`refuses, or writes, wrong values in messages with ${title} as the generated codec does`, () => {
    fc.assert(
      fc.property(initOf(true), (init) => {
        assert.equal(
          outcome(() => encodeMessage(schema, init)),
          outcome(() => toBinary(schema, create(schema, init))),
        );
      }),
      { numRuns: 2000 },
    );
  });
}

test("takes a message of another type as the generated codec does", () => {
  const [one, other] = [schemaOf({ optional: true, highest: [15] }), schemaOf({ optional: true, highest: [14] })];
  const message = { ...create(one), $typeName: "test.Other" } as MessageInitShape<DescMessage>;
  assert.equal(
    outcome(() => encodeMessage(other, message)),
    outcome(() => toBinary(other, create(other, message))),
  );
});

test("keeps unknown fields of a whole message", () => {
  const schema = schemaOf({ optional: true, highest: [15] });
  const message = create(schema, { u: 7 });
  message.$unknown = [{ no: 40, wireType: WireType.Varint, data: new Uint8Array([1]) }];
  assert.deepEqual(Buffer.from(encodeMessage(schema, message)), Buffer.from(toBinary(schema, message)));
});

test("a large message in scratch memory is the next one's to overwrite, unless it is kept", () => {
  const schema = schemaOf({ optional: false, highest: [] });
  const encoded = (byte: number, bytes: number): Uint8Array =>
    encodeMessage(schema, { b: new Uint8Array(bytes).fill(byte) }, "scratch");
  const first = encoded(1, 10_000);
  const kept = keptMessage(first);
  const expected = Buffer.from(kept);
  const small = encoded(2, 100);
  assert.deepEqual(Buffer.from(first), expected);
  const second = encoded(3, 10_000);
  assert.equal(second.buffer, first.buffer);
  assert.notDeepEqual(Buffer.from(first), expected);
  assert.deepEqual(Buffer.from(kept), expected);
  assert.equal(keptMessage(small), small);
  // One that no frame takes whole is not copied at once either.
  assert.notEqual(encoded(4, protocol.maxPieceBytes).buffer, first.buffer);
});
