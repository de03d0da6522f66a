// Calls that last: streams of messages, and clients that go away.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { test } from "node:test";
import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { DswarmError } from "../../../src/util/errors.ts";
import { sampleService } from "../../unit/api/sample-service.ts";
import { nodeService, post, send, startApi } from "./api-server.ts";

const empty = `{"text":"","flag":false,"big":"0","data":"","color":"COLOR_UNSPECIFIED","tags":[],"colorList":[],"ratio":0,"labels":{},"inners":[]}`;
const acceptEvents = ["Accept", "text/event-stream"];

const failAfter = (count: number, error?: Error) =>
  async function* (message: Message): AsyncGenerator<Message> {
    for (let i = 0; i < count; i++) yield message;
    if (error !== undefined) throw error;
  };

async function* oneRequest(): AsyncGenerator<Record<string, unknown>> {
  yield {};
}

test("a stream comes as lines of JSON", async (t) => {
  const { port } = await startApi(t, { services: [sampleService()] });
  for (const answer of [await send(port, "/api/count"), await post(port, "/api/count", "{}")]) {
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-type"], "application/x-ndjson; charset=utf-8");
    assert.equal(answer.text, `{"result":${empty}}\n{"result":${empty}}\n`);
  }
});

test("a stream comes as events when the client prefers them", async (t) => {
  const { port } = await startApi(t, { services: [sampleService()] });
  const answer = await send(port, "/api/count", { headers: acceptEvents });
  assert.equal(answer.headers["content-type"], "text/event-stream; charset=utf-8");
  assert.equal(answer.headers["cache-control"], "no-store");
  assert.equal(answer.text, `data: ${empty}\n\ndata: ${empty}\n\nevent: end\ndata: {}\n\n`);
  const preferences = [
    ["text/event-stream, */*;q=0.1", "text/event-stream; charset=utf-8"],
    ["*/*", "application/x-ndjson; charset=utf-8"],
    ["application/x-ndjson, text/event-stream;q=0.5", "application/x-ndjson; charset=utf-8"],
    ["image/png", "application/x-ndjson; charset=utf-8"],
  ];
  for (const [accept = "", type] of preferences) {
    assert.equal((await send(port, "/api/count", { headers: ["Accept", accept] })).headers["content-type"], type);
  }
});

test("a stream without messages ends at once", async (t) => {
  const { port } = await startApi(t, { services: [sampleService(undefined, failAfter(0))] });
  const lines = await send(port, "/api/count");
  assert.equal(lines.status, 200);
  assert.equal(lines.headers["content-type"], "application/x-ndjson; charset=utf-8");
  assert.equal(lines.text, "");
  assert.equal((await send(port, "/api/count", { headers: acceptEvents })).text, "event: end\ndata: {}\n\n");
});

test("HEAD of a stream does not start it", async (t) => {
  const { port } = await startApi(t, { services: [sampleService(undefined, () => assert.fail())] });
  const answer = await send(port, "/api/count", { method: "HEAD" });
  assert.equal(answer.status, 200);
});

test("a stream that fails before its first message has the status of the error", async (t) => {
  const error = new DswarmError("unreachable");
  const { port, counters } = await startApi(t, { services: [sampleService(undefined, failAfter(0, error))] });
  for (const headers of [[], acceptEvents]) {
    const answer = await send(port, "/api/count", { headers });
    assert.equal(answer.status, 503);
    assert.equal(JSON.parse(answer.text).reason, "unreachable");
  }
  assert.equal(counters.get("api.errors.unavailable"), 2);
});

test("a stream that fails later says so at its end", async (t) => {
  const fault = `{"code":"unavailable","message":"nothing answers at the address","reason":"unreachable"}`;
  const error = new DswarmError("unreachable");
  const { port, counters } = await startApi(t, { services: [sampleService(undefined, failAfter(1, error))] });
  assert.equal((await send(port, "/api/count")).text, `{"result":${empty}}\n{"error":${fault}}\n`);
  const events = await send(port, "/api/count", { headers: acceptEvents });
  assert.equal(events.text, `data: ${empty}\n\nevent: fault\ndata: ${fault}\n\n`);
  assert.equal(counters.get("api.errors.unavailable"), 2);
});

test("a stream that fails of a bug tells nothing of it", async (t) => {
  const { port, errors } = await startApi(t, {
    services: [sampleService(undefined, failAfter(1, new Error("secret")))],
  });
  assert.match(
    (await send(port, "/api/count")).text,
    /\n\{"error":\{"code":"internal","message":"internal error"\}\}\n$/,
  );
  assert.equal(errors.length, 1);
});

test("a stream comes to a Connect client, and so does its error", async (t) => {
  const service = sampleService(
    undefined,
    failAfter(2, new ConnectError("enough", Code.OutOfRange, { "x-secret": "1" })),
  );
  const { url, counters } = await startApi(t, { services: [service] });
  const method = service.methods["count"]?.method;
  assert(method?.methodKind === "server_streaming");
  for (const useBinaryFormat of [true, false]) {
    const transport = createConnectTransport({
      baseUrl: `${url}/api`,
      httpVersion: "1.1",
      useBinaryFormat,
      nodeOptions: { agent: false },
    });
    const { message } = await transport.stream(method, undefined, undefined, undefined, oneRequest());
    let count = 0;
    const failure = await (async () => {
      for await (const each of message) count += each === undefined ? 0 : 1;
    })().catch((error: unknown) => error);
    assert.equal(count, 2);
    assert(failure instanceof ConnectError);
    assert.equal(failure.code, Code.OutOfRange);
    assert.equal(failure.rawMessage, "enough");
    assert.equal(failure.metadata.get("x-secret"), null);
  }
  assert.equal(counters.get("api.errors.out_of_range"), 2);
});

