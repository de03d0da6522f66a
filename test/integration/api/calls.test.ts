// Calls that last: streams of messages, and clients that go away.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { test } from "node:test";
import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImplSpec } from "@connectrpc/connect";
import { FailureSchema } from "../../../gen/dswarm/v1/node_pb.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { sampleService } from "../../unit/api/sample-service.ts";
import { nodeService, post, send, startApi, transports } from "./api-server.ts";

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
  assert.equal(answer.text, `data: ${empty}\n\ndata: ${empty}\n\nid: end\nevent: end\ndata: {}\n\n`);
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
  assert.equal((await send(port, "/api/count", { headers: acceptEvents })).text, "id: end\nevent: end\ndata: {}\n\n");
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
  assert.equal(events.text, `data: ${empty}\n\nevent: error\ndata: ${fault}\n\n`);
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

for (const [client, makeTransport] of Object.entries(transports)) {
  const stream = async (url: string, service: ServiceImplSpec): Promise<{ count: number; failure: unknown }> => {
    const method = service.methods["count"]?.method;
    assert(method?.methodKind === "server_streaming");
    let count = 0;
    try {
      const answer = await makeTransport(url).stream(method, undefined, undefined, undefined, oneRequest());
      for await (const each of answer.message) count += each === undefined ? 0 : 1;
    } catch (failure) {
      return { count, failure };
    }
    return { count, failure: undefined };
  };

  test(`a stream comes to a client of ${client}, and so does its error`, async (t) => {
    const whole = sampleService();
    assert.deepEqual(await stream((await startApi(t, { services: [whole] })).url, whole), {
      count: 2,
      failure: undefined,
    });
    const error = new DswarmError("unreachable");
    const failing = sampleService(undefined, failAfter(2, error));
    const { url, counters } = await startApi(t, { services: [failing] });
    const { count, failure } = await stream(url, failing);
    assert.equal(count, 2);
    assert(failure instanceof ConnectError);
    assert.equal(failure.code, Code.Unavailable);
    assert.equal(failure.rawMessage, "nothing answers at the address");
    assert.equal(failure.findDetails(FailureSchema)[0]?.reason, "unreachable");
    assert.equal(counters.get("api.errors.unavailable"), 1);
  });

  test(`an error loses its metadata on the way to a client of ${client}`, async (t) => {
    const service = sampleService(
      undefined,
      failAfter(1, new ConnectError("enough", Code.OutOfRange, { "x-secret": "1" })),
    );
    const { failure } = await stream((await startApi(t, { services: [service] })).url, service);
    assert(failure instanceof ConnectError);
    assert.equal(failure.rawMessage, "enough");
    assert.equal(failure.metadata.get("x-secret"), null);
  });

  test(`a bug in a stream tells a client of ${client} nothing`, async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const odd: Message = JSON.parse(`{"$typeName":"sample.v1.Sample","maybe":"secret"}`);
    const bugs = [
      failAfter(1, new Error("secret")),
      async function* (): AsyncGenerator<Message> {
        yield odd;
      },
    ];
    for (const bug of bugs) {
      const service = sampleService(undefined, bug);
      const { url, errors } = await startApi(t, { services: [service] });
      const { failure } = await stream(url, service);
      assert(failure instanceof ConnectError);
      assert.equal(failure.message, "[internal] internal error");
      assert.equal(errors.length, 1);
    }
    assert.equal(print.mock.callCount(), 0);
  });
}

async function* unhurried(message: Message): AsyncGenerator<Message> {
  for (;;) {
    yield message;
    await new Promise(setImmediate);
  }
}

test("a stream ends at the deadline of its caller", { timeout: 60_000 }, async (t) => {
  const { port, errors } = await startApi(t, { services: [sampleService(undefined, unhurried)] });
  const headers = ["Content-Type", "application/connect+json", "Connect-Timeout-Ms", "20"];
  const body = "\0\0\0\0\x02{}";
  const answer = await send(port, "/api/sample.v1.SampleService/Count", { method: "POST", headers, body });
  assert.match(answer.text, /"error":\{"code":"deadline_exceeded"/);
  assert.deepEqual(errors, []);
});

test("a message that a stream cannot read is the client's fault", async (t) => {
  const { port, counters, errors } = await startApi(t, { services: [sampleService()] });
  for (const [body, type] of [
    ["\0\0\0\0\x01{", "application/connect+json"],
    ['\0\0\0\0\x03"\xff"', "application/connect+json"],
    ["\0\0\0\0\x02\x0a\xff", "application/connect+proto"],
    ["\x01\0\0\0\x02{}", "application/connect+json"],
  ] as const) {
    for (const name of ["Count", "Upload"]) {
      const before = counters.get("api.errors.invalid_argument");
      const answer = await post(port, `/api/sample.v1.SampleService/${name}`, Buffer.from(body, "latin1"), type);
      assert.match(answer.text, /"error":\{"code":"invalid_argument"/);
      assert.equal(counters.get("api.errors.invalid_argument"), before + 1);
    }
  }
  assert.deepEqual(errors, []);
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
  test(`a client that goes away cancels its call by ${way}`, { timeout: 60_000 }, async (t) => {
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

test("a stream stops at a client that does not read, and ends with it", { timeout: 60_000 }, async (t) => {
  const print = t.mock.method(console, "error", () => {});
  for (const [path, headers, body] of [
    ["/api/count", {}, undefined],
    ["/api/sample.v1.SampleService/Count", { "Content-Type": "application/connect+json" }, "\0\0\0\0\x02{}"],
  ] as const) {
    let yielded = 0;
    const ended = Promise.withResolvers<void>();
    async function* endless(message: Message): AsyncGenerator<Message> {
      Object.assign(message, { text: "x".repeat(10_000) });
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

test("a client that goes away within its body costs nothing", { timeout: 60_000 }, async (t) => {
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
