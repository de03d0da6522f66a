// Peers that lie about their schemas, or answer what swells: the gateway and listServices tell so, and the node is unharmed.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { type FileDescriptorSet, file_google_protobuf_any } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { type DialedPeer, dialIn, filesOf, implementation, serviceIn, tell } from "./dialed-peer.ts";
import { apiJson, LogKeeper, send, startNode, testNetwork, until } from "./rig.ts";

const name = "lie.v1.Service";
const optional = { label: "LABEL_OPTIONAL" };
const repeated = { label: "LABEL_REPEATED" };

function field(number: number, more: JsonObject = {}): JsonObject {
  return { name: `f${number}`, number, type: "TYPE_BYTES", jsonName: `f${number}`, ...optional, ...more };
}

function ofType(typeName: string, type = "TYPE_MESSAGE"): JsonObject {
  return { type, typeName };
}

const service = { name: "Service", method: [{ name: "Call", inputType: ".lie.v1.In", outputType: ".lie.v1.Out" }] };

/** A file with the service, its messages, and whatever else. */
function lie(out: JsonObject = {}, more: JsonObject = {}, others: readonly JsonObject[] = []): FileDescriptorSet {
  return filesOf(...others, {
    name: "lie.proto",
    package: "lie.v1",
    syntax: "proto3",
    messageType: [{ name: "In" }, { name: "Out", ...out }],
    service: [service],
    ...more,
  });
}

function many(count: number, of: (i: number) => JsonObject): JsonObject[] {
  return Array.from({ length: count }, (_, i) => of(i));
}

/** A field of bytes on the wire. */
function wire(tag: number, bytes: Uint8Array): Buffer {
  const head = [tag];
  for (let length = bytes.length; ; length >>>= 7) {
    head.push(length > 0x7f ? (length & 0x7f) | 0x80 : length);
    if (length <= 0x7f) return Buffer.concat([Buffer.from(head), bytes]);
  }
}

/** A field in itself, so many times. */
function nestedWire(tag: number, levels: number): Buffer {
  let bytes: Buffer = Buffer.alloc(0);
  for (let i = 0; i < levels; i++) bytes = wire(tag, bytes);
  return bytes;
}

/** What the peer really serves: any bytes, in a field of which other schemas say something else. */
const truth = filesOf({
  name: "lie.proto",
  package: "lie.v1",
  syntax: "proto3",
  messageType: [{ name: "In" }, { name: "Out", field: [field(1, repeated)] }],
  service: [service],
});

type Raw = { f1: Uint8Array[] };

async function withLiar(t: TestContext) {
  const { network } = await testNetwork();
  const logger = new LogKeeper();
  const node = await startNode(t, { network, discovery: false, logger });
  const liars: DialedPeer[] = [];
  // A node remembers what a peer has told: each lie needs a liar of its own.
  const meet = async (files: (service: string) => FileDescriptorSet, answer: () => Raw = () => ({ f1: [] })) => {
    const peer = await dialIn(t, node, network);
    liars.push(peer);
    await until("the node has the connection", () => node.isConnected(peer.id));
    tell(peer, files, [name]);
    peer.registry.serve(serviceIn(truth, name), implementation({ call: answer }));
    const call = async (body = "{}") => {
      const path = `/api/peers/${peer.id.toBase64url()}/${name}/Call`;
      const { status, text } = await send(node.port, path, { method: "POST" }, body);
      return { status, json: JSON.parse(text), text };
    };
    return { peer, call };
  };
  return { node, logger, meet };
}

async function assertUnharmed(node: DswarmNode, logger: LogKeeper): Promise<void> {
  assert.equal((await apiJson(node.port, "/api/status")).id, node.id.toString());
  assert.deepEqual(logger.complaints, []);
}

const cannotBeUsed = /^the peer's schema is not usable: /;

