// What a node tells of its API: the list of routes, the OpenAPI document and the page that shows it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { NodeService } from "../../../gen/dswarm/v1/node_pb.ts";
import { eventNames } from "../../../src/node/event-log.ts";
import { sampleService } from "../../unit/api/sample-service.ts";
import { send as sendTls, startNode, testNetwork } from "../node/rig.ts";
import { nodeService, post, send, startApi } from "./api-server.ts";

async function assertValid(document: Record<string, unknown>): Promise<void> {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  assert(valid, JSON.stringify(errors));
}

test("the OpenAPI document of a node is valid and has every route of the list, with every method's comment", async (t) => {
  const node = await startNode(t, {
    ...(await testNetwork()),
    api: { swarm: { list: async () => [], find: async () => undefined } },
  });
  const answer = await sendTls(node.port, "/api/openapi.json");
  assert.equal(answer.status, 200);
  const document = JSON.parse(answer.text);
  await assertValid(document);
  const { routes } = JSON.parse((await sendTls(node.port, "/api")).text);
  const listed = routes.map(({ method, path }: { method: string; path: string }) => `${method} ${path}`).sort();
  const operations = Object.entries<Record<string, { summary?: string; operationId: string }>>(document.paths).flatMap(
    ([path, item]) => Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );
  assert.deepEqual(operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`).sort(), listed);
  for (const path of [
    "GET /api",
    "GET /api/openapi.json",
    "GET /api/docs",
    "GET /metrics",
    "GET /healthz",
    "POST /api/peers/{id}/{service}/{method}",
    "GET /api/nodes/{id}/{path}",
  ]) {
    assert(listed.includes(path), path);
  }
  for (const { path, method, operation } of operations) assert(operation.summary, `${method} ${path} has no summary`);
  assert.equal(new Set(operations.map(({ operation }) => operation.operationId)).size, operations.length);
  for (const { name } of NodeService.methods) {
    assert(document.paths[`/api/${NodeService.typeName}/${name}`].post, name);
  }
  for (const [name, schema] of Object.entries<{ description?: string; properties?: object }>(
    document.components.schemas,
  )) {
    assert(schema.description, `${name} has no description`);
    for (const [field, of] of Object.entries(schema.properties ?? {})) {
      assert(of.description, `${name}.${field} has no description`);
    }
  }
  assert.deepEqual(document.paths["/api/events"].get.parameters[1], {
    name: "past",
    in: "query",
    description:
      "How many events of the past to tell first, of those that `names` lets through. At most 256, as many as the node remembers.",
    schema: { type: "integer", format: "uint32", minimum: 0, maximum: 256 },
  });
});

test("a document of all kinds of fields and routes is valid, too", async (t) => {
  const { port } = await startApi(t, { services: [sampleService()] });
  const document = JSON.parse((await send(port, "/api/openapi.json")).text);
  await assertValid(document);
  assert.deepEqual(document.components.schemas["sample.v1.Sample"].properties.seenAt, {
    type: "string",
    format: "date-time",
  });
  assert.deepEqual(
    document.paths["/api/inner/{inner.name}/of/{big}"].get.parameters
      .slice(0, 2)
      .map((each: { name: string }) => each.name),
    ["inner.name", "big"],
  );
});

test("what is no document does not pass the validator", async () => {
  await assert.rejects(assertValid({ openapi: "3.1.1", info: { title: "x", version: "1" }, paths: { x: {} } }));
});

test("the page shows every operation and message, and may do nothing; it needs no token", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()], token: "0123456789abcdef" });
  assert.equal((await send(port, "/api/openapi.json")).status, 401);
  const headers = ["Authorization", "Bearer 0123456789abcdef"];
  const document = JSON.parse((await send(port, "/api/openapi.json", { headers })).text);
  const page = await send(port, "/api/docs");
  assert.equal(page.status, 200);
  assert.equal(page.headers["content-type"], "text/html; charset=utf-8");
  const policy = String(page.headers["content-security-policy"]);
  assert.match(policy, /^default-src 'none'; style-src 'sha256-[^']+'; /);
  assert.doesNotMatch(page.text, /<script|javascript:|https?:\/\/|undefined|\[object/);
  for (const [path, item] of Object.entries<object>(document.paths)) {
    for (const method of Object.keys(item)) {
      assert(page.text.includes(`<code>${method.toUpperCase()} ${path}</code>`), `${method} ${path}`);
    }
  }
  for (const name of Object.keys(document.components.schemas))
    assert(page.text.includes(`<details id="${name}"`), name);
});

test("a path that is known refuses other methods, those that no schema declares among them", async (t) => {
  const node = await startNode(t, await testNetwork());
  for (const [path, allowed] of [
    [`/api/peers/${node.id.toBase64url()}/dswarm.v1.DhtService/Ping`, "POST, OPTIONS"],
    ["/metrics", "GET, HEAD, OPTIONS"],
    ["/api/openapi.json", "GET, HEAD, OPTIONS"],
  ] as const) {
    const method = allowed.startsWith("POST") ? "GET" : "POST";
    const answer = await sendTls(node.port, path, { method });
    assert.equal(answer.status, 405, path);
    assert.equal(answer.headers["allow"], allowed);
    assert.equal(JSON.parse(answer.text).code, "unimplemented");
  }
});

test("every operation tells what it refuses, 429 with Retry-After; keys, ids and bytes have patterns", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()] });
  const { paths, components } = JSON.parse((await send(port, "/api/openapi.json")).text);
  for (const [path, item] of Object.entries<Record<string, { responses: object; security?: object[] }>>(paths)) {
    for (const [method, { responses, security }] of Object.entries(item)) {
      for (const status of ["403", "429", "default"]) assert(status in responses, `${method} ${path}: ${status}`);
      assert.equal("401" in responses, security === undefined, `${method} ${path}`);
    }
  }
  assert.deepEqual(Object.keys(components.responses.Fault429.headers), ["Retry-After"]);
  const { schemas } = components;
  for (const [name, field] of [
    ["PingResult", "id"],
    ["GetValueRequest", "key"],
    ["PutValueResponse", "key"],
    ["UpdateValueRequest", "salt"],
    ["ImmutableRecord", "value"],
  ] as const) {
    assert.equal(typeof schemas[`dswarm.v1.${name}`].properties[field].pattern, "string", `${name}.${field}`);
  }
  const { names } = Object.fromEntries(
    paths["/api/events"].get.parameters.map((each: { name: string; schema: object }) => [each.name, each.schema]),
  );
  assert.deepEqual(names.items.enum, [...eventNames, "rates"]);
  const stream = paths["/api/dswarm.v1.NodeService/TraceLookup"].post;
  for (const { content } of [stream.requestBody, stream.responses[200]]) {
    const { schema } = content["application/connect+json"];
    assert.deepEqual([schema.type, schema.format], ["string", "binary"]);
    assert.match(schema.description, /^Envelopes/);
  }
});

test("Connect's JSON takes no null, as the document has none", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()] });
  const answer = await post(port, "/api/dswarm.v1.NodeService/ListPeers", `{"limit":null}`);
  assert.equal(answer.status, 400, answer.text);
  assert.match(answer.text, /null is no value/);
});
