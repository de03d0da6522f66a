// The port's other use: HTTP requests of an API next to /dht, and websocket requests that are none of a node's.
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, type Agent as HttpsAgent, request } from "node:https";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import express from "express";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { createRig, openTls, type Rig, until } from "./rig.ts";

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  readonly localPort: number | undefined;
}

async function get(rig: Rig, path: string, agent: HttpsAgent): Promise<Answer> {
  const sent = request({ host: "127.0.0.1", port: rig.port, path, agent, rejectUnauthorized: false }).end();
  const [response] = await once(sent, "response");
  return { status: response.statusCode, body: await text(response), localPort: sent.socket?.localPort };
}

function attachApi(rig: Rig): void {
  const app = express();
  app.get("/api/ping", (_request, response) => void response.json({ pong: true }));
  rig.server.on("request", app);
}

const upgradeHeaders = {
  Host: "127.0.0.1",
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
  "Sec-WebSocket-Protocol": "dswarm.v1",
};

function requestText(line: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`${line} HTTP/1.1`, ...lines, "", ""].join("\r\n");
}

/** Sends one request on a connection of its own; returns the status line of the answer. */
async function statusOf(rig: Rig, requested: string, socket?: TLSSocket): Promise<string> {
  const connection = socket ?? (await openTls(rig.port));
  connection.write(requested);
  const [answer] = await once(connection, "data");
  return String(answer).split("\r\n", 1)[0] ?? "";
}

test("an API on the same server answers many requests on one connection, whatever the deadline", async () => {
  const clock = new VirtualClock();
  await using rig = await createRig({ clock });
  attachApi(rig);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const first = await get(rig, "/api/ping", agent);
  assert.deepEqual([first.status, first.body], [200, '{"pong":true}']);
  assert.equal(rig.listener.halfOpen, 0);
  await clock.advance(10 * rig.config.handshakeTimeoutMs);
  const second = await get(rig, "/api/ping", agent);
  assert.equal(second.status, 200);
  assert.equal(second.localPort, first.localPort, "it is the same connection");
  assert.equal((await get(rig, "/elsewhere", agent)).status, 404);
  await rig.assertServes();
  agent.destroy();
});

test("without an API every request is answered 404", async () => {
  await using rig = await createRig();
  const agent = new Agent();
  assert.equal((await get(rig, "/api/ping", agent)).status, 404);
  assert.equal((await get(rig, "/dht", agent)).status, 404);
  agent.destroy();
});

test("a websocket request that is none of a node's is refused with the fitting status", async (t) => {
  await using rig = await createRig();
  attachApi(rig);
  const { "Sec-WebSocket-Protocol": _protocol, ...withoutProtocol } = upgradeHeaders;
  const { "Sec-WebSocket-Key": _key, ...withoutKey } = upgradeHeaders;
  const cases: readonly (readonly [name: string, request: string, status: number])[] = [
    ["another path", requestText("GET /api/ping", upgradeHeaders), 404],
    ["a path that begins with /dht", requestText("GET /dht/", upgradeHeaders), 404],
    ["an absolute URL", requestText("GET https://127.0.0.1/dht", upgradeHeaders), 404],
    ["an Origin", requestText("GET /dht", { ...upgradeHeaders, Origin: "https://a.example" }), 403],
    ["the Origin null", requestText("GET /dht", { ...upgradeHeaders, Origin: "null" }), 403],
    ["no subprotocol", requestText("GET /dht", withoutProtocol), 400],
    [
      "another subprotocol",
      requestText("GET /dht", { ...upgradeHeaders, "Sec-WebSocket-Protocol": "dswarm.v10" }),
      400,
    ],
    ["no key", requestText("GET /dht", withoutKey), 400],
    ["a bad key", requestText("GET /dht", { ...upgradeHeaders, "Sec-WebSocket-Key": "short" }), 400],
    ["another version", requestText("GET /dht", { ...upgradeHeaders, "Sec-WebSocket-Version": "7" }), 400],
    ["another method", requestText("POST /dht", { ...upgradeHeaders, "Content-Length": "0" }), 400],
    ["another upgrade", requestText("GET /dht", { ...upgradeHeaders, Upgrade: "h2c" }), 400],
  ];
  let refusals = 0;
  for (const [name, requested, status] of cases) {
    await t.test(name, async () => {
      const socket = await openTls(rig.port);
      assert.match(await statusOf(rig, requested, socket), new RegExp(`^HTTP/1.1 ${status} `));
      await until("the connection is closed", () => socket.destroyed);
      refusals += 1;
      await rig.assertFailed("upgrade_refused", refusals);
      await until("it is gone", () => rig.listener.halfOpen === 0);
    });
  }
  await rig.assertServes();
});

test("a query on /dht is ignored, and dswarm.v1 is picked from several subprotocols", async () => {
  await using rig = await createRig();
  const headers = { ...upgradeHeaders, "Sec-WebSocket-Protocol": "chat, dswarm.v1" };
  assert.equal(await statusOf(rig, requestText("GET /dht?a=b", headers)), "HTTP/1.1 101 Switching Protocols");
});

test("a connection that the API has used can be upgraded, and is half-open again then", async () => {
  const clock = new VirtualClock();
  await using rig = await createRig({ clock });
  attachApi(rig);
  const socket = await openTls(rig.port);
  assert.equal(await statusOf(rig, requestText("GET /api/ping", { Host: "a" }), socket), "HTTP/1.1 200 OK");
  assert.equal(rig.listener.halfOpen, 0);
  const upgraded = await statusOf(rig, requestText("GET /dht", upgradeHeaders), socket);
  assert.equal(upgraded, "HTTP/1.1 101 Switching Protocols");
  assert.equal(rig.listener.halfOpen, 1);
  await clock.advance(rig.config.handshakeTimeoutMs);
  await until("the connection is closed", () => socket.destroyed);
  await rig.assertFailed("handshake_timeout");
});

test("a frame that breaks the websocket's rules ends the connection", async (t) => {
  await using rig = await createRig();
  const frames = {
    "a reserved bit": [0xc2, 0x80, 0, 0, 0, 0],
    "an unknown opcode": [0x83, 0x80, 0, 0, 0, 0],
    "no mask": [0x82, 0x01, 0x00],
    "a continuation of nothing": [0x80, 0x80, 0, 0, 0, 0],
    "a ping of 126 bytes": [0x89, 0xfe, 0, 126],
  };
  let failures = 0;
  for (const [name, frame] of Object.entries(frames)) {
    await t.test(name, async () => {
      const socket = await openTls(rig.port);
      await statusOf(rig, requestText("GET /dht", upgradeHeaders), socket);
      socket.write(Buffer.from(frame));
      await until("the connection is closed", () => socket.destroyed);
      failures += 1;
      await rig.assertFailed("websocket_invalid", failures);
      await rig.assertServes();
    });
  }
});