const refused: Readonly<Record<string, () => FileDescriptorSet>> = {
  "no files": () => filesOf(),
  "another service than was asked for": () => lie({}, { service: [{ ...service, name: "Other" }] }),
  "a message of the service's name": () => lie({}, { service: [], messageType: [{ name: "Service" }] }),
  "more bytes than a schema may have": () => lie({}, {}, [{ name: "x".repeat(2 ** 20) }]),
  "empty messages that would swell": () => lie({}, { messageType: many(400_000, () => ({})) }),
  "more declarations than a schema may have": () =>
    lie({}, { enumType: many(10_001, (i) => ({ name: `E${i}`, value: [{ name: `V${i}`, number: 0 }] })) }),
  "more fields than a message may have": () => lie({ field: many(2001, (i) => field(i + 1)) }),
  "more files than a schema may have": () =>
    lie(
      {},
      {},
      many(256, (i) => ({ name: `${i}.proto` })),
    ),
  "files that import one another": () =>
    lie({}, { dependency: ["b.proto"] }, [{ name: "b.proto", dependency: ["lie.proto"] }]),
  "an import that is missing": () => lie({}, { dependency: ["missing.proto"] }),
  "a method whose request is missing": () => lie({}, { messageType: [{ name: "Out" }] }),
  "a method whose answer is an enum": () =>
    lie({}, { messageType: [{ name: "In" }], enumType: [{ name: "Out", value: [{ name: "A", number: 0 }] }] }),
  "a field of a type that is missing": () => lie({ field: [field(1, ofType(".lie.v1.Nowhere"))] }),
  "a field of an enum that is a message": () => lie({ field: [field(1, ofType(".lie.v1.In", "TYPE_ENUM"))] }),
  "a field of a oneof that is missing": () => lie({ field: [field(1, { oneofIndex: 3 })] }),
  "a map without a value": () =>
    lie({
      field: [field(1, { ...ofType(".lie.v1.Out.Entry"), ...repeated })],
      nestedType: [{ name: "Entry", options: { mapEntry: true }, field: [field(1)] }],
    }),
  "an edition of the far future": () => lie({}, { syntax: "editions", edition: "EDITION_MAX" }),
  "a syntax that does not exist": () => lie({}, { syntax: "proto9" }),
  "names that are none": () => lie({ field: [field(1, { name: "a b\n" })] }),
};

test("a schema that cannot be is refused with a code, by the gateway and where services are listed", async (t) => {
  const { node, logger, meet } = await withLiar(t);
  for (const [what, files] of Object.entries(refused)) {
    const { peer, call } = await meet(files);
    const { status, json, text } = await call();
    // It is no fault of the request.
    assert.equal(status, 502, `${what}: ${text}`);
    assert.equal(json.code, "failed_precondition", what);
    assert.match(json.message, cannotBeUsed, what);
    assert.ok(text.length < 1000, what);
    const { services } = await apiJson(node.port, `/api/peers/${peer.id.toBase64url()}/services`);
    assert.equal(services[0].error.code, "failed_precondition", what);
    const alone = await apiJson(node.port, `/api/peers/${peer.id.toBase64url()}/services?service=${name}`);
    assert.deepEqual(alone.services, services, what);
  }
  await assertUnharmed(node, logger);
});

test("descriptors that no encoder makes, nested thousands deep or no protobuf at all, are refused", async (t) => {
  const { network } = await testNetwork();
  const logger = new LogKeeper();
  const node = await startNode(t, { network, discovery: false, logger });
  const reflection = filesOf({
    name: "reflection.proto",
    package: "dswarm.v1",
    syntax: "proto3",
    messageType: [{ name: "In" }, { name: "Out", field: [field(1)] }],
    service: [
      {
        name: "ReflectionService",
        method: [{ name: "GetDescriptors", inputType: ".dswarm.v1.In", outputType: ".dswarm.v1.Out" }],
      },
    ],
  });
  for (const files of [
    // FileDescriptorSet.file.message_type.nested_type.nested_type…
    wire(0x0a, wire(0x22, nestedWire(0x1a, 5000))),
    Buffer.from("\x0a\xff\xff\xff\xff\x0f", "latin1"),
    Buffer.alloc(1000, 0xff),
    // Groups that begin and never end.
    Buffer.alloc(100_000, 0x0b),
  ]) {
    const peer = await dialIn(t, node, network);
    await until("the node has the connection", () => node.isConnected(peer.id));
    peer.registry.serve(
      serviceIn(reflection, "dswarm.v1.ReflectionService"),
      implementation({ getDescriptors: () => ({ f1: files }) }),
    );
    const { status, text } = await send(
      node.port,
      `/api/peers/${peer.id.toBase64url()}/${name}/Call`,
      { method: "POST" },
      "{}",
    );
    assert.equal(status, 502, text);
    assert.match(JSON.parse(text).message, cannotBeUsed);
  }
  await assertUnharmed(node, logger);
});

const proto = (typeName: string): JsonObject => field(1, ofType(typeName));
const falseTimestamp = { name: "Timestamp", field: [field(1, { name: "seconds", type: "TYPE_STRING" })] };
const falseAny = { name: "Any", field: [field(1, { name: "type_url", type: "TYPE_INT32" })] };

