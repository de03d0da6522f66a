// Who gets in, on real sockets. Addresses that are not of this machine are in test/unit/api/access.test.ts: all of
// 127.0.0.0/8 is loopback.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { nodeService, send, sendRaw, startApi } from "./api-server.ts";

const token = "0123456789abcdef";

test("refuses hosts, origins and sites of others, before anything is called", async (t) => {
  const services = [nodeService({ pingPeers: () => assert.fail("called") })];
  const { port, counters } = await startApi(t, { services });
  const refused: [string, string[]][] = [
    ["host", ["Host", "localhost.evil"]],
    ["host", ["Host", `127.0.0.1.nip.io:${port}`]],
    ["host", ["Host", "localhost:1@evil"]],
    ["host", ["Host", ""]],
    ["host", ["Host", "[::2]"]],
    ["host", ["Host", "localhost", "Host", "evil"]],
    ["host", ["Host", "localhost", "Host", "localhost"]],
    ["host", ["Host", "evil", "X-Forwarded-Host", "localhost"]],
    ["origin", ["Origin", "null"]],
    ["origin", ["Origin", "https://evil"]],
    ["origin", ["Origin", `https://127.0.0.1:${port}`]],
    ["origin", ["Origin", `http://localhost:${port}`]],
    ["origin", ["Origin", `http://127.0.0.1:${port}`, "Origin", "http://evil"]],
    ["site", ["Sec-Fetch-Site", "cross-site"]],
    ["site", ["Sec-Fetch-Site", "same-site"]],
    ["site", ["Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"]],
  ];
  for (const [why, headers] of refused) {
    for (const method of ["GET", "POST", "OPTIONS", "HEAD"]) {
      const before = counters.get(`api.refused.${why}`);
      const answer = await send(port, "/api/ping", { method, headers });
      assert.equal(answer.status, 403, String(headers));
      if (method !== "HEAD") assert.equal(JSON.parse(answer.text).code, "permission_denied");
      assert.equal(counters.get(`api.refused.${why}`), before + 1);
      assert.equal(answer.headers["access-control-allow-origin"], undefined);
      assert.equal(answer.headers["cache-control"], "no-store");
    }
  }
});

test("lets in the node's own hosts and origin", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()], hosts: ["box.example"] });
  for (const host of ["localhost", `localhost:${port}`, "LOCALHOST:1", "127.0.0.1", "[::1]:80", "box.example:4000"]) {
    assert.equal((await send(port, "/api/ping", { headers: ["Host", host] })).status, 200, host);
    const headers = [
      "Host",
      host,
      "Origin",
      `http://${host.toLowerCase().replace(/:80$/, "")}`,
      "Sec-Fetch-Site",
      "same-origin",
    ];
    assert.equal((await send(port, "/api/ping", { headers })).status, 200, host);
  }
});

test("refuses a request without Host, and one whose target names a host", async (t) => {
  const { port, counters } = await startApi(t, { services: [nodeService()] });
  assert.match(await sendRaw(port, "GET /api/ping HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 403 .*"permission_denied"/s);
  assert.match(await sendRaw(port, "GET /api/ping HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400 /);
  const target = await sendRaw(
    port,
    "GET http://evil/api/ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
  );
  assert.match(target, /^HTTP\/1\.1 400 .*"invalid_argument"/s);
  assert.match(
    await sendRaw(port, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    /^HTTP\/1\.1 400 /,
  );
  assert.equal(counters.get("api.refused.host"), 1);
  assert.equal(counters.get("api.refused.target"), 2);
});

test("with a token, lets in who has it and nobody else", async (t) => {
  const { port, counters } = await startApi(t, { services: [nodeService()], token });
  assert.equal((await send(port, "/api/ping", { headers: ["Authorization", `Bearer ${token}`] })).status, 200);
  const wrong = [[], ["Authorization", "Bearer 0123456789abcdeX"], ["Authorization", `Basic ${token}`]];
  for (const headers of [...wrong, ["Authorization", `Bearer ${token}`, "Authorization", `Bearer ${token}`]]) {
    const answer = await send(port, "/api/ping", { headers });
    assert.equal(answer.status, 401);
    assert.equal(JSON.parse(answer.text).code, "unauthenticated");
    assert.equal(answer.headers["www-authenticate"], "Bearer");
  }
  assert.equal(counters.get("api.refused.token"), 4);
  const headers = ["Authorization", `Bearer ${token}`, "Host", "evil"];
  assert.equal((await send(port, "/api/ping", { headers })).status, 403);
});

test("refuses more requests than the rate limit allows, until time has passed", async (t) => {
  const clock = new VirtualClock();
  const { port, counters } = await startApi(t, {
    services: [nodeService()],
    clock,
    requestBurst: 3,
    requestsPerSecond: 2,
  });
  const statuses = async (count: number): Promise<number[]> => {
    const all: number[] = [];
    for (let i = 0; i < count; i++) all.push((await send(port, "/api/ping")).status);
    return all;
  };
  assert.deepEqual(await statuses(5), [200, 200, 200, 429, 429]);
  const refused = await send(port, "/api/ping");
  assert.equal(refused.headers["retry-after"], "1");
  assert.equal(JSON.parse(refused.text).code, "resource_exhausted");
  assert.equal(counters.get("api.refused.rate"), 3);
  await clock.advance(1000);
  assert.deepEqual(await statuses(3), [200, 200, 429]);
});

test("requests that are refused for another reason do not use up the owner's rate", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()], clock: new VirtualClock(), requestBurst: 1 });
  for (let i = 0; i < 5; i++) await send(port, "/api/ping", { headers: ["Sec-Fetch-Site", "cross-site"] });
  assert.equal((await send(port, "/api/ping")).status, 200);
});

test("a client that is refused is answered when it has sent all, or it might find the connection closed first", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()], token });
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    answer += text;
  });
  socket.write("POST /api/ping HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{");
  // The server has the same event loop, and longer patience.
  await delay(100);
  assert.equal(answer, "");
  socket.write("}");
  await once(socket, "close");
  assert.match(answer, /^HTTP\/1\.1 401 [^]*"unauthenticated"/);
});

test("a client that is refused and goes on sending for ever is answered all the same, and closed", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()], token });
  const head = `POST /api/ping HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n`;
  assert.match(await sendRaw(port, `${head}{`), /^HTTP\/1\.1 401 [^]*"unauthenticated"/);
});

test("a refused request closes its connection, whether it has come whole or never does", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()], token });
  for (const rest of ["Content-Length: 0\r\n\r\n", "Content-Length: 1000000\r\n\r\n{"]) {
    const answer = await sendRaw(port, `POST /api/ping HTTP/1.1\r\nHost: 127.0.0.1\r\n${rest}`);
    assert.match(answer, /^HTTP\/1\.1 401 [^]*Connection: close\r\n[^]*"unauthenticated"/);
  }
});

test("/healthz needs no token, and keeps all other rules of access", async (t) => {
  const { port } = await startApi(t, { services: [nodeService()], token });
  const answer = await send(port, "/healthz");
  assert.deepEqual([answer.status, answer.text], [200, '{"status":"SERVING"}\n']);
  assert.equal((await send(port, "/healthz", { headers: ["Host", "evil"] })).status, 403);
  assert.equal((await send(port, "/healthz", { headers: ["Sec-Fetch-Site", "cross-site"] })).status, 403);
  for (const path of ["/metrics", "/api/status", "/healthz/", "/api/healthz"])
    assert.equal((await send(port, path)).status, 401, path);
});
