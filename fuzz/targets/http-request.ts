// Requests of /api as bytes on a socket, through Node's HTTP parser and all of the API's layers.
import { createServer, type Server } from "node:http";
import { Duplex } from "node:stream";
import { createServiceImplSpec } from "@connectrpc/connect";
import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { NodeService } from "../../gen/dswarm/v1/node_pb.ts";
import { createApi } from "../../src/api/server.ts";
import { Counters } from "../../src/util/counters.ts";
import { silentLogger } from "../../src/util/log.ts";
import { VirtualClock } from "../../src/util/virtual-clock.ts";
import type { FuzzTarget } from "../engine/target.ts";

const faults: unknown[] = [];

/** The end of a connection that a server sees: what is pushed comes in, what is written is kept. */
class ServerEnd extends Duplex {
  readonly remoteAddress = "127.0.0.1";
  readonly localAddress = "127.0.0.1";
  readonly chunks: Buffer[] = [];

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.chunks.push(chunk);
    done();
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }
}

function createTestServer(): Server {
  const logger = {
    ...silentLogger,
    error: (fields: object): void => void faults.push(fields),
  };
  const api = createApi({
    services: [createServiceImplSpec(NodeService, {}), createServiceImplSpec(EchoService, {})],
    counters: new Counters(),
    logger,
    clock: new VirtualClock(),
    requestsPerSecond: 1_000_000,
    requestBurst: 1_000_000,
  });
  return createServer(api);
}

let server: Server | undefined;

async function run(input: Uint8Array): Promise<void> {
  server ??= createTestServer();
  const socket = new ServerEnd();
  const closed = new Promise<void>((resolve) => void socket.once("close", resolve));
  faults.length = 0;
  server.emit("connection", socket);
  socket.push(Buffer.from(input));
  socket.push(null);
  // A request that waits for its body ends with the socket.
  for (let i = 0; i < 20 && !socket.writableEnded; i++) await new Promise((go) => void setImmediate(go));
  socket.destroy();
  await closed;
  const answer = Buffer.concat(socket.chunks).toString("latin1");
  if (answer !== "" && !answer.startsWith("HTTP/1.1 ")) throw new Error(`the answer begins ${answer.slice(0, 40)}`);
  if (/HTTP\/1\.1 500/.test(answer)) throw new Error("500", { cause: faults[0] });
}

const head = "Host: localhost\r\nConnection: close\r\n";

export const httpRequest: FuzzTarget = {
  name: "http-request",
  description: "HTTP requests of /api: path, query, headers and body",
  maxBytes: 2048,
  covers: ["src/api/"],
  seeds: () =>
    [
      `GET /api HTTP/1.1\r\n${head}\r\n`,
      `GET /api/ping?peers=3 HTTP/1.1\r\n${head}\r\n`,
      `GET /api/values/%26${"A".repeat(43)}%3D HTTP/1.1\r\n${head}\r\n`,
      `POST /api/values HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 16\r\n\r\n{"value":"aGk="}`,
      `POST /api/dswarm.v1.NodeService/GetStatus HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
      `POST /api/dswarm.v1.NodeService/GetStatus HTTP/1.1\r\n${head}Content-Type: application/grpc-web+proto\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0`,
      `GET /api/openapi.json HTTP/1.1\r\n${head}Accept: text/event-stream\r\n\r\n`,
      `OPTIONS /api/ping HTTP/1.1\r\n${head}Origin: http://localhost:1\r\n\r\n`,
      `POST /api/x HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    ].map((text) => Buffer.from(text, "latin1")),
  dictionary: [
    "/api/",
    "%2F",
    "?",
    "&",
    "Content-Type: ",
    "application/json",
    "application/x-ndjson",
    "Origin: ",
    "{}",
    "null",
    "..",
    "//",
  ].map((text) => Buffer.from(text)),
  run,
};
