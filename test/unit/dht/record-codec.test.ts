// Records: made, signed, sent, read. Nothing that was changed on the way is believed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { RecordSchema } from "../../../gen/dswarm/v1/dht_pb.ts";
import { type DhtRecord, recordId, sequenceOf } from "../../../src/dht/record.ts";
import {
  createImmutable,
  createMutable,
  createProvider,
  recordFromMessage,
  recordToMessage,
} from "../../../src/dht/record-codec.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { DswarmError } from "../../../src/util/errors.ts";

const keys = keyPairFromSeed(new Uint8Array(32).fill(3));
const sequences = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const hosts = fc.constantFrom("127.0.0.1", "10.1.2.3", "2001:db8::1");
const addresses = fc.uniqueArray(fc.record({ host: hosts, port: fc.integer({ min: 1, max: 65_535 }) }), {
  minLength: 1,
  maxLength: 4,
  selector: ({ host, port }) => `${host} ${port}`,
});

const records: fc.Arbitrary<DhtRecord> = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map(createImmutable),
  fc
    .record({ salt: fc.uint8Array({ maxLength: 64 }), sequence: sequences, value: fc.uint8Array({ maxLength: 200 }) })
    .map((init) => createMutable({ keys, ...init })),
  sequences.map((sequence) => createMutable({ keys, sequence, value: new Uint8Array(), isDeleted: true })),
  fc
    .record({ addresses, sequence: sequences, isWithdrawn: fc.boolean(), name: fc.string() })
    .map(({ name, ...init }) => createProvider({ keys, key: RecordKey.ofName(name), ...init })),
);

function bytesOf(record: DhtRecord): Uint8Array {
  return toBinary(RecordSchema, create(RecordSchema, recordToMessage(record, 60)));
}

test("a record is the same after its way", () => {
  fc.assert(
    fc.property(records, (record) => {
      const read = recordFromMessage(fromBinary(RecordSchema, bytesOf(record)));
      assert.deepEqual(bytesOf(read), bytesOf(record));
      assert.equal(recordId(read), recordId(record));
      assert.equal(sequenceOf(read), sequenceOf(record));
    }),
    { numRuns: 60 },
  );
});

test("with any bit of it changed, a signed record is refused, or is the same", () => {
  fc.assert(
    fc.property(records, fc.nat(), fc.nat({ max: 7 }), (record, at, bit) => {
      if (record.kind === "immutable") return;
      const bytes = bytesOf(record);
      bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 << bit);
      let read: DhtRecord;
      try {
        read = recordFromMessage(fromBinary(RecordSchema, bytes));
      } catch (error) {
        // What is no message at all is refused by the codec, before it comes here.
        if (error instanceof DswarmError) assert.match(error.code, /^record_(forged|invalid|too_large)$/);
        return;
      }
      // The time to live is not signed, nor are unknown fields.
      if (read.kind !== "immutable") assert.deepEqual(bytesOf(read), bytesOf(record));
    }),
    { numRuns: 300 },
  );
});

test("bounds hold at their edges", () => {
  const at = { keys, sequence: 0n, value: new Uint8Array(65_536), salt: new Uint8Array(64) };
  assert.equal(createMutable(at).value.length, 65_536);
  assert.throws(() => createMutable({ ...at, value: new Uint8Array(65_537) }), { code: "record_too_large" });
  assert.throws(() => createMutable({ ...at, salt: new Uint8Array(65) }), {
    code: "record_invalid",
    message: /: a salt over its size limit: 65 bytes, the limit is 64$/,
  });
  assert.throws(() => createMutable({ ...at, sequence: 2n ** 64n }), { code: "record_invalid" });
  assert.throws(() => createMutable({ ...at, sequence: -1n }), { code: "record_invalid" });
  assert.throws(() => createMutable({ ...at, isDeleted: true }), { code: "record_invalid" });
  assert.throws(() => createImmutable(new Uint8Array(65_537)), { code: "record_too_large" });
  const key = RecordKey.ofName("x");
  assert.throws(() => createProvider({ keys, key, addresses: [], sequence: 0n }), { code: "record_invalid" });
  assert.throws(() => recordFromMessage({ kind: { case: undefined } }), { code: "record_invalid" });
});

test("a signature of one record is none of another", () => {
  const one = createMutable({ keys, sequence: 1n, value: new Uint8Array([1]) });
  const other = createMutable({ keys, sequence: 2n, value: new Uint8Array([2]) });
  const message = create(RecordSchema, recordToMessage(one, 60));
  assert.ok(message.kind.case === "mutable");
  message.kind.value.signature = other.signature;
  assert.throws(() => recordFromMessage(message), { code: "record_forged" });
});