/** Schemas that the library takes, of which the calls need not make sense. */
const odd: Readonly<Record<string, () => FileDescriptorSet>> = {
  "fields of one number": () => lie({ field: [field(1), field(1, { name: "again", type: "TYPE_INT32" })] }),
  "fields of one name": () => lie({ field: [field(1), field(2, { name: "f1", jsonName: "f1" })] }),
  "a field of number 0": () => lie({ field: [field(0), field(1)] }),
  "a field of a negative number": () => lie({ field: [field(-7), field(1)] }),
  "fields named as what all objects have": () =>
    lie({
      field: ["__proto__", "constructor", "toString", "hasOwnProperty", "$typeName"].map((each, i) =>
        field(i + 1, { name: each === "$typeName" ? "typeName" : each, jsonName: each }),
      ),
    }),
  "a Timestamp of strings": () =>
    lie({ field: [proto(".google.protobuf.Timestamp")] }, { dependency: ["t.proto"] }, [
      { name: "t.proto", package: "google.protobuf", messageType: [falseTimestamp] },
    ]),
  "an Any of numbers": () =>
    lie({ field: [proto(".google.protobuf.Any")] }, { dependency: ["t.proto"] }, [
      { name: "t.proto", package: "google.protobuf", messageType: [falseAny] },
    ]),
  "a Struct without fields": () =>
    lie({ field: [proto(".google.protobuf.Struct")] }, { dependency: ["t.proto"] }, [
      {
        name: "t.proto",
        package: "google.protobuf",
        messageType: [{ name: "Struct" }, { name: "Value" }, { name: "BoolValue" }],
      },
    ]),
  "a required field": () => lie({ field: [field(9, { label: "LABEL_REQUIRED" })] }, { syntax: "proto2" }),
  "a default that is none": () =>
    lie({ field: [field(1, { type: "TYPE_INT32", defaultValue: "many" })] }, { syntax: "proto2" }),
  "a message that holds itself": () => lie({ field: [field(1, { ...ofType(".lie.v1.Out"), ...repeated })] }),
  "two files of one name": () => lie({}, {}, [{ name: "lie.proto" }]),
  "an enum without values": () =>
    lie({ field: [field(1, ofType(".lie.v1.E", "TYPE_ENUM"))] }, { enumType: [{ name: "E" }] }),
  "a method twice": () => lie({}, { service: [{ ...service, method: [...service.method, ...service.method] }] }),
};

test("a schema that contradicts itself gives answers or codes, never a 500", async (t) => {
  const { node, logger, meet } = await withLiar(t);
  const bytes = Buffer.from("0a030a01ff120161", "hex");
  for (const [what, files] of Object.entries(odd)) {
    const { call } = await meet(files, () => ({ f1: [bytes, new Uint8Array(), Buffer.from("hello")] }));
    for (const body of ["{}", '{"f1":1}', '{"__proto__":{"x":1}}', '{"constructor":"eA=="}']) {
      const { status, json, text } = await call(body);
      assert.notEqual(status, 500, `${what}: ${text}`);
      if (status !== 200) assert.equal(typeof json.code, "string", `${what}: ${text}`);
    }
  }
  assert.equal(Object.hasOwn(Object.prototype, "x"), false);
  await assertUnharmed(node, logger);
});

test("a peer that tells another schema each time, or of other services only, is called by what it told first", async (t) => {
  const { node, logger, meet } = await withLiar(t);
  let told = 0;
  const { call } = await meet(() => {
    told += 1;
    return told === 1 ? lie({ field: [field(1, repeated)] }) : lie({}, { service: [] });
  });
  for (let i = 0; i < 3; i++) assert.deepEqual((await call()).json, { f1: [] });
  assert.equal(told, 1);
  // The peer has another schema by now, in which the same bytes mean something else.
  const { call: callChanged } = await meet(
    () => lie({ field: [field(1, { type: "TYPE_FIXED64" })] }),
    () => ({ f1: [Buffer.from("x")] }),
  );
  const { status, json } = await callChanged();
  assert.deepEqual([status, json.code], [502, "internal"]);
  await assertUnharmed(node, logger);
});

test("a peer that comes back with another schema is called by that one", async (t) => {
  const { network } = await testNetwork();
  const node = await startNode(t, { network, discovery: false });
  const keys = generateKeyPair();
  const path = `/api/peers/${keys.id.toBase64url()}/${name}/Call`;
  for (const jsonName of ["before", "after"]) {
    const files = lie({ field: [field(1, { ...repeated, jsonName })] });
    const peer = await dialIn(t, node, network, keys);
    await until("the node has the connection", () => node.isConnected(keys.id));
    tell(peer, () => files, [name]);
    peer.registry.serve(serviceIn(truth, name), implementation({ call: () => ({ f1: [] }) }));
    assert.equal((await send(node.port, path, { method: "POST" }, "{}")).text, `{"${jsonName}":[]}\n`);
    await peer.connection.close();
    await until("the node has lost it", () => !node.isConnected(keys.id));
  }
});

