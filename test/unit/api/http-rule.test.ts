import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { type Binding, bindingsOf } from "../../../src/api/http-rule.ts";
import { sampleRpc } from "./sample-service.ts";

function bindings(rule: JsonObject): Binding[] {
  return bindingsOf(sampleRpc("Try", rule));
}

test("reads each verb and each additional binding", () => {
  const all = bindings({
    get: "/api/a",
    additionalBindings: [{ put: "/api/b" }, { post: "/api/c" }, { delete: "/api/d" }, { patch: "/api/e" }],
  });
  assert.deepEqual(
    all.map(({ httpMethod, path }) => `${httpMethod} ${path}`),
    ["GET /api/a", "PUT /api/b", "POST /api/c", "DELETE /api/d", "PATCH /api/e"],
  );
});

test("reads captures, through messages too", () => {
  const [binding] = bindings({
    get: "/api/{text}/x/{inner.size}/{seenAt=*}",
  });
  assert.equal(binding?.path, "/api/:p0/x/:p1/:p2");
  assert.deepEqual(
    binding.captures.map(({ parents, leaf }) => [...parents, leaf].map(({ name }) => name).join(".")),
    ["text", "inner.size", "seen_at"],
  );
});

test("reads what the body holds", () => {
  assert.equal(bindings({ post: "/api/a" })[0]?.body, undefined);
  assert.equal(bindings({ post: "/api/a", body: "*" })[0]?.body, "*");
  const body = bindings({ post: "/api/a", body: "inner" })[0]?.body;
  assert(typeof body === "object");
  assert.equal(body.name, "inner");
});

test("a method without an annotation has no binding", () => {
  assert.deepEqual(bindings({}), []);
});

test("refuses annotations that cannot be served, naming the method", () => {
  const faults: [JsonObject, RegExp][] = [
    [{ get: "/v1/a" }, /does not begin with \/api\//],
    [{ get: "/api/{nope}" }, /no single field nope/],
    [{ get: "/api/{tags}" }, /no single field tags/],
    [{ get: "/api/{labels}" }, /no single field labels/],
    [{ get: "/api/{inner}" }, /no single field inner/],
    [{ get: "/api/{text.size}" }, /no single field text.size/],
    [{ get: "/api/{text=**}" }, /\{text=\*\*\} in/],
    [{ get: "/api/{text=a/*}" }, /in \/api/],
    [{ get: "/api/**" }, /\*\* in/],
    [{ get: "/api/a:verb" }, /a:verb in/],
    [{ get: "/api/:p0" }, /:p0 in/],
    [{ post: "/api/a", body: "nope" }, /no field nope/],
    [{ custom: { kind: "TRACE", path: "/api/a" } }, /custom HTTP methods/],
    [{ get: "/api/a", additionalBindings: [{ get: "b" }] }, /does not begin/],
  ];
  for (const [rule, message] of faults) {
    assert.throws(
      () => bindings(rule),
      (error: Error) =>
        error instanceof TypeError && message.test(error.message) && error.message.includes("Service.Try"),
      JSON.stringify(rule),
    );
  }
});

test("refuses an annotation on a method that streams requests", () => {
  const rpc = sampleRpc("Try", { get: "/api/a" }, { clientStreaming: true });
  assert.throws(() => bindingsOf(rpc), /cannot stream requests/);
});
