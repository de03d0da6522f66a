// What the gateway makes of requests and answers that its JSON cannot express, of details of errors, and of metadata that comes twice.
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:https";
import { type TestContext, test } from "node:test";
import { createFileRegistry, fromJson, type JsonObject, type Message, toBinary } from "@bufbuild/protobuf";
import { file_google_protobuf_any, file_google_protobuf_timestamp } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { AnswerSchemas, wholeAnswer } from "../api/answer-schemas.ts";
import { dialIn, filesOf, implementation, serviceIn, tell } from "./dialed-peer.ts";
import { apiJson, send, startNode, testNetwork, until } from "./rig.ts";

const name = "ask.v1.AskService";
const optional = { label: "LABEL_OPTIONAL" };
const text = { name: "text", number: 1, type: "TYPE_STRING", jsonName: "text", ...optional };

function ofType(field: string, number: number, typeName: string): JsonObject {
  return { name: field, number, type: "TYPE_MESSAGE", typeName, jsonName: field, ...optional };
}

const inner = {
  name: "Inner",
  field: [{ name: "must", number: 1, type: "TYPE_INT32", jsonName: "must", label: "LABEL_REQUIRED" }],
};

/** A proto2 file, and one of edition 2023, whose messages have a field that must be there. */
const schema = filesOf(
  JSON.parse(JSON.stringify(fileOf(file_google_protobuf_any))),
  JSON.parse(JSON.stringify(fileOf(file_google_protobuf_timestamp))),
  { name: "ask/old.proto", package: "ask.v1", syntax: "proto2", messageType: [inner] },
  {
    name: "ask/ask.proto",
    package: "ask.v1",
    syntax: "editions",
    edition: "EDITION_2023",
    dependency: ["ask/old.proto", "google/protobuf/any.proto", "google/protobuf/timestamp.proto"],
    messageType: [
      {
        name: "Box",
        field: [
          {
            name: "needed",
            number: 1,
            type: "TYPE_STRING",
            jsonName: "needed",
            ...optional,
            options: { features: { fieldPresence: "LEGACY_REQUIRED" } },
          },
          ofType("inner", 2, ".ask.v1.Inner"),
        ],
      },
      {
        name: "Out",
        field: [
          ofType("any", 1, ".google.protobuf.Any"),
          ofType("at", 2, ".google.protobuf.Timestamp"),
          ofType("inner", 3, ".ask.v1.Inner"),
        ],
      },
      { name: "Why", field: [text, ofType("any", 2, ".google.protobuf.Any")] },
    ],
    service: [
      {
        name: "AskService",
        method: [
          { name: "Ask", inputType: ".ask.v1.Box", outputType: ".ask.v1.Out" },
          { name: "Collect", inputType: ".ask.v1.Box", outputType: ".ask.v1.Out", clientStreaming: true },
          { name: "Repeat", inputType: ".ask.v1.Box", outputType: ".ask.v1.Out", serverStreaming: true },
        ],
      },
    ],
  },
);
const registry = createFileRegistry(schema);

function fileOf({ proto }: typeof file_google_protobuf_any): JsonObject {
  const { name: fileName, package: packageName, messageType } = proto;
  const fields = messageType.map((message) => ({
    name: message.name,
    field: message.field.map((each) => ({
      name: each.name,
      number: each.number,
      type: each.type,
      jsonName: each.jsonName,
      label: each.label,
    })),
  }));
  return { name: fileName, package: packageName, syntax: "proto3", messageType: fields };
}

type Box = Message & { needed: string };
type Answer = (context: HandlerContext) => object;

/** A node and a peer that answers so. */
async function withPeer(t: TestContext, answer: Answer) {
  const { network } = await testNetwork();
  const node = await startNode(t, { network, discovery: false });
  const peer = await dialIn(t, node, network);
  await until("the node has the connection", () => node.isConnected(peer.id));
  tell(peer, () => schema, [name]);
  let called = 0;
  peer.registry.serve(
    serviceIn(schema, name),
    implementation({
      ask: (_: Box, context: HandlerContext) => {
        called += 1;
        return answer(context);
      },
      async collect(boxes: AsyncIterable<Box>, context: HandlerContext) {
        for await (const _ of boxes) called += 1;
        return answer(context);
      },
      async *repeat(_: Box, context: HandlerContext) {
        yield {};
        yield answer(context);
      },
    }),
  );
  const schemas = new AnswerSchemas(await apiJson(node.port, "/api/openapi.json"));
  const call = async (method: string, body: string, headers: Record<string, string> = {}) => {
    const path = `/api/peers/${peer.id.toBase64url()}/${name}/${method}`;
    const options = { method: "POST", headers: { "Content-Type": "application/json", ...headers } };
    const answered = await send(node.port, path, options, body);
    schemas.check("POST", path, wholeAnswer(answered));
    return answered;
  };
  return { call, calls: () => called };
}

