// What goes through the gateway besides plain messages: Any and extensions, metadata, deadlines, streams of requests. The peer has
// no port, so that the node reaches it by the connection alone that the peer itself opened.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import type { JsonObject, Message } from "@bufbuild/protobuf";
import { file_google_protobuf_any } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { callerKey } from "../../../src/index.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { AnswerSchemas, wholeAnswer } from "../api/answer-schemas.ts";
import { dialIn, filesOf, implementation, serviceIn, tell } from "./dialed-peer.ts";
import { apiJson, send, startNode, testNetwork, until } from "./rig.ts";

const odd = "odd.v1.OddService";
const optional = { label: "LABEL_OPTIONAL" };

function method(name: string, more: JsonObject = {}): JsonObject {
  return { name, inputType: ".odd.v1.Box", outputType: ".odd.v1.Box", ...more };
}

const schema = filesOf(
  {
    name: "odd/legacy.proto",
    package: "odd.v1",
    messageType: [{ name: "Legacy", extensionRange: [{ start: 100, end: 200 }] }],
    extension: [
      { name: "note", number: 100, extendee: ".odd.v1.Legacy", type: "TYPE_STRING", jsonName: "note", ...optional },
    ],
  },
  { name: "google/protobuf/any.proto", ...anyFile() },
  {
    name: "odd/odd.proto",
    package: "odd.v1",
    syntax: "proto3",
    dependency: ["odd/legacy.proto", "google/protobuf/any.proto"],
    messageType: [
      { name: "Inside", field: [{ name: "text", number: 1, type: "TYPE_STRING", jsonName: "text", ...optional }] },
      {
        name: "Box",
        field: [
          {
            name: "any",
            number: 1,
            type: "TYPE_MESSAGE",
            typeName: ".google.protobuf.Any",
            jsonName: "any",
            ...optional,
          },
          {
            name: "legacy",
            number: 2,
            type: "TYPE_MESSAGE",
            typeName: ".odd.v1.Legacy",
            jsonName: "legacy",
            ...optional,
          },
          { name: "count", number: 3, type: "TYPE_UINT32", jsonName: "count", ...optional },
        ],
      },
    ],
    service: [
      {
        name: "OddService",
        method: [
          method("Echo"),
          method("Repeat", { serverStreaming: true }),
          method("Collect", { clientStreaming: true }),
          method("Converse", { clientStreaming: true, serverStreaming: true }),
        ],
      },
    ],
  },
);

function anyFile(): JsonObject {
  return {
    package: file_google_protobuf_any.proto.package,
    syntax: "proto3",
    messageType: [
      {
        name: "Any",
        field: [
          { name: "type_url", number: 1, type: "TYPE_STRING", jsonName: "typeUrl", ...optional },
          { name: "value", number: 2, type: "TYPE_BYTES", jsonName: "value", ...optional },
        ],
      },
    ],
  };
}

type Box = Message & { count: number };

interface Seen {
  readonly headers: Headers[];
  readonly timeouts: (number | undefined)[];
  readonly requests: number[];
  aborted: number;
}

/** A node, and a peer that serves the odd service: what it saw, and how to call it. */
async function withOddPeer(t: TestContext) {
  const network = await testNetwork();
  const node = await startNode(t, { network: network.network, discovery: false });
  const peer = await dialIn(t, node, network.network);
  await until("the node has the connection", () => node.isConnected(peer.id));
  const seen: Seen = { headers: [], timeouts: [], requests: [], aborted: 0 };
  const note = ({ requestHeader, responseHeader, responseTrailer, signal, timeoutMs }: HandlerContext): void => {
    seen.headers.push(requestHeader);
    seen.timeouts.push(timeoutMs());
    signal.addEventListener("abort", () => {
      seen.aborted += 1;
    });
    responseHeader.set("greeting", "hello");
    responseHeader.set("set-cookie", "stolen=1");
    responseHeader.set("blob-bin", "AQID");
    responseTrailer.set("farewell", "bye");
  };
  tell(peer, () => schema, [odd]);
  peer.registry.serve(
    serviceIn(schema, odd),
    implementation({
      echo: (box: Box, context: HandlerContext) => {
        note(context);
        if (box.count === 13) throw new ConnectError("thirteen", Code.Unauthenticated, { why: "superstition" });
        if (box.count === 14) throw new ConnectError("broken", Code.Internal);
        return box;
      },
      async *repeat(box: Box, context: HandlerContext) {
        note(context);
        for (let i = 0; i < box.count; i++) yield { ...box, count: i };
        if (box.count > 2) throw new ConnectError("too many", Code.OutOfRange, { why: "greed" });
      },
      async collect(boxes: AsyncIterable<Box>, context: HandlerContext) {
        note(context);
        let count = 0;
        for await (const box of boxes) {
          seen.requests.push(box.count);
          count += box.count;
          if (box.count === 13) throw new ConnectError("thirteen", Code.Aborted);
        }
        return { count };
      },
      async *converse(boxes: AsyncIterable<Box>, context: HandlerContext) {
        note(context);
        for await (const box of boxes) {
          seen.requests.push(box.count);
          if (box.count === 13) throw new ConnectError("thirteen", Code.Aborted);
          yield box;
        }
        yield { count: 1000 };
      },
    }),
  );
  const path = (name: string) => `/api/peers/${peer.id.toBase64url()}/${odd}/${name}`;
  const schemas = new AnswerSchemas(await apiJson(node.port, "/api/openapi.json"));
  const call = async (name: string, body: string, headers: Record<string, string> = {}) => {
    const options = { method: "POST", headers: { "Content-Type": "application/json", ...headers } };
    const answer = await send(node.port, path(name), options, body);
    schemas.check("POST", path(name), wholeAnswer(answer));
    return answer;
  };
  return { node, peer, seen, path, call };
}

