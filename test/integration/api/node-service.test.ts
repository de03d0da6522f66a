// Each method of NodeService by each way to call it, the ways taken from the descriptors.
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { request as httpsRequest } from "node:https";
import { test } from "node:test";
import {
  create,
  type DescMethod,
  type DescMethodUnary,
  fromJsonString,
  getOption,
  type JsonValue,
  toJson,
} from "@bufbuild/protobuf";
import { Code, ConnectError, createHandlerContext, type HandlerContext } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { generate } from "selfsigned";
import { FailureSchema, NodeService, PeerSchema } from "../../../gen/dswarm/v1/node_pb.ts";
import { http } from "../../../gen/google/api/annotations_pb.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { AnswerSchemas, wholeAnswer } from "./answer-schemas.ts";
import { nodeService, post, send, someId, someKey, startApi, transports } from "./api-server.ts";

/** A request of each method that is not the default, as JSON and as a query. */
const requests: Readonly<Record<string, { json: string; query: string }>> = {
  PingPeers: {
    json: `{"ids":["${someId}","@b"],"count":2,"timeout_ms":5}`,
    query: `ids=${encodeURIComponent(someId)}&ids=%40b&count=2&timeoutMs=5`,
  },
  ListPeers: { json: `{"limit":7}`, query: "limit=7" },
  GetStatus: { json: "{}", query: "" },
  PutValue: { json: `{"value":"aGVsbG8=","key":"${someKey}"}`, query: "" },
  GetValue: { json: `{"key":"${someKey}"}`, query: "" },
  UpdateValue: { json: `{"value":"aGVsbG8=","salt":"YQ==","expectedSequence":"3"}`, query: "" },
  DeleteValue: { json: `{"salt":"YQ==","expectedSequence":"3"}`, query: "" },
  Provide: { json: `{"key":"${someKey}","name":"a b"}`, query: "" },
  Unprovide: { json: `{"key":"${someKey}"}`, query: "" },
  FindProviders: { json: `{"key":"${someKey}","limit":4}`, query: `limit=4&key=${encodeURIComponent(someKey)}` },
  FindKeepers: { json: `{"key":"${someKey}"}`, query: "" },
  Lookup: { json: `{"key":"${someId}"}`, query: "" },
  ListBuckets: { json: "{}", query: "" },
  ListRecords: { json: `{"limit":2,"after":"x y"}`, query: "limit=2&after=x+y" },
  FindPeer: { json: `{"id":"${someId}"}`, query: "" },
  ListServices: { json: `{"id":"${someId}"}`, query: "" },
  DescribeService: { json: `{"service":"a.B"}`, query: "" },
  CheckHealth: { json: `{"id":"${someId}","service":"a.B"}`, query: "service=a.B" },
  ListSwarm: { json: "{}", query: "" },
  AddSwarmNode: { json: "{}", query: "" },
  StopSwarmNode: { json: `{"id":"${someId}"}`, query: "" },
  WatchEvents: { json: `{"past":2}`, query: "past=2" },
  TraceLookup: { json: `{"key":"${someId}"}`, query: "" },
  WatchValue: { json: `{"key":"${someKey}"}`, query: "" },
};

async function expected(method: DescMethodUnary, json: string): Promise<JsonValue> {
  const spec = nodeService().methods[method.localName];
  assert(spec?.kind === "unary");
  const context = createHandlerContext({
    service: NodeService,
    method,
    protocolName: "connect",
    requestMethod: "POST",
    url: "http://localhost/",
  });
  const message = create(method.output, await spec.impl(fromJsonString(method.input, json), context));
  return toJson(method.output, message, { alwaysEmitImplicit: true });
}

/** Sends a request as a binding has it: captures in the path, and only there. */
function sendBinding(port: number, method: string, path: string, body: string, json: string, query: string) {
  const fields: Record<string, JsonValue> = JSON.parse(json);
  const search = new URLSearchParams(query);
  const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = encodeURIComponent(JSON.stringify(fields[name]).slice(1, -1));
    delete fields[name];
    search.delete(name);
    return value;
  });
  if (body !== "*") return send(port, `${url}?${search}`, { method });
  const headers = ["Content-Type", "application/json"];
  return send(port, url, { method, headers, body: JSON.stringify(fields) });
}

