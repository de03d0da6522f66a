import assert from "node:assert/strict";
import { test } from "node:test";
import { createRegistry, type JsonObject, toJson } from "@bufbuild/protobuf";
import { createServiceImplSpec, type MethodImplSpec } from "@connectrpc/connect";
import * as fc from "fast-check";
import {
  NodeService,
  type PutValueRequest,
  PutValueRequestSchema,
  type UpdateValueRequest,
  UpdateValueRequestSchema,
} from "../../../gen/dswarm/v1/node_pb.ts";
import { Fault } from "../../../src/api/fault.ts";
import { bindingsOf } from "../../../src/api/http-rule.ts";
import { type RequestParts, requestMessage } from "../../../src/api/request-message.ts";
import { sampleRpc } from "./sample-service.ts";

const someKey = "&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

function nodeMethod(name: string): MethodImplSpec {
  const spec = createServiceImplSpec<typeof NodeService>(NodeService, {});
  return Object.values(spec.methods).find(({ method }) => method.name === name) ?? assert.fail(name);
}

function read(rule: JsonObject, parts: Partial<RequestParts>): unknown {
  const rpc = sampleRpc("Try", rule);
  const [binding] = bindingsOf(rpc);
  assert(binding);
  return toJson(
    rpc.method.input,
    requestMessage(binding, { captured: [], query: "", body: "{}", ...parts }, createRegistry()),
  );
}

const key = `${"+/a".repeat(14)}A=`;

const readQuery = (query: string): unknown => read({ get: "/api/a" }, { query });

function refuses(call: () => unknown, message: RegExp | string): void {
  assert.throws(call, (error) => {
    assert(error instanceof Fault);
    assert.equal(error.status, 400);
    if (typeof message === "string") assert(error.message.includes(message), error.message);
    else assert.match(error.message, message);
    return true;
  });
}

test("reads every kind of field from a query, by either spelling of its name", () => {
  const queries: [string, object][] = [
    ["", {}],
    ["&&", {}],
    ["text=a%20b+c%2B%00", { text: "a b c+\0" }],
    ["text", {}],
    ["flag=true", { flag: true }],
    ["flag=false", {}],
    ["big=-9007199254740993", { big: "-9007199254740993" }],
    ["data=_-8", { data: "/+8=" }],
    ["data=%2F%2B8%3D", { data: "/+8=" }],
    ["data=/+8=", { data: "/+8=" }],
    [`text=@${key}`, { text: `@${key}` }],
    [`text=%26${key}`, { text: `&${key}` }],
    [`text=${key}`, { text: key.replaceAll("+", " ") }],
    [`text=@${key}+`, { text: `@${key} `.replaceAll("+", " ") }],
    ["color=COLOR_RED", { color: "COLOR_RED" }],
    ["color=2", { color: "COLOR_BLUE" }],
    ["tags=a&tags=b&tags=", { tags: ["a", "b", ""] }],
    ["color_list=1&colorList=COLOR_BLUE", { colorList: ["COLOR_RED", "COLOR_BLUE"] }],
    ["ratio=1e-3", { ratio: 0.001 }],
    ["ratio=-Infinity", { ratio: "-Infinity" }],
    ["inner.name=x&inner.size=7&inner.constructor=c", { inner: { name: "x", size: 7, constructor: "c" } }],
    ["seen_at=2020-01-02T03:04:05Z", { seenAt: "2020-01-02T03:04:05Z" }],
    ["maybe=0", { maybe: 0 }],
    ["right=false", { right: false }],
    ["wrapped=false", { wrapped: false }],
  ];
  for (const [query, expected] of queries) assert.deepEqual(readQuery(query), expected, query);
});

test("refuses what a query cannot mean, naming the parameter", () => {
  const queries: [string, string][] = [
    ["nope=1", `unknown query parameter "nope"; there are: text, flag,`],
    ["__proto__=1", `"__proto__"`],
    ["toString=1", `"toString"`],
    ["inner.nope=1", `"inner.nope"`],
    ["inner=x", `"inner"`],
    ["inner.=x", `"inner."`],
    ["text.x=1", `"text.x"`],
    ["labels=x", `"labels"`],
    ["labels.a=x", `"labels.a"`],
    ["inners=x", `"inners"`],
    ["inners.name=x", `"inners.name"`],
    ["seen_at.seconds=1", `"seen_at.seconds"`],
    ["text=1&text=2", `"text" is given twice`],
    ["wrapped=true&wrapped=true", `"wrapped" is given twice`],
    ["flag=yes", "Sample.flag"],
    ["flag=", "Sample.flag"],
    ["big=1.5", "Sample.big"],
    ["big=0x10", "Sample.big"],
    ["big=+5", "Sample.big"],
    ["maybe=0x10", "Sample.maybe"],
    ["big=99999999999999999999", "Sample.big"],
    ["maybe=-1", "Sample.maybe"],
    ["maybe=", "Sample.maybe"],
    ["maybe=4294967296", "Sample.maybe"],
    ["ratio=x", "Sample.ratio"],
    ["color=COLOR_NONE", "COLOR_NONE"],
    ["color=9999999999", "Sample.color"],
    ["data=***", "Sample.data"],
    ["seen_at=yesterday", "Timestamp"],
    ["left=a&right=true", "Sample.side"],
    ["text=%ff", "percent-encoded"],
    ["%=1", "percent-encoded"],
    ["text=%e2%82", "percent-encoded"],
  ];
  for (const [query, message] of queries) refuses(() => readQuery(query), message);
});

