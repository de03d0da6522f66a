import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { decodeMessage } from "../../../src/rpc/message-reader.ts";
import { schemaOf } from "./scalar-schema.ts";

const plain = schemaOf({ optional: false, highest: [15] });
const schemas: readonly (readonly [string, DescMessage])[] = [
  ["plain fields", plain],
  ["plain fields and a long tag", schemaOf({ optional: false, highest: [15, 16] })],
  ["optional fields", schemaOf({ optional: true, highest: [15] })],
];

const values = {
  b: fc.uint8Array({ maxLength: 300 }),
  s: fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.string({ minLength: 100, maxLength: 300 })),
  u: fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(2 ** 28 - 1, 2 ** 28)),
  f: fc.boolean(),
  high15: fc.nat(),
};

function encoded(schema: DescMessage): fc.Arbitrary<Uint8Array> {
  return fc.record(values, { requiredKeys: [] }).map((init) => toBinary(schema, create(schema, init)));
}

type Outcome = { readonly message: object; readonly prototype: unknown; readonly keys: string[] } | "refused";

function outcome(decode: () => object): Outcome {
  try {
    const message = decode();
    return { message, prototype: Object.getPrototypeOf(message), keys: Object.keys(message) };
  } catch {
    return "refused";
  }
}

function assertSame(schema: DescMessage, bytes: Uint8Array): void {
  assert.deepStrictEqual(
    outcome(() => decodeMessage(schema, bytes)),
    outcome(() => fromBinary(schema, bytes)),
  );
}

for (const [title, schema] of schemas) {
  test(`reads messages of ${title} as the generated codec does`, () => {
    fc.assert(
      fc.property(encoded(schema), (bytes) => assertSame(schema, bytes)),
      { numRuns: 1000 },
    );
  });

  test(`reads messages of ${title} that are cut, changed, repeated or joined as the generated codec does`, () => {
    const change = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(encoded(schema), encoded(schema), change, fc.nat(), (bytes, others, changes, cut) => {
        assertSame(schema, new Uint8Array([...bytes, ...others]));
        assertSame(schema, bytes.subarray(0, cut % (bytes.length + 1)));
        const changed = Uint8Array.from(bytes);
        for (const [place, value] of changes) changed[place % Math.max(1, bytes.length)] = value;
        assertSame(schema, changed);
      }),
      { numRuns: 1000 },
    );
  });

  test(`reads any bytes as ${title} as the generated codec does`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => assertSame(schema, bytes)),
      { numRuns: 5000 },
    );
  });
}

test("messages share no state", () => {
  const bytes = toBinary(plain, create(plain, { u: 7 }));
  const [one, other] = [decodeMessage(plain, bytes), decodeMessage(plain, bytes)] as unknown as { u: number }[];
  assert.ok(one !== undefined && other !== undefined);
  one.u = 8;
  assert.equal(other.u, 7);
  assert.deepStrictEqual(decodeMessage(plain, new Uint8Array()), create(plain));
});

test("byte fields are views of the bytes, and copies of what is small beside the memory that it is in", () => {
  for (const [length, chunkBytes, isView] of [
    [3, 0, false],
    [64, 0, false],
    [65, 0, true],
    [65, 8000, true],
    [65, 9000, false],
    [16_000, 64_000, true],
    [16_000, 64_100, false],
  ] as const) {
    const value = new Uint8Array(length).fill(7);
    const message = toBinary(plain, create(plain, { b: value }));
    const chunk = new Uint8Array(Math.max(chunkBytes, message.length));
    chunk.set(message);
    const { b } = decodeMessage(plain, chunk.subarray(0, message.length)) as unknown as { b: Uint8Array };
    assert.deepEqual(b, value);
    assert.equal(b.buffer === chunk.buffer, isView, `${length} of ${chunkBytes} bytes`);
    assert.equal(b.constructor, Uint8Array);
    assert.ok(b.buffer.byteLength <= Math.max(8192, 4 * length));
  }
});
