// Clients that leave in every way while an answer is on its way: the call ends, and nobody hears of it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import type { Message } from "@bufbuild/protobuf";
import { generate } from "selfsigned";
import { sampleService } from "../../unit/api/sample-service.ts";
import { send, startApi } from "./api-server.ts";

const certificate = await generate([{ name: "commonName", value: "test" }], { keyType: "ec" });
const tls = { key: certificate.private, cert: certificate.cert };
const envelope = "\0\0\0\0\x02{}";

const routes: Readonly<Record<string, { path: string; type: string; body: string }>> = {
  "a short route": { path: "/api/count", type: "application/json", body: "{}" },
  "Connect's protocol": {
    path: "/api/sample.v1.SampleService/Count",
    type: "application/connect+json",
    body: envelope,
  },
  "gRPC-Web": { path: "/api/sample.v1.SampleService/Count", type: "application/grpc-web+json", body: envelope },
};

/** How a client leaves. `raw` is below `socket` where there is TLS. */
const departures: Readonly<Record<string, (socket: Socket, raw: Socket, others: () => Promise<void>) => unknown>> = {
  "closes the connection": (socket) => socket.destroy(),
  "closes the connection without its TLS": (_, raw) => raw.destroy(),
  "resets the connection": (_, raw) => raw.resetAndDestroy(),
  "ends its half first": async (socket, raw, others) => {
    socket.end();
    await others();
    raw.resetAndDestroy();
  },
};

async function open(port: number, encrypted: boolean): Promise<[Socket, Socket]> {
  const raw = connect(port, "127.0.0.1");
  raw.on("error", () => {});
  await once(raw, "connect");
  if (!encrypted) return [raw, raw];
  const socket = connectTls({ socket: raw, ca: tls.cert, checkServerIdentity: () => undefined });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  return [socket, raw];
}

for (const [route, { path, type, body }] of Object.entries(routes)) {
  for (const [departure, leave] of Object.entries(departures)) {
    test(`a client of ${route} that ${departure} ends its stream`, { timeout: 60_000 }, async (t) => {
      const print = t.mock.method(console, "error", () => {});
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}`;
      for (const encrypted of [false, true]) {
        for (const size of [10, 200_000]) {
          for (const isReading of [true, false]) {
            let yielded = 0;
            const ended = Promise.withResolvers<void>();
            async function* endless(message: Message): AsyncGenerator<Message> {
              try {
                for (; ; yielded++) {
                  yield Object.assign(message, { text: "x".repeat(size) });
                  await new Promise(setImmediate);
                }
              } finally {
                ended.resolve();
              }
            }
            const plain = await startApi(t, { services: [sampleService()] });
            const services = [sampleService(undefined, endless)];
            const { port, errors } = await startApi(t, { services }, encrypted ? tls : undefined);
            // Time passes for the server while it answers somebody else.
            const others = async (): Promise<void> => {
              for (let i = 0; i < 10; i++) await send(plain.port, "/api");
            };
            const [socket, raw] = await open(port, encrypted);
            socket.write(`${head}\r\n\r\n${body}`, "latin1");
            await once(socket, "readable");
            if (isReading) socket.resume();
            await others();
            assert(yielded > 0);
            await leave(socket, raw, others);
            await ended.promise;
            assert.deepEqual(errors, []);
          }
        }
      }
      assert.equal(print.mock.callCount(), 0);
    });
  }
}

test("a client that leaves within a long answer costs nothing", { timeout: 60_000 }, async (t) => {
  const print = t.mock.method(console, "error", () => {});
  const text = "x".repeat(10_000_000);
  const long = sampleService((request) => Object.assign(request, { text }));
  for (const [path, type, body] of [
    ["/api/echo", "application/json", "{}"],
    ["/api/sample.v1.SampleService/Echo", "application/json", "{}"],
    ["/api/sample.v1.SampleService/Echo", "application/grpc-web+json", envelope],
  ] as const) {
    const { port, errors } = await startApi(t, { services: [long] });
    for (const leave of Object.values(departures)) {
      const [socket, raw] = await open(port, false);
      const others = async (): Promise<void> => {
        for (let i = 0; i < 10; i++) await send(port, "/api");
      };
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        "latin1",
      );
      await once(socket, "readable");
      await leave(socket, raw, others);
      await others();
    }
    assert.deepEqual(errors, []);
  }
  assert.equal(print.mock.callCount(), 0);
});
