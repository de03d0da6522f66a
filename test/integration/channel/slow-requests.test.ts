// Requests that come slowly: those that may, and those that may not.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { type TestContext, test } from "node:test";
import { allowSlowRequest, endSlowRequests, NotedResponse } from "../../../src/channel/slow-requests.ts";
import { until } from "./rig.ts";

async function startServer(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(
    { ServerResponse: NotedResponse, requestTimeout: 100, headersTimeout: 100, connectionsCheckingInterval: 20 },
    listener,
  ).listen(0, "127.0.0.1");
  endSlowRequests(server);
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A connection, and what comes on it. */
function open(port: number, text: string) {
  const socket = connect(port, "127.0.0.1");
  const state = { socket, text: "", isClosed: false };
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    state.text += chunk;
  });
  socket
    .on("error", () => undefined)
    .on("close", () => {
      state.isClosed = true;
    });
  socket.write(text);
  return state;
}

const head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

test("a request that takes too long is answered 408, or cut off where its answer has begun", async (t) => {
  const port = await startServer(t, (request, response) => {
    request.resume();
    if (request.url === "/begun") response.write("begun");
  });
  for (const [text, answer] of [
    [head, /^HTTP\/1\.1 408 Request Timeout\r\nConnection: close\r\n\r\n$/],
    ["POST / HTT", /^HTTP\/1\.1 408 /],
    [head.replace("/", "/begun"), /^HTTP\/1\.1 200 OK\r\n[^]*begun\r\n$/],
    ["nonsense\r\n\r\n", /^HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n\r\n$/],
    [`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
  ] as const) {
    const connection = open(port, text);
    await until("the connection is closed", () => connection.isClosed);
    assert.match(connection.text, answer);
  }
});

test("a request that may take its time does, and the next one on its connection may not", async (t) => {
  let bytes = 0;
  const port = await startServer(t, (request, response) => {
    if (request.url === "/slow") allowSlowRequest(request, response);
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on("end", () => response.end("whole"));
  });
  const connection = open(port, head.replace("/", "/slow"));
  // It lasts many times as long as the other one may.
  const other = open(port, head);
  await until("the other is closed", () => other.isClosed);
  const another = open(port, head);
  await until("another is closed", () => another.isClosed);
  assert.equal(connection.isClosed, false);
  connection.socket.write("3\r\nabc\r\n0\r\n\r\n");
  await until("it is answered", () => connection.text.endsWith("whole"));
  assert.equal(bytes, 3);
  connection.socket.write(head);
  await until("the next one is closed", () => connection.isClosed);
  assert.match(connection.text, /HTTP\/1\.1 408 Request Timeout\r\nConnection: close\r\n\r\n$/);
});