test("shortens what it repeats of a request", () => {
  refuses(() => readQuery(`${"x".repeat(5000)}=1`), /^unknown query parameter "x{64}…"/);
  assert.throws(
    () => read({ post: "/api/a", body: "*" }, { body: JSON.stringify({ ["x".repeat(5000)]: 1 }) }),
    (error: Error) => error.message.length < 600,
  );
});

test("takes captures before all else, and refuses a field of the path that is in the body as well", () => {
  const rule = { patch: "/api/{text}/{inner.size}", body: "*" };
  const body = `{"inner":{"size":1,"name":"n"},"tags":["t"]}`;
  refuses(() => read(rule, { captured: ["yes", "9"], body: `{"text":"no"}` }), `"text" is in the path already`);
  assert.deepEqual(read(rule, { captured: ["yes", "9"], body }), {
    text: "yes",
    inner: { size: 9, name: "n" },
    tags: ["t"],
  });
  refuses(() => read({ get: "/api/{text}" }, { captured: ["a"], query: "text=b" }), `"text" is given twice`);
  refuses(() => read({ get: "/api/{maybe}" }, { captured: ["x"] }), "Sample.maybe");
});

test("a body that holds the message leaves nothing to the query", () => {
  refuses(() => read({ post: "/api/a", body: "*" }, { query: "flag=true" }), `"flag" belongs into the body`);
});

test("a body may hold one field, and the query the others", () => {
  const rule = { post: "/api/a", body: "inner" };
  assert.deepEqual(read(rule, { body: `{"name":"n"}`, query: "flag=true" }), { inner: { name: "n" }, flag: true });
  refuses(() => read(rule, { body: "{}", query: "inner.size=1" }), `"inner.size" is given twice`);
  const tags = { post: "/api/a", body: "tags" };
  assert.deepEqual(read(tags, { body: ` ["a"]\n` }), { tags: ["a"] });
  assert.deepEqual(read({ post: "/api/a", body: "color_list" }, { body: `[1]` }), { colorList: ["COLOR_RED"] });
  for (const body of [`["a"],"flag":true`, `["a"]}`, "", "["]) refuses(() => read(tags, { body }), /JSON/);
});

test("refuses bodies that are not the message", () => {
  const bodies: [string, string][] = [
    ["", "JSON"],
    ["{", "JSON"],
    ["null", "Sample"],
    ["[]", "Sample"],
    [`"x"`, "Sample"],
    [`{"nope":1}`, `"nope"`],
    [`{"inner":{"nope":1}}`, `"nope"`],
    [`{"text":1}`, "Sample.text"],
    [`{"tags":"a"}`, "Sample.tags"],
    [`{"tags":[null]}`, "Sample.tags"],
    [`{"text":"a","text":"b"}`, "text"],
    [`{"seenAt":"2020-01-02T03:04:05Z","seen_at":"2020-01-02T03:04:05Z"}`, "seen_at"],
    [`{"text":"${String.raw`\ud800`}"}`, "Sample.text"],
    [`{"__proto__":1}`, "__proto__"],
    ["[".repeat(100_000) + "]".repeat(100_000), "levels"],
    [`{"text":null}`, "Sample.text"],
    [`{"big":"0x10"}`, "Sample.big"],
    [`{"big":"+5"}`, "Sample.big"],
    [`{"inner":`.repeat(50_000) + "}".repeat(50_000), ""],
  ];
  for (const [body, message] of bodies) refuses(() => read({ post: "/api/a", body: "*" }, { body }), message);
});

test("any query gives a message or a fault of the client, never another error", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.oneof(fc.constantFrom("text", "flag", "big", "inner.name", "tags", "seenAt"), fc.string()),
          fc.string(),
        ),
      ),
      fc.boolean(),
      (pairs, encoded) => {
        const query = encoded ? new URLSearchParams(pairs).toString() : pairs.map((pair) => pair.join("=")).join("&");
        try {
          readQuery(query);
        } catch (error) {
          assert(error instanceof Fault);
          assert.equal(error.status, 400);
        }
      },
    ),
  );
});

test("a query that URLSearchParams wrote is read as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.array(fc.string({ unit: "grapheme" })), (text, tags) => {
      const query = new URLSearchParams([["text", text], ...tags.map((tag) => ["tags", tag])]).toString();
      const expected = { ...(text === "" ? {} : { text }), ...(tags.length === 0 ? {} : { tags }) };
      assert.deepEqual(readQuery(query), expected);
    }),
  );
});

test("a raw body is the value, and the query has the rest of the message, but not the value", () => {
  const [, binding] = bindingsOf(nodeMethod("PutValue"));
  const update = bindingsOf(nodeMethod("UpdateValue"))[0];
  assert(binding && update);
  const body = Uint8Array.of(0, 255);
  const put = requestMessage(binding, { captured: [someKey], query: "", body }, createRegistry());
  assert.deepEqual(toJson(PutValueRequestSchema, put as PutValueRequest), { value: "AP8=", key: someKey });
  const updated = requestMessage(
    update,
    { captured: [], query: "salt=YQ&expected_sequence=3", body },
    createRegistry(),
  );
  assert.deepEqual(toJson(UpdateValueRequestSchema, updated as UpdateValueRequest), {
    value: "AP8=",
    salt: "YQ==",
    expectedSequence: "3",
  });
  refuses(
    () => requestMessage(update, { captured: [], query: "value=YQ", body }, createRegistry()),
    `"value" is given twice`,
  );
  refuses(
    () => requestMessage(update, { captured: [], query: "value=YQ", body: "{}" }, createRegistry()),
    "belongs into the body",
  );
  refuses(
    () => requestMessage(update, { captured: [], query: "nope=1", body }, createRegistry()),
    "unknown query parameter",
  );
});