test("a list of services that is none is the peer's fault, 502, by the short route, too", async (t) => {
  const { node, logger } = await withLiar(t);
  const reflection = filesOf({
    name: "reflection.proto",
    package: "dswarm.v1",
    syntax: "proto3",
    messageType: [{ name: "In" }, { name: "Out", field: [field(1, repeated)] }],
    service: [
      {
        name: "ReflectionService",
        method: [{ name: "ListServices", inputType: ".dswarm.v1.In", outputType: ".dswarm.v1.Out" }],
      },
    ],
  });
  for (const answer of [
    () => ({ f1: [Buffer.from([0xff, 0xfe])] }),
    () => {
      throw new ConnectError("broken", Code.Internal);
    },
  ]) {
    const peer = await dialIn(t, node, node.config.network);
    await until("the node has the connection", () => node.isConnected(peer.id));
    peer.registry.serve(serviceIn(reflection, "dswarm.v1.ReflectionService"), implementation({ listServices: answer }));
    const { status, text } = await send(node.port, `/api/peers/${peer.id.toBase64url()}/services`);
    assert.equal(status, 502, text);
    assert.deepEqual([JSON.parse(text).code, JSON.parse(text).fromPeer], ["internal", true]);
  }
  await assertUnharmed(node, logger);
});

const out = ".lie.v1.Out";
const longName = "V".repeat(500_000);

/** What few bytes of an answer stand for. */
const swelling: Readonly<Record<string, readonly [FileDescriptorSet, () => Raw]>> = {
  "empty messages of many fields": [
    lie(
      {
        field: [field(1, { ...ofType(".lie.v1.Wide"), ...repeated })],
        nestedType: [],
      },
      {
        messageType: [
          { name: "In" },
          { name: "Out", field: [field(1, { ...ofType(".lie.v1.Wide"), ...repeated })] },
          { name: "Wide", field: many(2000, (i) => field(i + 1)) },
        ],
      },
    ),
    () => ({ f1: Array.from({ length: 500_000 }, () => new Uint8Array()) }),
  ],
  "enum values of long names": [
    lie(
      { field: [field(1, { ...ofType(".lie.v1.E", "TYPE_ENUM"), ...repeated })] },
      { enumType: [{ name: "E", value: [{ name: longName, number: 0 }] }] },
    ),
    () => ({ f1: [new Uint8Array(100_000)] }),
  ],
  "fields of long names": [
    lie({ field: [field(1, { ...ofType(out), ...repeated }), field(2, { jsonName: longName, type: "TYPE_INT32" })] }),
    () => ({ f1: Array.from({ length: 100_000 }, () => new Uint8Array()) }),
  ],
  "an Any full of them": [
    lie(
      { field: [field(1, { ...ofType(".google.protobuf.Any"), ...repeated })] },
      {
        dependency: ["any.proto"],
        messageType: [
          { name: "In" },
          { name: "Out", field: [field(1, { ...ofType(".google.protobuf.Any"), ...repeated })] },
          { name: "Wide", field: many(2000, (i) => field(i + 1)) },
        ],
      },
      [
        {
          name: "any.proto",
          package: file_google_protobuf_any.proto.package,
          syntax: "proto3",
          messageType: [
            {
              name: "Any",
              field: [
                field(1, { name: "type_url", jsonName: "typeUrl", type: "TYPE_STRING" }),
                field(2, { name: "value", jsonName: "value" }),
              ],
            },
          ],
        },
      ],
    ),
    () => ({ f1: Array.from({ length: 100_000 }, () => Buffer.from("\x0a\x0dx/lie.v1.Wide")) }),
  ],
};

test("an answer that would swell is refused before it is decoded", async (t) => {
  const { node, logger, meet } = await withLiar(t);
  for (const [what, [files, answer]] of Object.entries(swelling)) {
    const { call } = await meet(() => files, answer);
    const { status, json, text } = await call();
    assert.deepEqual([status, json.code], [502, "resource_exhausted"], `${what}: ${text.slice(0, 200)}`);
    assert.equal(json.fromPeer, undefined);
  }
  await assertUnharmed(node, logger);
});

test("an answer, or a request, that is nested deeper than a codec follows is refused", async (t) => {
  const { node, logger, meet } = await withLiar(t);
  const self = () => lie({ field: [field(1, ofType(out))] });
  for (const levels of [10, 200, 5000]) {
    const { call } = await meet(self, () => ({ f1: [nestedWire(0x0a, levels)] }));
    const { status, json, text } = await call();
    assert.deepEqual(
      [status, json.code],
      levels === 10 ? [200, undefined] : [502, "resource_exhausted"],
      text.slice(0, 200),
    );
  }
  const loop = lie({}, { messageType: [{ name: "In", field: [field(1, ofType(".lie.v1.In"))] }, { name: "Out" }] });
  const { call } = await meet(() => loop);
  assert.equal((await call('{"f1":'.repeat(50) + "{}" + "}".repeat(50))).status, 200);
  assert.equal((await call('{"f1":'.repeat(5000) + "{}" + "}".repeat(5000))).status, 400);
  await assertUnharmed(node, logger);
});