const good = `{"needed":"x"}`;

test("a request without a field that is required is 400 and names it, and the peer is not called", async (t) => {
  const { call, calls } = await withPeer(t, () => ({}));
  for (const [body, field] of [
    ["{}", "ask.v1.Box.needed"],
    [`{"needed":"x","inner":{}}`, "ask.v1.Inner.must"],
  ] as const) {
    for (const method of ["Ask", "Collect", "Repeat"]) {
      const { status, text: answer } = await call(method, body);
      assert.equal(status, 400, answer);
      const { code, message, fromPeer } = JSON.parse(answer);
      assert.deepEqual([code, fromPeer], ["invalid_argument", undefined]);
      assert(message.includes(field), message);
    }
    const lines = await call("Collect", body, { "Content-Type": "application/x-ndjson" });
    assert.equal(lines.status, 400, lines.text);
    assert(JSON.parse(lines.text).message.includes(field));
  }
  assert.equal(calls(), 0);
  assert.equal((await call("Ask", good)).status, 200);
});

test("an answer without a form in JSON is 502, the peer's", async (t) => {
  const answers: Readonly<Record<string, object>> = {
    "an Any of a type that no schema has": { any: { typeUrl: "type.googleapis.com/no.such.Type" } },
    "a Timestamp after the year 9999": { at: { seconds: 999_999_999_999n } },
    "a field that is required and missing": { any: { typeUrl: "x/ask.v1.Box" } },
  };
  for (const [what, answer] of Object.entries(answers)) {
    const { call } = await withPeer(t, () => answer);
    const { status, text: answered } = await call("Ask", good);
    assert.equal(status, 502, `${what}: ${answered}`);
    const { code, message, fromPeer } = JSON.parse(answered);
    assert.deepEqual([code, fromPeer], ["internal", true], what);
    assert.match(message, /^the answer has no form in JSON: ./);
    const lines = (await call("Repeat", good)).text.trim().split("\n");
    assert.deepEqual(
      lines.map((line) => Object.keys(JSON.parse(line))),
      [["result"], ["error"]],
      what,
    );
  }
});

/** An error with details: of the schema, of one with an Any inside, of none, and one that does not decode. */
function failing(code: Code): () => never {
  return () => {
    const why = registry.getMessage("ask.v1.Why") ?? assert.fail();
    const any = { "@type": "type.googleapis.com/ask.v1.Why", text: "inside" };
    const error = new ConnectError("no", code, { "set-cookie": "a=1" });
    error.metadata.append("set-cookie", "b=2");
    error.details = [
      { type: "ask.v1.Why", value: toBinary(why, fromJson(why, { text: "because", any }, { registry })) },
      { type: "no.such.Type", value: Buffer.from([8, 1]) },
      { type: "ask.v1.Why", value: Buffer.from([0x0f, 0xff]) },
    ];
    throw error;
  };
}

const details = [
  {
    type: "ask.v1.Why",
    debug: { text: "because", any: { "@type": "type.googleapis.com/ask.v1.Why", text: "inside" } },
  },
  { type: "no.such.Type", value: "CAE" },
  { type: "ask.v1.Why", value: "D/8" },
];

function assertDetails(seen: { value?: string }[]): void {
  assert.match(seen[0]?.value ?? "", /^[A-Za-z0-9+/]+$/);
  const [{ value: _, ...first } = {}, ...others] = seen;
  assert.deepEqual([first, ...others], details);
}

test("details of errors come decoded where the peer's schema has their types", async (t) => {
  const { call } = await withPeer(t, failing(Code.FailedPrecondition));
  const unary = JSON.parse((await call("Ask", good)).text);
  assert.deepEqual([unary.code, unary.message, unary.fromPeer], ["failed_precondition", "no", true]);
  assertDetails(unary.details);
  const [, line = ""] = (await call("Repeat", good)).text.trim().split("\n");
  assertDetails(JSON.parse(line).error.details);
  const events = (await call("Repeat", good, { Accept: "text/event-stream" })).text;
  assertDetails(JSON.parse(/event: error\ndata: (.*)\n/.exec(events)?.[1] ?? "").details);
});

test("many details, and such as would swell, stay undecoded", async (t) => {
  const { call } = await withPeer(t, () => {
    const error = new ConnectError("no", Code.Aborted);
    error.details = Array.from({ length: 100 }, () => ({ type: "ask.v1.Why", value: Buffer.from("\n\u0001a") }));
    throw error;
  });
  const { details: seen } = JSON.parse((await call("Ask", good)).text);
  const decoded = seen.map((each: object) => "debug" in each);
  assert.deepEqual([decoded.length, decoded.indexOf(false), decoded.lastIndexOf(true)], [100, 32, 31]);
});

