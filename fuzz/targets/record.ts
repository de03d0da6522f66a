// Records of peers and rows of a damaged database.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Record as RecordMessage, RecordSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import {
  createImmutable,
  createMutable,
  createProvider,
  recordFromMessage,
  recordToMessage,
  unverifiedRecord,
} from "../../src/dht/record-codec.ts";
import { recordFromRow, recordToRow } from "../../src/dht/record-row.ts";
import { keyPairFromSeed } from "../../src/identity/keys.ts";
import { DswarmError } from "../../src/util/errors.ts";
import type { FuzzTarget } from "../engine/target.ts";

const keys = keyPairFromSeed(new Uint8Array(32).fill(5));

/** Returns the function's result; undefined where it refuses the record. */
function unlessRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DswarmError && error.code.startsWith("record_")) return undefined;
    throw error;
  }
}

export const record: FuzzTarget = {
  name: "record",
  description: "records of peers, and rows of the database",
  maxBytes: 2048,
  covers: ["src/dht/record", "src/dht/contact", "src/identity/"],
  seeds: () => {
    const immutable = createImmutable(Buffer.from("value"));
    const mutable = createMutable({ keys, sequence: 3n, value: Buffer.from("v"), salt: Buffer.from("s") });
    const addresses = [
      { host: "192.0.2.1", port: 4711 },
      { host: "2001:db8::1", port: 1 },
    ];
    const provider = createProvider({ keys, key: immutable.key, addresses, sequence: 1n });
    const messages = [immutable, mutable, provider].map((one) =>
      toBinary(RecordSchema, create(RecordSchema, recordToMessage(one, 60))),
    );
    return [...messages, ...[immutable, mutable, provider].map((one) => recordToRow(one, 60))];
  },
  dictionary: [keys.id.bytes],
  run: (input) => {
    unlessRefused(() => recordFromRow(Uint8Array.from(input)));
    let message: RecordMessage;
    try {
      message = fromBinary(RecordSchema, input);
    } catch {
      return;
    }
    unlessRefused(() => recordFromMessage(message));
    const read = unlessRefused(() => unverifiedRecord(message));
    if (read === undefined) return;
    const row = recordToRow(read);
    if (!Buffer.from(recordToRow(recordFromRow(row))).equals(row)) throw new Error("its row reads otherwise");
  },
};
