// What messages take, from their bytes alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  create,
  createRegistry,
  type DescMessage,
  type MessageInitShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import {
  AnySchema,
  anyPack,
  FileDescriptorSetSchema,
  file_google_protobuf_descriptor,
  StructSchema,
} from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import {
  ListPeersResponseSchema,
  PeerSource,
  PutValueRequestSchema,
  RatesSchema,
} from "../../../gen/dswarm/v1/node_pb.ts";
import { checkMessageCost } from "../../../src/rpc/message-cost.ts";

/** The fewest cells with which a message passes. */
function cellsOf(schema: DescMessage, bytes: Uint8Array, registry = createRegistry()): number {
  let [low, high] = [0, 2 ** 24];
  while (low < high) {
    const maxCells = (low + high) >>> 1;
    try {
      checkMessageCost(schema, bytes, { maxCells, registry });
      high = maxCells;
    } catch {
      low = maxCells + 1;
    }
  }
  return low;
}

const peers = Array.from({ length: 100 }, (_, i) => ({
  id: "@".padEnd(44, "x"),
  addresses: [`127.0.0.1:${i}`],
  source: PeerSource.ANNOUNCE,
}));

function messages(): readonly (readonly [DescMessage, MessageInitShape<DescMessage>])[] {
  return [
    [ListPeersResponseSchema, { peers }],
    [PutValueRequestSchema, { value: new Uint8Array(65_536) }],
    [RatesSchema, { counters: { some: 1, other: 2.5 } }],
    [StructSchema, { fields: { a: { kind: { case: "stringValue", value: "b" } } } }],
    [FileDescriptorSetSchema, { file: [file_google_protobuf_descriptor.proto] }],
  ];
}

test("is near to what messages take as JSON", () => {
  for (const [schema, init] of messages()) {
    const message = create(schema, init);
    const bytes = toBinary(schema, message);
    const json = toJsonString(schema, message, { alwaysEmitImplicit: true }).length / 8;
    const cells = cellsOf(schema, bytes);
    assert.ok(cells >= json / 2 && cells <= json * 8 + 40, `${schema.typeName}: ${cells} of ${json}`);
    const any = anyPack(schema, message);
    const inAny = cellsOf(AnySchema, toBinary(AnySchema, any), createRegistry(schema));
    assert.ok(inAny >= cells, `${inAny} in Any, ${cells} without`);
  }
});

test("refuses what is too much by its code, and bytes that are no message", () => {
  const bytes = new Uint8Array(200_000);
  // A peer in two bytes: tag 1, no content.
  for (let i = 0; i < bytes.length; i += 2) bytes[i] = 0x0a;
  const limits = { maxCells: 1_000_000 };
  assert.throws(() => checkMessageCost(ListPeersResponseSchema, bytes, limits), { code: Code.ResourceExhausted });
  checkMessageCost(ListPeersResponseSchema, bytes.subarray(0, 2000), limits);
  for (const odd of [[0x0a], [0x0c], [0x0a, 0xff], [0x07, 0x00]]) {
    assert.throws(() => checkMessageCost(ListPeersResponseSchema, Uint8Array.from(odd), limits));
  }
});
