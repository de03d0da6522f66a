import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { RecordSchema } from "../../../gen/dswarm/v1/dht_pb.ts";
import type { DhtRecord } from "../../../src/dht/record.ts";
import { recordFromMessage, recordToMessage } from "../../../src/dht/record-codec.ts";
import { mutableSignedBytes, providerSignedBytes } from "../../../src/dht/record-signature.ts";
import { keyPairFromSeed, sign } from "../../../src/identity/keys.ts";
import { formatHostPort } from "../../../src/identity/peer-address.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { DswarmError, errorTable } from "../../../src/util/errors.ts";
import { bytesOf, hex, runs, type VectorBytes } from "../../vectors/make/vector-file.ts";
import { loadCases } from "./load-cases.ts";

interface RecordCase {
  readonly record: VectorBytes;
  readonly seed?: string;
  readonly ttl_s?: number;
  readonly error?: string;
  readonly status?: number;
}

/** The fields that a vector tells of a record. */
function fieldsOf(record: DhtRecord, seed: string | undefined): object {
  const { kind } = record;
  const key = record.key.toHex();
  if (record.kind === "immutable") return { kind, key, value: runs(record.value) };
  const signer = record.kind === "mutable" ? record.signer : record.provider.id;
  const signed = record.kind === "mutable" ? mutableSignedBytes(record) : providerSignedBytes(record);
  const shared = {
    kind,
    key,
    seed,
    public_key: signer.toHex(),
    sequence: String(record.sequence),
    signed: hex(signed),
    signature: hex(record.signature),
  };
  return record.kind === "mutable"
    ? { ...shared, salt: hex(record.salt), deleted: record.isDeleted, value: runs(record.value) }
    : { ...shared, addresses: record.provider.addresses.map(formatHostPort), withdrawn: record.isWithdrawn };
}

for (const vector of loadCases<RecordCase>("records.json")) {
  test(`records.json: ${vector.name}`, () => {
    const message = fromBinary(RecordSchema, bytesOf(vector.record));
    if (vector.error !== undefined) {
      assert.throws(
        () => recordFromMessage(message),
        (error) =>
          error instanceof DswarmError &&
          error.code === vector.error &&
          errorTable[error.code].connect === vector.status,
      );
      return;
    }
    const record = recordFromMessage(message);
    const { name, record: bytes, ttl_s: ttlS, ...expected } = vector;
    assert.deepEqual(fieldsOf(record, vector.seed), expected, name);
    assert.equal(message.ttlS, ttlS);
    const written = toBinary(RecordSchema, create(RecordSchema, recordToMessage(record, message.ttlS)));
    assert.deepEqual(runs(written), bytes);
    if (vector.seed === undefined || record.kind === "immutable") return;
    const { signed } = fieldsOf(record, vector.seed) as { signed: string };
    const signature = sign(Buffer.from(signed, "hex"), keyPairFromSeed(Buffer.from(vector.seed, "hex")));
    assert.equal(toHex(signature), hex(record.signature));
  });
}