function isUnary(method: DescMethod): method is DescMethodUnary & DescMethod {
  return method.methodKind === "unary";
}

for (const method of NodeService.methods.filter(isUnary)) {
  const { json, query } = requests[method.name] ?? assert.fail(`no request for ${method.name} here yet`);
  const rule = getOption(method, http);

  for (const { pattern, body } of [rule, ...rule.additionalBindings]) {
    assert(typeof pattern.value === "string");
    const path = pattern.value;
    test(`${method.name} by ${pattern.case} ${path}`, async (t) => {
      const { port } = await startApi(t, { services: [nodeService()] });
      const answer = await sendBinding(port, pattern.case.toUpperCase(), path, body, json, query);
      assert.equal(answer.status, 200);
      assert.deepEqual(JSON.parse(answer.text), await expected(method, json));
      assert.match(answer.text, /^[^\n]+\n$/);
      assert.equal(answer.headers["content-type"], "application/json; charset=utf-8");
      assert.equal(answer.headers["cache-control"], "no-store");
      assert.equal(answer.headers["x-content-type-options"], "nosniff");
      assert.equal(answer.headers["x-powered-by"], undefined);
    });
  }

  test(`${method.name} by POST of JSON to its full name`, async (t) => {
    const { port } = await startApi(t, { services: [nodeService()] });
    const answer = await post(port, `/api/${NodeService.typeName}/${method.name}`, json);
    assert.equal(answer.status, 200);
    assert.deepEqual(JSON.parse(answer.text), await expected(method, json));
    assert.equal(answer.headers["content-type"], "application/json");
    assert.equal(answer.headers["cache-control"], "no-store");
  });

  for (const [client, makeTransport] of Object.entries(transports)) {
    test(`${method.name} by a client of ${client}`, async (t) => {
      const { url } = await startApi(t, { services: [nodeService()] });
      const transport = makeTransport(url);
      const message = fromJsonString(method.input, json);
      const response = await transport.unary(method, undefined, undefined, undefined, message);
      const answer = toJson(method.output, response.message, { alwaysEmitImplicit: true });
      assert.deepEqual(answer, await expected(method, json));
    });
  }

  test(`${method.name}, where it is not implemented, says so`, async (t) => {
    const { port } = await startApi(t, { services: [nodeService({ [method.localName]: undefined })] });
    const answer = await post(port, `/api/${NodeService.typeName}/${method.name}`, json);
    assert.equal(answer.status, 501);
    assert.equal(JSON.parse(answer.text).code, "unimplemented");
  });
}

test("each answer by each route has the schema of its route in the OpenAPI document, and so has each refusal", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()] });
  const schemas = new AnswerSchemas(JSON.parse((await send(port, "/api/openapi.json")).text));
  for (const method of NodeService.methods) {
    const { json, query } = requests[method.name] ?? assert.fail(`no request for ${method.name} here yet`);
    const rule = getOption(method, http);
    const routes = [rule, ...rule.additionalBindings].flatMap(({ pattern, body }) =>
      typeof pattern.value === "string" ? [{ verb: pattern.case.toUpperCase(), path: pattern.value, body }] : [],
    );
    for (const { verb, path, body } of routes) {
      const good = await sendBinding(port, verb, path, body, json, query);
      assert.equal(good.status, 200, `${verb} ${path}: ${good.text}`);
      schemas.check(verb, path, wholeAnswer(good));
      const bad = await send(port, `${path}?nope=1`, { method: verb });
      assert.equal(bad.status, 400, `${verb} ${path}: ${bad.text}`);
      schemas.check(verb, path, wholeAnswer(bad));
    }
    const full = `/api/${NodeService.typeName}/${method.name}`;
    const enveloped = `\0\0\0\0\x02{}`;
    const answer = isUnary(method)
      ? await post(port, full, json)
      : await post(port, full, enveloped, "application/connect+json");
    assert.equal(answer.status, 200, answer.text);
    schemas.check("POST", full, wholeAnswer(answer));
    schemas.check("POST", full, wholeAnswer(await post(port, full, "{", "text/plain")));
  }
  for (const path of ["/api", "/api/openapi.json", "/healthz", "/metrics", "/api/nope"]) {
    schemas.check("GET", path, wholeAnswer(await send(port, path)));
  }
});

