// A service that exists in no schema file: its descriptors are made here, as if a method had been added to a .proto, so
// that the tests show that /api serves whatever descriptors say. Its fields have every kind that a query may meet.
import assert from "node:assert/strict";
import {
  createFileRegistry,
  createRegistry,
  type DescService,
  fromJson,
  type JsonObject,
  type Message,
} from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_any,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import { createServiceImplSpec, type MethodImplSpec, type ServiceImplSpec } from "@connectrpc/connect";
import { file_google_api_annotations } from "../../../gen/google/api/annotations_pb.ts";

type Unary = Extract<MethodImplSpec, { kind: "unary" }>["impl"];
type ServerStreaming = Extract<MethodImplSpec, { kind: "server_streaming" }>["impl"];

function field(number: number, name: string, type: string, more: JsonObject = {}): JsonObject {
  const jsonName = name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return { number, name, jsonName, label: "LABEL_OPTIONAL", type: `TYPE_${type}`, ...more };
}

const repeated = { label: "LABEL_REPEATED" };
const color = { typeName: ".sample.v1.Color" };

const sampleFields = [
  field(1, "text", "STRING"),
  field(2, "flag", "BOOL"),
  field(3, "big", "INT64"),
  field(4, "data", "BYTES"),
  field(5, "color", "ENUM", color),
  field(6, "tags", "STRING", repeated),
  field(7, "color_list", "ENUM", { ...color, ...repeated }),
  field(8, "ratio", "DOUBLE"),
  field(9, "inner", "MESSAGE", { typeName: ".sample.v1.Inner" }),
  field(10, "labels", "MESSAGE", { typeName: ".sample.v1.Sample.LabelsEntry", ...repeated }),
  field(11, "seen_at", "MESSAGE", { typeName: ".google.protobuf.Timestamp" }),
  field(12, "maybe", "UINT32", { oneofIndex: 1, proto3Optional: true }),
  field(13, "left", "STRING", { oneofIndex: 0 }),
  field(14, "right", "BOOL", { oneofIndex: 0 }),
  field(15, "wrapped", "MESSAGE", { typeName: ".google.protobuf.BoolValue" }),
  field(16, "inners", "MESSAGE", { typeName: ".sample.v1.Inner", ...repeated }),
  field(17, "any", "MESSAGE", { typeName: ".google.protobuf.Any" }),
];

const sample = ".sample.v1.Sample";
const standardMethods = [
  method("Echo", { get: "/api/echo", additionalBindings: [{ post: "/api/echo", body: "*" }] }),
  method("GetOne", { get: "/api/things/{text}", additionalBindings: [{ get: "/api/inner/{inner.name}/of/{big=*}" }] }),
  method("PutOne", { put: "/api/things/{text}", body: "inner" }),
  method("PutTags", { put: "/api/things/{text}/tags", body: "tags" }),
  method("PatchOne", { patch: "/api/things/{text}", body: "*" }),
  method("DeleteOne", { delete: "/api/things/{text}" }),
  method("Batch", { post: "/api/things/batch", body: "*" }),
  method(
    "Count",
    { get: "/api/count", additionalBindings: [{ post: "/api/count", body: "*" }] },
    { serverStreaming: true },
  ),
  method("Peek", undefined, {}, "NO_SIDE_EFFECTS"),
  method("Upload", undefined, { clientStreaming: true }),
  method("Chat", undefined, { clientStreaming: true, serverStreaming: true }),
];

function method(
  name: string,
  rule?: JsonObject,
  more: JsonObject = {},
  idempotencyLevel = "IDEMPOTENCY_UNKNOWN",
): JsonObject {
  const options = rule === undefined ? { idempotencyLevel } : { idempotencyLevel, "[google.api.http]": rule };
  return { name, inputType: sample, outputType: sample, options, ...more };
}

function describe(methods: readonly JsonObject[]): DescService {
  const imports = [
    file_google_protobuf_any,
    file_google_protobuf_timestamp,
    file_google_protobuf_wrappers,
    file_google_api_annotations,
  ];
  const colors = ["COLOR_UNSPECIFIED", "COLOR_RED", "COLOR_BLUE"];
  const labelsEntry = {
    name: "LabelsEntry",
    options: { mapEntry: true },
    field: [field(1, "key", "STRING"), field(2, "value", "STRING")],
  };
  const json: JsonObject = {
    syntax: "proto3",
    name: "sample/v1/sample.proto",
    package: "sample.v1",
    dependency: imports.map(({ proto }) => proto.name),
    enumType: [{ name: "Color", value: colors.map((name, number) => ({ name, number })) }],
    messageType: [
      {
        name: "Sample",
        field: sampleFields,
        oneofDecl: [{ name: "side" }, { name: "_maybe" }],
        nestedType: [labelsEntry],
      },
      {
        name: "Inner",
        field: [field(1, "name", "STRING"), field(2, "size", "UINT32"), field(3, "constructor", "STRING")],
      },
    ],
    service: [{ name: "SampleService", method: [...methods] }],
  };
  const file = fromJson(FileDescriptorProtoSchema, json, { registry: createRegistry(file_google_api_annotations) });
  const service = createFileRegistry(file, (name) => imports.find((each) => each.proto.name === name)).getService(
    "sample.v1.SampleService",
  );
  assert(service);
  return service;
}

/** The service, answering each request with the request itself, or however else it is told to. */
export function sampleService(
  unary: Unary = (request) => request,
  serverStreaming: ServerStreaming = async function* (request) {
    yield request;
    yield request;
  },
  service = describe(standardMethods),
): ServiceImplSpec {
  const implementations = service.methods.map((each) => {
    if (each.methodKind === "server_streaming") return [each.localName, serverStreaming];
    return [each.localName, each.methodKind === "unary" ? unary : firstOf];
  });
  // Connect's types know implementations of generated descriptors only.
  return createServiceImplSpec(service, Object.assign(Object.create(null), Object.fromEntries(implementations)));
}

/** One method with an annotation of google.api.http, answering with the request. Its request and answer are Sample. */
export function sampleRpc(name: string, rule: JsonObject, more: JsonObject = {}): MethodImplSpec {
  const [rpc] = Object.values(sampleService(undefined, undefined, describe([method(name, rule, more)])).methods);
  assert(rpc);
  return rpc;
}

async function firstOf(requests: AsyncIterable<Message>): Promise<Message | undefined> {
  for await (const request of requests) return request;
  return undefined;
}
