// Requests that deserve no answer but an error: each gets the right one as JSON, nothing reaches the console or the log of
// errors, and the server goes on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import express from "express";
import { FaultReporter } from "../../../src/api/fault.ts";
import { resolveApiOptions } from "../../../src/api/options.ts";
import { addRoutes, shortRoutes } from "../../../src/api/routes.ts";
import { sampleService } from "../../unit/api/sample-service.ts";
import { type Answer, nodeService, post, send, sendRaw, startApi } from "./api-server.ts";

const echo = "/api/echo";
const connectEcho = "/api/sample.v1.SampleService/Echo";
const connectCount = "/api/sample.v1.SampleService/Count";
const nested = 150_000;
const tooLarge = "x".repeat(1_048_577);

type Send = (port: number) => Promise<Answer>;

const asPut = (path: string, headers: readonly string[], body: string | Uint8Array): Send => {
  return (port) => send(port, path, { method: "POST", headers, body });
};

const cases: [string, Send, number, RegExp][] = [
  ["unknown path", (port) => send(port, "/api/nope"), 404, /not_found.*GET \/api/],
  ["path beyond /api", (port) => send(port, "/"), 404, /not_found/],
  ["path in capitals", (port) => send(port, "/API/echo"), 404, /not_found/],
  ["path that climbs", (port) => send(port, "/api/../api/echo"), 404, /not_found/],
  ["unknown service", (port) => post(port, "/api/sample.v1.Nope/Echo", "{}"), 404, /"unimplemented".*no such method/],
  [
    "unknown method of a service",
    (port) => post(port, "/api/sample.v1.SampleService/Nope", "{}"),
    404,
    /"unimplemented".*no such method/,
  ],
  ["service without its package", (port) => post(port, "/api/SampleService/Echo", "{}"), 404, /not_found/],
  ["percent-encoding in a fixed path", (port) => send(port, "/api/%ff"), 404, /not_found/],
  ["percent-encoding in a capture", (port) => send(port, "/api/things/%ff"), 400, /percent-encoded/],
  ["truncated percent-encoding in a capture", (port) => send(port, "/api/things/%e2%8"), 400, /percent-encoded/],
  ["percent-encoding in a query", (port) => send(port, `${echo}?text=%ff`), 400, /percent-encoded/],
  ["unknown query parameter", (port) => send(port, `${echo}?nope=1`), 400, /nope/],
  ["query parameter of another type", (port) => send(port, `${echo}?maybe=many`), 400, /Sample.maybe/],
  ["query parameter given twice", (port) => send(port, `${echo}?text=a&text=b`), 400, /text.*twice/],
  ["query beside a body", (port) => post(port, `${echo}?text=a`, "{}"), 400, /text.*body/],
  ["DELETE of a GET", (port) => send(port, echo, { method: "DELETE" }), 405, /DELETE/],
  ["TRACE", (port) => send(port, echo, { method: "TRACE" }), 405, /TRACE/],
  ["PROPFIND", (port) => send(port, "/api", { method: "PROPFIND" }), 405, /PROPFIND/],
  ["GET of a method with effects", (port) => send(port, `${connectEcho}?encoding=json&message=%7B%7D`), 405, /GET/],
  ["form", (port) => post(port, echo, "text=a", "application/x-www-form-urlencoded"), 415, /--json/],
  ["text", (port) => post(port, echo, "{}", "text/plain"), 415, /application\/json/],
  ["no content type", (port) => send(port, echo, { method: "POST", body: "{}" }), 415, /application\/json/],
  ["another charset", (port) => post(port, echo, "{}", "application/json; charset=utf-16"), 415, /UTF-8/],
  ["JSON that is no UTF-8", (port) => post(port, echo, Buffer.from([0x22, 0xff, 0x22])), 400, /UTF-8/],
  ["truncated JSON", (port) => post(port, echo, `{"text":"a"`), 400, /JSON/],
  ["JSON that is no object", (port) => post(port, echo, "[1]"), 400, /Sample/],
  ["unknown field", (port) => post(port, echo, `{"nope":1}`), 400, /nope/],
  ["unknown field within", (port) => post(port, echo, `{"inner":{"nope":1}}`), 400, /nope/],
  ["field of another type", (port) => post(port, echo, `{"text":{"a":1}}`), 400, /Sample.text/],
  ["field given twice", (port) => post(port, echo, `{"text":"a","text":"b"}`), 400, /duplicate.*text/],
  ["null byte", (port) => post(port, echo, `{"text":"a"}\0`), 400, /JSON/],
  ["deeply nested arrays", (port) => post(port, echo, "[".repeat(nested) + "]".repeat(nested)), 400, /levels/],
  [
    "deeply nested objects",
    (port) => post(port, echo, `{"x":`.repeat(nested) + "1" + "}".repeat(nested)),
    400,
    /levels/,
  ],
  ["body over the limit", (port) => post(port, echo, tooLarge), 413, /1048576/],
  [
    "body over the limit in chunks",
    asPut(echo, ["Content-Type", "application/json", "Transfer-Encoding", "chunked"], tooLarge),
    413,
    /1048576/,
  ],
  [
    "gzip bomb",
    asPut(echo, ["Content-Type", "application/json", "Content-Encoding", "gzip"], gzipSync(" ".repeat(50_000_000))),
    415,
    /"unimplemented".*compressed/,
  ],
  [
    "unknown encoding",
    asPut(echo, ["Content-Type", "application/json", "Content-Encoding", "x"], "{}"),
    415,
    /"unimplemented".*compressed/,
  ],
  ["Connect: text", (port) => post(port, connectEcho, "{}", "text/plain"), 415, /application\/json or/],
  [
    "Connect: no content type",
    (port) => send(port, connectEcho, { method: "POST", body: "{}" }),
    415,
    /application\/json or/,
  ],
  [
    "Connect: stream type for one message",
    (port) => post(port, connectEcho, "{}", "application/connect+json"),
    415,
    /content type/,
  ],
  ["Connect: gRPC", (port) => post(port, connectEcho, "", "application/grpc"), 415, /content type/],
  ["Connect: empty JSON", (port) => post(port, connectEcho, ""), 400, /JSON/],
  ["Connect: truncated JSON", (port) => post(port, connectEcho, "{"), 400, /JSON/],
  ["Connect: unknown field", (port) => post(port, connectEcho, `{"nope":1}`), 400, /nope/],
  ["Connect: field given twice", (port) => post(port, connectEcho, `{"text":"a","text":"b"}`), 400, /duplicate.*text/],
  [
    "Connect: deeply nested objects",
    (port) => post(port, connectEcho, `{"x":`.repeat(nested) + "1" + "}".repeat(nested)),
    400,
    /levels/,
  ],
  [
    "Connect: no protobuf",
    (port) => post(port, connectEcho, Buffer.from([0x0a, 0xff]), "application/proto"),
    400,
    /invalid_argument/,
  ],
  ["Connect: body over the limit", (port) => post(port, connectEcho, tooLarge), 413, /1048576/],
  [
    "Connect: over the limit in chunks",
    asPut(connectEcho, ["Content-Type", "application/proto", "Transfer-Encoding", "chunked"], tooLarge),
    413,
    /1048576/,
  ],
  [
    "Connect: gzip bomb",
    asPut(
      connectEcho,
      ["Content-Type", "application/proto", "Content-Encoding", "gzip"],
      gzipSync(" ".repeat(50_000_000)),
    ),
    415,
    /"unimplemented".*compressed/,
  ],
  [
    "Connect: bad timeout",
    asPut(connectEcho, ["Content-Type", "application/json", "Connect-Timeout-Ms", "soon"], "{}"),
    400,
    /timeout/,
  ],
  [
    "Connect: bad message in a GET",
    (port) => send(port, "/api/sample.v1.SampleService/Peek?encoding=json&message=%7B"),
    400,
    /JSON/,
  ],
  ["Connect: GET without a message", (port) => send(port, "/api/sample.v1.SampleService/Peek"), 415, /content type/],
  [
    "Connect: GET of a compressed message",
    (port) => send(port, "/api/sample.v1.SampleService/Peek?encoding=json&compression=gzip&base64=1&message=AA"),
    415,
    /"unimplemented".*gzip/,
  ],
  [
    "Connect: JSON that is no UTF-8",
    (port) => post(port, connectEcho, Buffer.from(`{"text":"\xff"}`, "latin1")),
    400,
    /utf-8/,
  ],
  ["Connect: form", (port) => post(port, connectEcho, "text=a", "application/x-www-form-urlencoded"), 415, /json/],
  ["Connect: JSON for a stream", (port) => post(port, connectCount, "{}"), 415, /connect\+json/],
  ["GET of a stream by its full name", (port) => send(port, connectCount), 405, /GET/],
  ["gRPC-Web in base64", (port) => post(port, connectEcho, "AAAA", "application/grpc-web-text"), 415, /content type/],
];