test("an answer that is not as the document has it does not pass", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()] });
  const schemas = new AnswerSchemas(JSON.parse((await send(port, "/api/openapi.json")).text));
  const type = "application/json; charset=utf-8";
  for (const [path, answer] of [
    ["/api/peers", { status: 200, type, body: `{"peers":[],"more":1}` }],
    ["/api/peers", { status: 200, type, body: `{"peers":[{"id":1}]}` }],
    ["/api/peers", { status: 200, type: "text/plain", body: `{"peers":[]}` }],
    ["/api/peers", { status: 400, type, body: `{"code":"odd"}` }],
    ["/api/peers", { status: 400, type, body: `{"code":"not_found","stack":"at"}` }],
    ["/api/peers", { status: 302, type, body: `{"code":"not_found"}` }],
    ["/api/events", { status: 200, type: "application/x-ndjson", body: `{"result":{}}\n{"result":{}` }],
    ["/api/events", { status: 200, type: "application/x-ndjson", body: `{"result":{"number":-1}}\n` }],
    ["/api/events", { status: 200, type: "application/x-ndjson", body: `{"error":{"code":"odd"}}\n` }],
  ] as const) {
    assert.throws(() => schemas.check("GET", path, { ...answer, isCut: false }), assert.AssertionError);
  }
  schemas.check("GET", "/api/peers", { status: 200, type, body: `{"peers":[]}`, isCut: false });
});

test("GET /api lists every route, and each of them exists", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()] });
  const { routes } = JSON.parse((await send(port, "/api")).text);
  assert.deepEqual(
    new Set(routes.flatMap(({ rpc }: { rpc?: string }) => rpc ?? [])),
    new Set(NodeService.methods.map(({ name }) => `dswarm.v1.NodeService/${name}`)),
  );
  assert.equal(routes.length, 61);
  for (const { method, path, kind } of routes) {
    const isStream = method === "POST" && kind === "server_streaming";
    const headers = ["Content-Type", isStream ? "application/connect+json" : "application/json"];
    const body = isStream ? "\0\0\0\0\x02{}" : "{}";
    const url = path.replaceAll(/\{\w+\}/g, "k1");
    const isBare = method === "GET" || method === "DELETE";
    const answer = await send(port, url, isBare ? { method } : { method, headers, body });
    assert.equal(answer.status, 200, `${method} ${path}`);
  }
});

const thrown: [unknown, number, { code: string; message?: string; reason?: string }][] = [
  [
    new DswarmError("peer_unknown", "@a"),
    404,
    { code: "not_found", message: "no address is known for the peer: @a", reason: "peer_unknown" },
  ],
  [
    new DswarmError("peer_not_allowed").toConnectError(),
    403,
    { code: "permission_denied", message: "the peer is not allowed", reason: "peer_not_allowed" },
  ],
  [
    new ConnectError("count is 1 to 20", Code.InvalidArgument, { "set-cookie": "a=b" }),
    400,
    { code: "invalid_argument", message: "count is 1 to 20" },
  ],
  [new ConnectError("", Code.Unavailable), 503, { code: "unavailable" }],
  // 401 is for the node's own token.
  [new ConnectError("who is it?", Code.Unauthenticated), 403, { code: "unauthenticated", message: "who is it?" }],
  [
    new DswarmError("authentication_failed"),
    403,
    {
      code: "unauthenticated",
      message: "the peer does not hold the expected key, or refuses ours",
      reason: "authentication_failed",
    },
  ],
  [new ConnectError("half \ud800", Code.NotFound), 404, { code: "not_found", message: "half \ufffd" }],
  [new TypeError("secret"), 500, { code: "internal", message: "internal error" }],
  [
    new ConnectError("odd", Code.NotFound, undefined, [{ desc: PeerSchema, value: { sharedBits: -1 } }]),
    500,
    { code: "internal", message: "internal error" },
  ],
  ["route", 500, { code: "internal", message: "internal error" }],
  [undefined, 500, { code: "internal", message: "internal error" }],
];

