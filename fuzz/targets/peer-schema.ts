// The schema that a peer tells by reflection, and an answer of its service printed with it: what the gateway does.
import { type DescMessage, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import { type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type Client, ConnectError } from "@connectrpc/connect";
import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import type { ReflectionService } from "../../gen/dswarm/v1/reflection_pb.ts";
import { keyPairFromSeed } from "../../src/identity/keys.ts";
import { PeerSchemas } from "../../src/node/peer-schemas.ts";
import { checkMessageCost } from "../../src/rpc/message-cost.ts";
import { decodeMessage } from "../../src/rpc/message-reader.ts";
import { InputReader } from "../engine/input-reader.ts";
import type { FuzzTarget } from "../engine/target.ts";

const { id } = keyPairFromSeed(new Uint8Array(32).fill(5));
const typeNames = [EchoService.typeName, DhtService.typeName];
const maxCells = 100_000;

function descriptorsOf({ file }: { file: typeof EchoService.file }): Uint8Array {
  const files = [...file.dependencies, file].map(({ proto }) => proto);
  return toBinary(FileDescriptorSetSchema, { $typeName: "google.protobuf.FileDescriptorSet", file: files });
}

/** Two bytes of length, the schema, an answer. */
function inputOf(schema: Uint8Array, answer: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(schema.length >> 8, schema.length & 255), schema, answer]);
}

function print(schema: DescMessage, bytes: Uint8Array, registry: Parameters<typeof toJsonString>[2]): void {
  try {
    checkMessageCost(schema, bytes, { maxCells });
    toJsonString(schema, decodeMessage(schema, bytes), registry);
  } catch (error) {
    // The codec refuses bytes that are no such message, and values without a JSON form, by an Error or RangeError.
    if (!(error instanceof Error) || error instanceof TypeError || /call stack/.test(error.message)) throw error;
  }
}

async function run(input: Uint8Array): Promise<void> {
  const reader = new InputReader(input);
  const schemaBytes = reader.bytes(reader.uint16());
  let files: FileDescriptorSet;
  try {
    files = fromBinary(FileDescriptorSetSchema, schemaBytes);
  } catch {
    return;
  }
  // No peer is behind it: the answer of reflection is what the input says.
  const answers = { getDescriptors: async () => ({ files }) };
  const schemas = new PeerSchemas(() => answers as unknown as Client<typeof ReflectionService>);
  for (const typeName of typeNames) {
    try {
      const { service, registry } = await schemas.schema(id, typeName);
      for (const method of service.methods) print(method.output, reader.rest(), { registry });
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
    }
  }
}

export const peerSchema: FuzzTarget = {
  name: "peer-schema",
  description: "the descriptors of a peer's service, and its answers",
  maxBytes: 6000,
  covers: ["src/node/peer-schemas", "src/rpc/message-", "@bufbuild/protobuf/dist/esm/reg"],
  seeds: () => [
    inputOf(descriptorsOf(EchoService), Uint8Array.of(10, 2, 1, 2)),
    inputOf(descriptorsOf(DhtService), Uint8Array.of(10, 2, 1, 2)),
  ],
  run,
};