for (const [what, request, status, text] of cases) {
  test(`${what} gives ${status}`, async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const { port, errors, counters } = await startApi(t, { services: [sampleService(), nodeService()] });
    const answer = await request(port);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.text, text);
    assert.match(answer.text, /^\{"code":"[a-z_]+","message":"[^\n]{1,1000}"\}\n$/);
    assert.equal(answer.headers["content-type"], "application/json; charset=utf-8");
    assert.equal(answer.headers["cache-control"], "no-store");
    assert.doesNotMatch(answer.text, /\.ts\b|node_modules|    at /);
    const { code }: { code?: string } = JSON.parse(answer.text);
    assert.equal(counters.get(`api.errors.${code}`), 1);
    assert.deepEqual(errors, []);
    assert.equal(print.mock.callCount(), 0);
    assert.equal((await send(port, "/api/ping")).status, 200);
  });
}

test("405 lists what is possible, and OPTIONS does too", async (t) => {
  const { port } = await startApi(t, { services: [sampleService()] });
  const paths = {
    "/api": "GET, HEAD, OPTIONS",
    "/api/echo": "GET, HEAD, POST, OPTIONS",
    "/api/things/x": "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
    "/api/things/batch": "POST, GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
    "/api/sample.v1.SampleService/Echo": "POST, OPTIONS",
    "/api/sample.v1.SampleService/Peek": "POST, GET, HEAD, OPTIONS",
  };
  for (const [path, allow] of Object.entries(paths)) {
    const answer = await send(port, path, { method: "REPORT" });
    assert.equal(answer.status, 405);
    assert.equal(answer.headers["allow"], allow, path);
    const options = await send(port, path, { method: "OPTIONS" });
    assert.equal(options.status, 204);
    assert.equal(options.headers["allow"], allow);
    assert.equal(options.text, "");
  }
  assert.equal((await send(port, "/api/nope", { method: "OPTIONS" })).status, 404);
});