/** A request that is never ended by itself. Its errors are those of being destroyed. */
function start(port: number, path: string, headers: Record<string, string> = {}, body?: string): ClientRequest {
  const method = body === undefined ? "GET" : "POST";
  const outgoing = request({ host: "127.0.0.1", port, path, method, headers, agent: false });
  outgoing.on("error", () => {});
  outgoing.end(body);
  return outgoing;
}

const json = { "Content-Type": "application/json" };
const ways: [string, Parameters<typeof start> extends [number, ...infer Rest] ? Rest : never][] = [
  ["a short route", ["/api/ping"]],
  ["a short route with a body", ["/api/ping", json, "{}"]],
  ["Connect's protocol", ["/api/dswarm.v1.NodeService/PingPeers", json, "{}"]],
];

for (const [way, args] of ways) {
  test(`a client that goes away cancels its call by ${way}`, { timeout: 10_000 }, async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const called = Promise.withResolvers<HandlerContext>();
    const pingPeers = async (_: unknown, context: HandlerContext): Promise<never> => {
      called.resolve(context);
      await once(context.signal, "abort");
      throw context.signal.reason;
    };
    const { port, errors } = await startApi(t, { services: [nodeService({ pingPeers })] });
    const outgoing = start(port, ...args);
    const { signal } = await called.promise;
    assert.equal(signal.aborted, false);
    const aborted = once(signal, "abort");
    outgoing.destroy();
    await aborted;
    assert.equal((await send(port, "/api/status")).status, 200);
    assert.deepEqual(errors, []);
    assert.equal(print.mock.callCount(), 0);
  });
}

test("the signal of a call that has ended aborts, and nothing is cancelled before", async (t) => {
  let seen: AbortSignal | undefined;
  const pingPeers = async (_: unknown, { signal }: HandlerContext): Promise<object> => {
    await new Promise(setImmediate);
    assert.equal(signal.aborted, false);
    seen = signal;
    return {};
  };
  const { port } = await startApi(t, { services: [nodeService({ pingPeers })] });
  assert.equal((await send(port, "/api/ping")).status, 200);
  assert.equal(seen?.aborted, true);
});

test("a stream stops at a client that does not read, and ends with it", { timeout: 10_000 }, async (t) => {
  const print = t.mock.method(console, "error", () => {});
  for (const [path, headers, body] of [
    ["/api/count", {}, undefined],
    ["/api/sample.v1.SampleService/Count", { "Content-Type": "application/connect+json" }, "\0\0\0\0\x02{}"],
  ] as const) {
    let yielded = 0;
    const ended = Promise.withResolvers<void>();
    async function* endless(message: Message): AsyncGenerator<Message> {
      try {
        for (;;) {
          yielded++;
          yield message;
          // As a real source would, it lets others run.
          if (yielded % 100 === 0) await new Promise(setImmediate);
        }
      } finally {
        ended.resolve();
      }
    }
    const { port, errors } = await startApi(t, { services: [sampleService(undefined, endless)] });
    const outgoing = start(port, path, headers, body);
    const [incoming]: IncomingMessage[] = await once(outgoing, "response");
    assert(incoming);
    incoming.on("error", () => {});
    let before = -1;
    for (let same = 0; same < 50; same = before === yielded ? same + 1 : 0) {
      before = yielded;
      await new Promise(setImmediate);
      await send(port, "/api");
    }
    assert(yielded > 0);
    outgoing.destroy();
    await ended.promise;
    assert.deepEqual(errors, []);
  }
  assert.equal(print.mock.callCount(), 0);
});

test("a client that goes away within its body costs nothing", { timeout: 10_000 }, async (t) => {
  const print = t.mock.method(console, "error", () => {});
  const { port, errors, counters } = await startApi(t, { services: [sampleService()] });
  for (const path of ["/api/echo", "/api/sample.v1.SampleService/Echo", "/api/sample.v1.SampleService/Upload"]) {
    const type = path.endsWith("Upload") ? "application/connect+json" : "application/json";
    const headers = { "Content-Type": type, "Content-Length": "100" };
    const outgoing = request({ host: "127.0.0.1", port, path, method: "POST", headers, agent: false });
    outgoing.on("error", () => {});
    const { "api.requests": requests = 0, "api.errors.canceled": canceled = 0 } = counters.snapshot();
    outgoing.write("{");
    while (counters.get("api.requests") === requests) await new Promise(setImmediate);
    outgoing.destroy();
    while (counters.get("api.errors.canceled") === canceled) await new Promise(setImmediate);
  }
  assert.equal((await send(port, "/api/echo")).status, 200);
  assert.deepEqual(errors, []);
  assert.equal(print.mock.callCount(), 0);
});