const linesType = { "Content-Type": "application/x-ndjson" };

function jsonLines(text: string): unknown[] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** A request whose body is still open, and the lines of its answer. */
class OpenCall {
  readonly outgoing: ClientRequest;
  readonly #lines: string[] = [];
  #incoming: IncomingMessage | undefined;
  isEnded = false;

  constructor(port: number, path: string, headers: Record<string, string> = linesType) {
    const options = { host: "127.0.0.1", port, path, method: "POST", headers, agent: false, rejectUnauthorized: false };
    this.outgoing = request(options);
    this.outgoing.on("error", () => undefined);
    this.outgoing.on("response", (incoming) => {
      this.#incoming = incoming;
      incoming.on("error", () => undefined);
      const reader = createInterface({ input: incoming });
      reader.on("line", (line) => this.#lines.push(line)).on("error", () => undefined);
      incoming.on("close", () => {
        this.isEnded = true;
      });
    });
  }

  get status(): number | undefined {
    return this.#incoming?.statusCode;
  }

  send(json: object): void {
    this.outgoing.write(`${JSON.stringify(json)}\n`);
  }

  async line(number: number): Promise<JsonObject> {
    await until(`line ${number} has come`, () => this.#lines.length > number || this.isEnded);
    return JSON.parse(this.#lines[number] ?? assert.fail(`there are ${this.#lines.length} lines`));
  }
}

test("Any and extensions go in and out by the peer's own types, and the well-known ones", async (t) => {
  const { call } = await withOddPeer(t);
  for (const body of [
    { any: { "@type": "type.googleapis.com/odd.v1.Inside", text: "hi" }, count: 1 },
    { any: { "@type": "type.googleapis.com/google.protobuf.Duration", value: "1.500s" }, count: 2 },
    { any: { "@type": "type.googleapis.com/google.protobuf.Struct", value: { a: [1, null, { b: "c" }] } }, count: 3 },
    { legacy: { "[odd.v1.note]": "kept" }, count: 4 },
  ]) {
    const answer = await call("Echo", JSON.stringify(body));
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(JSON.parse(answer.text), body);
    const lines = await call("Repeat", JSON.stringify({ ...body, count: 1 }));
    assert.deepEqual(jsonLines(lines.text)[0], { result: { ...body, count: 0 } });
  }
  const unknown = await call("Echo", `{"any":{"@type":"type.googleapis.com/no.such.Type","text":"hi"}}`);
  assert.equal(unknown.status, 400);
  assert.match(JSON.parse(unknown.text).message, /no\.such\.Type/);
  assert.equal(JSON.parse(unknown.text).fromPeer, undefined);
});

test("metadata goes in and out under prefixes; no other header reaches the peer or comes from it", async (t) => {
  const { call, seen } = await withOddPeer(t);
  const answer = await call("Echo", "{}", {
    Authorization: "Bearer of-the-api",
    Cookie: "a=b",
    "X-Forwarded-For": "10.0.0.1",
    "Grpc-Metadata-Authorization": "Bearer of-the-peer",
    "Grpc-Metadata-Some.Thing": "a, b",
    "Grpc-Metadata-Data-Bin": "/+8=",
  });
  assert.equal(answer.status, 200, answer.text);
  const [headers = new Headers()] = seen.headers;
  for (const name of ["content-type", "user-agent"]) headers.delete(name);
  assert.deepEqual(Object.fromEntries(headers), {
    authorization: "Bearer of-the-peer",
    "data-bin": "/+8",
    "some.thing": "a, b",
  });
  assert.equal(answer.headers["grpc-metadata-greeting"], "hello");
  assert.equal(answer.headers["grpc-metadata-blob-bin"], "AQID");
  assert.equal(answer.headers["grpc-metadata-set-cookie"], "stolen=1");
  assert.equal(answer.headers["grpc-trailer-farewell"], "bye");
  assert.equal(answer.headers["set-cookie"], undefined);
  for (const [name, value] of [
    ["Grpc-Metadata-", "x"],
    ["Grpc-Metadata-a!b", "x"],
    ["Grpc-Metadata-a-bin", "%%%"],
    ["Grpc-Metadata-a", "\u00e9"],
  ] as const) {
    const refused = await call("Echo", "{}", { [name]: value });
    assert.equal(refused.status, 400, `${name}: ${refused.text}`);
  }
  const large = await call("Echo", "{}", { "Grpc-Metadata-a": "x".repeat(15_000), "Grpc-Metadata-b-bin": "" });
  assert.equal(large.status, 200, large.text);
});

test("trailers of a stream are in its last line or event, those of an error with it", async (t) => {
  const { call } = await withOddPeer(t);
  const metadata = { farewell: ["bye"] };
  const lines = await call("Repeat", `{"count":1}`);
  assert.equal(lines.headers["grpc-metadata-greeting"], "hello");
  assert.deepEqual(jsonLines(lines.text), [{ result: { count: 0 } }, { metadata }]);
  const events = await call("Repeat", `{"count":1}`, { Accept: "text/event-stream" });
  assert.equal(events.text, `data: {"count":0}\n\nid: end\nevent: end\ndata: ${JSON.stringify({ metadata })}\n\n`);
  const failed = jsonLines((await call("Repeat", `{"count":3}`)).text).at(-1) as JsonObject;
  assert.deepEqual(failed["error"], { code: "out_of_range", message: "too many", fromPeer: true });
  assert.deepEqual((failed["metadata"] as JsonObject)["why"], ["greed"]);
  const unary = await call("Echo", `{"count":13}`);
  // 401 would ask for a token of the node.
  assert.equal(unary.status, 403);
  assert.deepEqual(JSON.parse(unary.text), { code: "unauthenticated", message: "thirteen", fromPeer: true });
  assert.equal(unary.headers["grpc-trailer-why"], "superstition");
  assert.equal(unary.headers["www-authenticate"], undefined);
});

test("a fault of the peer is 502 and never 500", async (t) => {
  const { call } = await withOddPeer(t);
  const answer = await call("Echo", `{"count":14}`);
  assert.equal(answer.status, 502);
  assert.deepEqual(JSON.parse(answer.text), { code: "internal", message: "broken", fromPeer: true });
});

test("the time that a call may take reaches the peer", async (t) => {
  const { call, seen } = await withOddPeer(t);
  for (const name of ["Echo", "Repeat", "Collect", "Converse"]) {
    assert.equal((await call(name, "{}", { "Connect-Timeout-Ms": "5000" })).status, 200);
  }
  assert.equal(seen.timeouts.length, 4);
  for (const timeoutMs of seen.timeouts) assert.ok(timeoutMs !== undefined && timeoutMs > 0 && timeoutMs <= 5000);
});

test("requests that stream are sent as lines or an array, and answers come as of a server stream", async (t) => {
  const { call } = await withOddPeer(t);
  const three = `{"count":1}\n\n{"count":2}\r\n{"count":3}`;
  for (const [body, headers] of [
    [three, linesType],
    [`[{"count":1},{"count":2},{"count":3}]`, {}],
  ] as const) {
    const collected = await call("Collect", body, headers);
    assert.equal(collected.status, 200, collected.text);
    assert.deepEqual(JSON.parse(collected.text), { count: 6 });
    assert.equal(collected.headers["grpc-trailer-farewell"], "bye");
    const talked = await call("Converse", body, headers);
    assert.deepEqual(
      jsonLines(talked.text)
        .slice(0, -1)
        .map((line) => (line as { result: Box }).result.count),
      [1, 2, 3, 1000],
    );
  }
  assert.deepEqual(JSON.parse((await call("Collect", "", linesType)).text), { count: 0 });
  const unary = await call("Echo", "{}", linesType);
  assert.equal(unary.status, 415);
});

test("each request is sent on as it comes, each answer comes while requests go on, and the end of one is not that of the other", async (t) => {
  const { node, path, seen } = await withOddPeer(t);
  const open = new OpenCall(node.port, path("Converse"));
  for (let i = 0; i < 3; i++) {
    open.send({ count: i });
    assert.deepEqual(await open.line(i), { result: { count: i } });
  }
  assert.deepEqual(seen.requests, [0, 1, 2]);
  assert.equal(open.isEnded, false);
  open.outgoing.end();
  assert.deepEqual(await open.line(3), { result: { count: 1000 } });
  assert.deepEqual(await open.line(4), { metadata: { farewell: ["bye"] } });
});

test("a peer that ends early ends the answer, though the client has not ended its requests", async (t) => {
  const { node, path, call } = await withOddPeer(t);
  const open = new OpenCall(node.port, path("Converse"));
  open.send({ count: 1 });
  assert.deepEqual(await open.line(0), { result: { count: 1 } });
  open.send({ count: 13 });
  const { error } = await open.line(1);
  assert.deepEqual(error, { code: "aborted", message: "thirteen", fromPeer: true });
  await until("the answer has ended", () => open.isEnded);
  open.outgoing.destroy();
  const collected = await call("Collect", `{"count":13}\n{"count":1}`, linesType);
  assert.equal(collected.status, 409, collected.text);
  assert.equal(JSON.parse(collected.text).fromPeer, true);
});

test("a line that is no request, or too long, fails the call: with a status before the first answer, else as the last line", async (t) => {
  const { node, path, call, seen } = await withOddPeer(t);
  for (const [body, status, code] of [
    [`{"count":1}\n{`, 400, "invalid_argument"],
    [`{"count":1}\n{"nope":1}`, 400, "invalid_argument"],
    [`{"count":-1}`, 400, "invalid_argument"],
    [`[]`, 400, "invalid_argument"],
    [`{"count":1}\n"${"x".repeat(2 ** 20)}"`, 413, "resource_exhausted"],
    ["x".repeat(2 ** 21), 413, "resource_exhausted"],
  ] as const) {
    const answer = await call("Collect", body, linesType);
    assert.equal(answer.status, status, `${body.slice(0, 40)}: ${answer.text}`);
    assert.equal(JSON.parse(answer.text).code, code);
    assert.equal(JSON.parse(answer.text).fromPeer, undefined);
  }
  const gzip = await call("Collect", `{"count":1}`, { ...linesType, "Content-Encoding": "gzip" });
  assert.deepEqual([gzip.status, JSON.parse(gzip.text).code], [415, "unimplemented"]);
  const open = new OpenCall(node.port, path("Converse"));
  open.send({ count: 1 });
  await open.line(0);
  open.send({ nope: 1 });
  assert.equal(((await open.line(1))["error"] as JsonObject)["code"], "invalid_argument");
  await until("the answer has ended", () => open.isEnded);
  open.outgoing.destroy();
  const failed = seen.headers.length;
  await until("the peer's handlers are told", () => seen.aborted >= failed);
});

test("a client that goes away in the middle of its requests ends the peer's call", async (t) => {
  const { node, path, seen } = await withOddPeer(t);
  const open = new OpenCall(node.port, path("Converse"));
  open.send({ count: 1 });
  await open.line(0);
  assert.equal(seen.aborted, 0);
  open.outgoing.destroy();
  await until("the handler is told", () => seen.aborted === 1);
  await until("no call is left", () => node.load.streams === 0);
});

test("a client that reads nothing holds up the peer, in bounded memory", async (t) => {
  const { node, path, seen } = await withOddPeer(t);
  const open = new OpenCall(node.port, path("Repeat"), { "Content-Type": "application/json" });
  open.outgoing.removeAllListeners("response");
  open.outgoing.end(`{"count":2000000000}`);
  const [incoming] = await once(open.outgoing, "response");
  incoming.pause();
  await until("the peer is called", () => seen.headers.length === 1);
  let before = -1;
  await until("nothing more comes", async () => {
    const { unreadBytes } = node.load;
    const isSettled = unreadBytes === before && unreadBytes > 0;
    before = unreadBytes;
    await new Promise((go) => setTimeout(go, 200));
    return isSettled;
  });
  assert.ok(node.load.unreadBytes <= 1_048_576, `${node.load.unreadBytes} bytes`);
  open.outgoing.destroy();
  await until("the handler is told", () => seen.aborted === 1);
});

test("a service that the node has never seen is called on a peer of which it has the key alone", async (t) => {
  const { network } = await testNetwork();
  const between = await startNode(t, { network, discovery: false });
  const bootstrap = [between.address];
  const node = await startNode(t, { network, discovery: false, bootstrap });
  const peer = await startNode(t, { network, discovery: false, bootstrap });
  peer.serve(serviceIn(schema, odd), implementation({ echo: (box: Box) => box }));
  await until("the one in between can tell of the peer", () => between.dht.table.has(peer.id));
  await until("the node can ask the one in between", () => node.dht.table.has(between.id));
  assert.equal(node.peers.get(peer.id), undefined);
  const path = `/api/peers/${peer.id.toBase64url()}/${odd}/Echo`;
  const answer = await send(node.port, path, { method: "POST" }, `{"count":3,"legacy":{"[odd.v1.note]":"found"}}`);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(JSON.parse(answer.text), { count: 3, legacy: { "[odd.v1.note]": "found" } });
});

test("calls go through another node of the swarm with all that belongs to them", async (t) => {
  const { node, path, seen } = await withOddPeer(t);
  const agent = new Agent({ rejectUnauthorized: false });
  t.after(() => agent.destroy());
  const member = {
    id: node.id.toString(),
    port: node.port,
    index: 2,
    pid: process.pid,
    url: `https://127.0.0.1:${node.port}`,
  };
  const swarm = { list: async () => [], find: async () => ({ ...member, agent: () => agent }) };
  const first = await startNode(t, { discovery: false, api: { swarm } });
  const forwarded = (name: string) => path(name).replace("/api/", `/api/nodes/${node.id.toBase64url()}/`);
  const headers = { "Content-Type": "application/json", "Grpc-Metadata-Some": "thing" };
  const answer = await send(first.port, forwarded("Echo"), { method: "POST", headers }, `{"count":1}`);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers["grpc-trailer-farewell"], "bye");
  assert.equal(seen.headers[0]?.get("some"), "thing");
  const open = new OpenCall(first.port, forwarded("Converse"));
  for (let i = 0; i < 2; i++) {
    open.send({ count: i });
    assert.deepEqual(await open.line(i), { result: { count: i } });
  }
  open.outgoing.destroy();
  await until("the handlers are told", () => seen.aborted === 2);
});

test("a node calls its own services in the same way, and tells itself as the caller", async (t) => {
  const node = await startNode(t, { discovery: false });
  const callers: string[] = [];
  node.serve(EchoService, {
    echo: ({ payload }, { values }) => {
      callers.push(String(values.get(callerKey)));
      return { payload };
    },
  });
  const call = (path: string, body: string) =>
    send(node.port, `/api/peers/${node.id.toBase64url()}/${path}`, { method: "POST" }, body);
  const answer = await call("dswarm.example.v1.EchoService/Echo", `{"payload":"aGk="}`);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(JSON.parse(answer.text), { payload: "aGk=" });
  assert.deepEqual(callers, [node.id.toString()]);
  assert.equal(JSON.parse((await call("grpc.health.v1.Health/Check", "{}")).text).status, "SERVING");
  assert.equal((await call("no.such.Service/Echo", "{}")).status, 404);
  assert.equal(node.connections, 0);
});

test("a peer that has gone is unavailable, and no address is made up for it", async (t) => {
  const network = await testNetwork();
  const node = await startNode(t, { network: network.network, discovery: false });
  const peer = await dialIn(t, node, network.network);
  await until("the node has the connection", () => node.isConnected(peer.id));
  tell(peer, () => schema, [odd]);
  const path = `/api/peers/${peer.id.toBase64url()}/${odd}/Echo`;
  const served = await send(node.port, path, { method: "POST" }, "{}");
  assert.equal(served.status, 501, served.text);
  assert.equal(JSON.parse(served.text).fromPeer, true);
  peer.connection.abort(new DswarmError("link_closed"));
  await until("the node has lost it", () => !node.isConnected(peer.id));
  const gone = await send(node.port, path, { method: "POST" }, "{}");
  assert.equal(gone.status, 404, gone.text);
  assert.equal(JSON.parse(gone.text).reason, "peer_unknown");
});