function textOf(answer: Answer): unknown {
  return JSON.parse(answer.text).text;
}

test("a literal path is tried before a capture, and each verb finds its own", async (t) => {
  const { port } = await startApi(t, { services: [sampleService()] });
  assert.equal(textOf(await send(port, "/api/things/batch")), "batch");
  assert.equal(textOf(await post(port, "/api/things/batch", `{"text":"body"}`)), "body");
  assert.equal(textOf(await send(port, "/api/things/a%2Fb%00%20c")), "a/b\0 c");
  assert.equal(textOf(await send(port, "/api/things/x", { method: "DELETE" })), "x");
});

test("HEAD has the headers of GET and no body", async (t) => {
  const { port } = await startApi(t, { services: [sampleService()] });
  for (const path of [
    "/api",
    "/api/echo?text=a",
    "/api/nope",
    "/api/sample.v1.SampleService/Peek?encoding=json&message=%7B%7D",
  ]) {
    const got = await send(port, path);
    const head = await send(port, path, { method: "HEAD" });
    assert.equal(head.status, got.status);
    assert.equal(head.headers["content-length"], got.headers["content-length"]);
    assert.equal(head.text, "");
  }
});

test("a POST without a body is one of an empty message", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()] });
  const answer = await send(port, "/api/peers", { method: "POST" });
  assert.equal(answer.text, `{"peers":[]}\n`);
});