for (const [error, status, json] of thrown) {
  const { code, reason, message = "" } = json;

  test(`an implementation that throws ${String(error)} gives ${status} by every way`, async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const { port, url, counters, errors } = await startApi(t, {
      services: [nodeService({ pingPeers: () => Promise.reject(error) })],
    });
    const short = [await send(port, "/api/ping"), await post(port, "/api/ping", "{}")];
    for (const answer of short) {
      assert.equal(answer.headers["content-type"], "application/json; charset=utf-8");
      assert.deepEqual(JSON.parse(answer.text), json);
    }
    const connect = [
      await post(port, "/api/dswarm.v1.NodeService/PingPeers", "{}"),
      await post(port, "/api/dswarm.v1.NodeService/PingPeers", "", "application/proto"),
    ];
    for (const answer of connect) {
      assert.equal(answer.headers["content-type"], "application/json");
      const { details, ...rest } = JSON.parse(answer.text);
      assert.deepEqual({ ...rest, ...(reason === undefined ? {} : { reason }) }, json);
      assert.deepEqual(
        details?.[0].debug,
        reason === undefined ? undefined : { code, message, reason, fromPeer: false },
      );
    }
    for (const answer of [...short, ...connect]) {
      assert.equal(answer.status, status);
      assert.equal(answer.headers["set-cookie"], undefined);
    }
    for (const makeTransport of Object.values(transports)) {
      const call = makeTransport(url).unary(NodeService.method.pingPeers, undefined, undefined, undefined, {});
      const failure = await call.catch((caught: unknown) => caught);
      assert(failure instanceof ConnectError);
      assert.equal(codeToString(failure.code), code);
      assert.equal(failure.rawMessage, message);
      assert.equal(failure.metadata.get("set-cookie"), null);
      assert.equal(failure.findDetails(FailureSchema)[0]?.reason, reason);
    }
    const calls = short.length + connect.length + Object.keys(transports).length;
    assert.deepEqual(
      errors.map(({ event, rpc, err }) => ({ event, rpc, err })),
      Array.from({ length: status === 500 ? calls : 0 }, () => ({
        event: "api_fault",
        rpc: "rpc dswarm.v1.NodeService.PingPeers",
        err: error,
      })),
    );
    assert.equal(counters.get(`api.errors.${code}`), calls);
    assert.equal(counters.get("api.requests"), calls);
    assert.equal(print.mock.callCount(), 0);
  });
}

test("an answer that does not encode is a bug, and tells nothing", async (t) => {
  const broken = JSON.parse(`{"peers":[{"id":"secret","sharedBits":"x"}]}`);
  const { port, url, errors } = await startApi(t, { services: [nodeService({ listPeers: () => broken })] });
  for (const answer of [
    await send(port, "/api/peers"),
    await post(port, "/api/dswarm.v1.NodeService/ListPeers", "{}"),
    await post(port, "/api/dswarm.v1.NodeService/ListPeers", "", "application/proto"),
  ]) {
    assert.equal(answer.status, 500);
    assert.equal(answer.text.trim(), `{"code":"internal","message":"internal error"}`);
  }
  for (const makeTransport of Object.values(transports)) {
    const call = makeTransport(url).unary(NodeService.method.listPeers, undefined, undefined, undefined, {});
    await assert.rejects(call, { name: "ConnectError", code: Code.Internal, rawMessage: "internal error" });
  }
  assert.equal(errors.length, 3 + Object.keys(transports).length);
});

