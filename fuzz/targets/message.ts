// Messages of services: the reader by hand against the generated codec, for a schema that it reads and one that it does not.
import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { RepeatRequestSchema } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { FindValueResponseSchema, PingRequestSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import { decodeMessage } from "../../src/rpc/message-reader.ts";
import { encodeMessage } from "../../src/rpc/message-writer.ts";
import type { FuzzTarget } from "../engine/target.ts";

const schemas: readonly DescMessage[] = [PingRequestSchema, RepeatRequestSchema, FindValueResponseSchema];

/** Decodes bytes and encodes the result again, in hex. */
function textOf(schema: DescMessage, decode: () => ReturnType<typeof create>): string {
  try {
    return Buffer.from(toBinary(schema, decode())).toString("hex");
  } catch {
    return "refused";
  }
}

export const message: FuzzTarget = {
  name: "message",
  description: "request and answer messages of services",
  maxBytes: 1024,
  covers: ["src/rpc/message-"],
  seeds: () => [
    toBinary(PingRequestSchema, create(PingRequestSchema, { nonce: new Uint8Array(8), port: 4711 })),
    toBinary(RepeatRequestSchema, create(RepeatRequestSchema, { payload: new Uint8Array(3), count: 2 })),
    toBinary(FindValueResponseSchema, create(FindValueResponseSchema, { contacts: [{ id: new Uint8Array(32) }] })),
  ],
  run: (input) => {
    for (const schema of schemas) {
      const byHand = textOf(schema, () => decodeMessage(schema, Uint8Array.from(input)));
      const generated = textOf(schema, () => fromBinary(schema, Uint8Array.from(input)));
      if (byHand !== generated) throw new Error(`the readers of ${schema.typeName} differ`);
      if (byHand === "refused") continue;
      const written = encodeMessage(schema, decodeMessage(schema, Uint8Array.from(input)));
      if (Buffer.from(written).toString("hex") !== generated)
        throw new Error(`the writers of ${schema.typeName} differ`);
    }
  },
};