test("a body of exactly the limit passes", async (t) => {
  const { port } = await startApi(t, { services: [sampleService()], maxBodyBytes: 20 });
  assert.equal((await post(port, echo, `{"text":"12345678"}`.padEnd(20))).status, 200);
  assert.equal((await post(port, echo, `{"text":"12345678"}`.padEnd(21))).status, 413);
  assert.equal((await post(port, connectEcho, `{"text":"12345678"}`.padEnd(20))).status, 200);
  assert.equal((await post(port, connectEcho, `{"text":"12345678"}`.padEnd(21))).status, 413);
});

test("a message over the limit in a query gives 413", async (t) => {
  const { port } = await startApi(t, { services: [sampleService()], maxBodyBytes: 20 });
  const message = encodeURIComponent(`{"text":"12345678"}`.padEnd(21));
  assert.equal((await send(port, `/api/sample.v1.SampleService/Peek?encoding=json&message=${message}`)).status, 413);
});

test("a method that streams both ways says that it needs HTTP/2", async (t) => {
  const { port, errors } = await startApi(t, { services: [sampleService()] });
  const answer = await post(port, "/api/sample.v1.SampleService/Chat", "\0\0\0\0\x02{}", "application/connect+json");
  assert.equal(answer.status, 505);
  assert.equal(answer.text, `{"code":"unimplemented","message":"this method needs HTTP/2"}\n`);
  assert.deepEqual(errors, []);
});

test("what is sent too much is thrown away, and the connection goes on", { timeout: 60_000 }, async (t) => {
  const { port } = await startApi(t, { services: [sampleService()] });
  const sent: [string, string, string][] = [
    [echo, "application/json", "{"],
    [connectEcho, "application/json", "{"],
    [connectEcho, "application/grpc-web+json", "\0\xff\xff\xff\xff"],
    [connectCount, "application/connect+json", "\0\xff\xff\xff\xff"],
    [connectCount, "application/json", "{"],
    ["/api/sample.v1.SampleService/Upload", "application/connect+json", "\0\0\0\0\x02{}\xff\xff\xff\xff\xff"],
  ];
  for (const [path, type, body] of sent) {
    const request = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 5000000\r\n\r\n`;
    const next = `GET /api/things/next HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    const answers = await sendRaw(port, request + body.padEnd(5_000_000) + next);
    assert.match(
      answers,
      /(413|415|resource_exhausted|grpc-status: 8).*HTTP\/1\.1 200 OK.*"text":"next"/s,
      path + type,
    );
  }
});

test("a query longer than Node's header limit gives an error and nothing else", async (t) => {
  const { port, counters } = await startApi(t, { services: [sampleService()] });
  const answer = await sendRaw(port, `GET ${echo}?text=${"x".repeat(100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 431 /);
  assert.equal(counters.get("api.requests"), 0);
  assert.equal((await send(port, `${echo}?text=${"x".repeat(10_000)}`)).status, 200);
});

test("two services that want the same path are refused", () => {
  const config = resolveApiOptions({ services: [nodeService(), nodeService()] });
  const reporter = new FaultReporter(config.counters, config.logger);
  assert.throws(() => addRoutes(express(), shortRoutes(config, reporter), reporter), /two methods want [A-Z]+ \/api\//);
});

test("a stream of Connect's protocol that is compressed ends with unimplemented", async (t) => {
  const { port } = await startApi(t, { services: [sampleService()] });
  const headers = ["Content-Type", "application/connect+json", "Connect-Content-Encoding", "gzip"];
  const answer = await asPut(connectCount, headers, gzipSync("{}"))(port);
  assert.equal(answer.status, 200);
  assert.match(answer.text, /"code":"unimplemented"/);
});