test("a header that HTTP does not allow is a bug, and gets an answer", async (t) => {
  const print = t.mock.method(console, "error", () => {});
  for (const fails of [false, true]) {
    const getStatus = (_: unknown, { responseHeader }: HandlerContext): object => {
      responseHeader.set("X-Odd", "a\u0001b");
      if (fails) throw new ConnectError("no", Code.NotFound);
      return {};
    };
    const { port, errors } = await startApi(t, { services: [nodeService({ getStatus })] });
    const types = ["application/json", "application/grpc-web+json"];
    const bodies = ["{}", "\0\0\0\0\x02{}"];
    for (const [i, type] of types.entries()) {
      const answer = await post(port, "/api/dswarm.v1.NodeService/GetStatus", bodies[i] ?? "", type);
      assert.equal(answer.status, 500);
      assert.equal(answer.text, `{"code":"internal","message":"internal error"}\n`);
    }
    assert.equal(errors.length, 2);
  }
  assert.equal(print.mock.callCount(), 0);
});

test("an id may be pasted into a query as it is", async (t) => {
  const id = NodeId.fromBytes(Buffer.alloc(32, Uint8Array.of(0xfb, 0xef, 0xbe)));
  const services = [
    nodeService({ pingPeers: ({ ids }) => ({ results: ids.map((each) => ({ id: NodeId.parse(each).toString() })) }) }),
  ];
  const { port } = await startApi(t, { services });
  const text = id.toString();
  assert.match(text, /^@[+]+\S*=$/);
  const pasted = [text, encodeURIComponent(text), text.replace("@", "%40"), text.replace("+", "%2B"), id.toBase64url()];
  for (const each of pasted) {
    const answer = await send(port, `/api/ping?ids=${each}&ids=${text}`);
    assert.equal(answer.status, 200, answer.text);
    const { results }: { results: { id: string }[] } = JSON.parse(answer.text);
    assert.deepEqual(
      results.map((result) => result.id),
      [text, text],
    );
  }
});

test("an implementation sees the headers of the request and sets those of the answer", async (t) => {
  const services = [
    nodeService({
      getStatus: (_, { requestHeader, responseHeader }) => {
        responseHeader.set("X-Seen", requestHeader.get("X-Sent") ?? "nothing");
        return {};
      },
    }),
  ];
  const { port } = await startApi(t, { services });
  const headers = ["X-Sent", "a", "X-Sent", "b", "Content-Type", "application/json"];
  for (const path of ["/api/status", "/api/dswarm.v1.NodeService/GetStatus"]) {
    const answer = await send(port, path, { method: "POST", headers, body: "{}" });
    assert.equal(answer.headers["x-seen"], "a, b");
  }
});

test("requests follow one another on one connection", async (t) => {
  const { port, url } = await startApi(t, { services: [nodeService()] });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ports = new Set<number | undefined>();
  for (const path of ["/api/ping", "/api/nope", "/api/status?x=1", "/api/peers"]) {
    const outgoing = get(`${url}${path}`, { agent });
    const [incoming] = await once(outgoing, "response");
    ports.add(incoming.socket.localPort);
    incoming.resume();
    await once(incoming, "close");
  }
  assert.equal(ports.size, 1);
  assert.equal((await send(port, "/api/ping")).status, 200);
});

test("a hundred pings at once pass", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()] });
  const answers = await Promise.all(Array.from({ length: 100 }, () => send(port, "/api/ping")));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
});

test("serves over TLS, where Origin is of https", async (t) => {
  const { private: key, cert } = await generate([{ name: "commonName", value: "test" }], { keyType: "ec" });
  const { port, url } = await startApi(t, { services: [nodeService()] }, { key, cert });
  for (const [origin, status] of [
    [url, 200],
    [url.replace("https", "http"), 403],
    [`https://localhost:${port}`, 403],
  ] as const) {
    const outgoing = httpsRequest(`${url}/api/status`, {
      ca: cert,
      checkServerIdentity: () => undefined,
      headers: { origin },
      agent: false,
    });
    outgoing.end();
    const [incoming] = await once(outgoing, "response");
    incoming.resume();
    assert.equal(incoming.statusCode, status);
  }
});