test("two Set-Cookie of a peer are two, as headers, as trailers, with errors and in streams", async (t) => {
  const both = ["a=1; Expires=Mon, 30 Nov 2026 00:00:00 GMT", "b=2"];
  const { call } = await withPeer(t, ({ responseHeader, responseTrailer }) => {
    for (const cookie of both) {
      responseHeader.append("set-cookie", cookie);
      responseTrailer.append("set-cookie", cookie);
    }
    return {};
  });
  const seen: string[] = [];
  for (const method of ["Ask", "Collect"]) {
    const answer = await call(method, good);
    assert.equal(answer.headers["set-cookie"], undefined);
    for (const kind of ["metadata", "trailer"]) seen.push(...(answer.distinct[`grpc-${kind}-set-cookie`] ?? []));
  }
  assert.deepEqual(seen, [...both, ...both, ...both, ...both]);
  const lines = (await call("Repeat", good)).text.trim().split("\n");
  assert.deepEqual(JSON.parse(lines.at(-1) ?? ""), { metadata: { "set-cookie": both } });
  const { call: callFailing } = await withPeer(t, failing(Code.Aborted));
  const failed = await callFailing("Ask", good);
  assert.deepEqual(failed.distinct["grpc-trailer-set-cookie"], ["a=1", "b=2"]);
  const [, line = ""] = (await callFailing("Repeat", good)).text.trim().split("\n");
  assert.deepEqual(JSON.parse(line).metadata["set-cookie"], ["a=1", "b=2"]);
});

test("two Set-Cookie of a request reach the peer as two", async (t) => {
  const seen: string[][] = [];
  const { call } = await withPeer(t, ({ requestHeader }) => {
    seen.push(requestHeader.getSetCookie());
    return {};
  });
  await call("Ask", good, { "Grpc-Metadata-Set-Cookie": ["a=1", "b=2"] as never });
  assert.deepEqual(seen, [["a=1", "b=2"]]);
});

test("events of a peer begin before its first message, and its metadata comes as an event then", async (t) => {
  const { network } = await testNetwork();
  const node = await startNode(t, { network, discovery: false });
  const peer = await dialIn(t, node, network);
  await until("the node has the connection", () => node.isConnected(peer.id));
  tell(peer, () => schema, [name]);
  const begun = Promise.withResolvers<void>();
  peer.registry.serve(
    serviceIn(schema, name),
    implementation({
      async *repeat(_: Box, { responseHeader }: HandlerContext) {
        await begun.promise;
        responseHeader.set("greeting", "late");
        yield {};
        yield {};
      },
    }),
  );
  const path = `/api/peers/${peer.id.toBase64url()}/${name}/Repeat`;
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
  const options = { host: "127.0.0.1", port: node.port, path, method: "POST", headers, rejectUnauthorized: false };
  const outgoing = request({ ...options, agent: false });
  outgoing.end(good);
  const [incoming] = await once(outgoing, "response");
  assert.deepEqual([incoming.statusCode, incoming.headers["grpc-metadata-greeting"]], [200, undefined]);
  begun.resolve();
  let events = "";
  for await (const chunk of incoming.setEncoding("utf8")) events += chunk;
  const header = `event: header\ndata: {"metadata":{"greeting":["late"]}}\n\n`;
  assert.equal(events, `${header}data: {}\n\ndata: {}\n\nid: end\nevent: end\ndata: {}\n\n`);
});

test("of a peer's many services 64 are listed, the number of those left out is told, and each can be asked for", async (t) => {
  const { network } = await testNetwork();
  const node = await startNode(t, { network, discovery: false });
  const peer = await dialIn(t, node, network);
  await until("the node has the connection", () => node.isConnected(peer.id));
  const all = Array.from({ length: 74 }, (_, i) => `many.v1.S${String(i).padStart(2, "0")}`);
  const many = filesOf({
    name: "many.proto",
    package: "many.v1",
    syntax: "proto3",
    messageType: [{ name: "M" }],
    service: all.map((each) => ({
      name: each.slice("many.v1.".length),
      method: [{ name: "Do", inputType: ".many.v1.M", outputType: ".many.v1.M" }],
    })),
  });
  tell(peer, () => many, all.toReversed());
  const path = `/api/peers/${peer.id.toBase64url()}/services`;
  const { services, leftOut } = await apiJson(node.port, path);
  const names = services.map((each: { name: string }) => each.name);
  assert.deepEqual([names, leftOut], [all.slice(0, 64), 10]);
  const last = await apiJson(node.port, `${path}?service=many.v1.S73`);
  assert.deepEqual([last.services.length, last.services[0].name, last.leftOut], [1, "many.v1.S73", 0]);
  const own = await apiJson(node.port, `/api/peers/${node.id.toBase64url()}/services?service=grpc.health.v1.Health`);
  assert.deepEqual(
    own.services.map((each: { name: string }) => each.name),
    ["grpc.health.v1.Health"],
  );
  const missing = await send(node.port, `/api/peers/${node.id.toBase64url()}/services?service=many.v1.S73`);
  assert.equal(missing.status, 404);
});
