// The port without TLS: the API for this machine alone, by the same rules, and no way in for peers.
import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type RequestOptions } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { freeTcpPort, send, startNode } from "./rig.ts";

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
}

async function ask(url: string, options: RequestOptions = {}): Promise<Answer> {
  const outgoing = get(url, { agent: false, ...options });
  const [incoming] = await once(outgoing, "response");
  let text = "";
  for await (const chunk of incoming.setEncoding("utf8")) text += chunk;
  return { status: incoming.statusCode, text };
}

test("without being asked for, there is no such port", async (t) => {
  const node = await startNode(t, { discovery: false });
  assert.equal(node.httpUrl, undefined);
});

test("the API and the page are there, by the same rules of Host, Origin and token", async (t) => {
  const httpPort = await freeTcpPort();
  const token = "0123456789abcdef";
  const node = await startNode(t, { discovery: false, httpPort, api: { token } });
  const url = `http://127.0.0.1:${httpPort}`;
  assert.equal(node.httpUrl, url);
  const path = `${url}/api/ping`;
  const authorization = { authorization: `Bearer ${token}` };
  assert.equal((await ask(path)).status, 401);
  assert.deepEqual(await ask(path, { headers: authorization }), { status: 200, text: '{"results":[]}\n' });
  assert.equal((await ask(path, { headers: { authorization: "Bearer 0123456789abcdeg" } })).status, 401);
  // The page itself, which asks for the token, or how to build it.
  assert.match((await ask(`${url}/`)).text, /<!doctype html>|not built/i);
  const own = { ...authorization, origin: url, "sec-fetch-site": "same-origin" };
  assert.equal((await ask(path, { headers: own })).status, 200);
  const strangers: Record<string, string>[] = [
    { host: "rebound.example" },
    { host: `localhost.evil:${httpPort}` },
    { origin: "http://evil" },
    // The node's own port with TLS is another origin.
    { origin: `https://127.0.0.1:${httpPort}` },
    { origin: node.url },
    { "sec-fetch-site": "same-site" },
  ];
  for (const headers of strangers) {
    assert.equal((await ask(path, { headers: { ...authorization, ...headers } })).status, 403, JSON.stringify(headers));
  }
  assert.equal((await send(node.port, "/api/ping", { headers: authorization })).status, 200);
});

test("peers have no way in: /dht is not there, as a page or as a websocket", async (t) => {
  const node = await startNode(t, { discovery: false, httpPort: 0 });
  const { httpUrl = "" } = node;
  assert.equal((await ask(`${httpUrl}/dht`)).status, 404);
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "sec-websocket-protocol": "dswarm.v1",
  };
  for (const path of ["/dht", "/", "/api/ping"]) {
    const outgoing = get(`${httpUrl}${path}`, { agent: false, headers });
    outgoing.on("upgrade", () => assert.fail("upgraded"));
    const [incoming] = await once(outgoing, "response");
    incoming.resume();
    assert.notEqual(incoming.statusCode, 101);
  }
  assert.equal(node.counters.get("handshake.ok"), 0);
});

test("it is on 127.0.0.1 alone, even of a node that listens on every address", async (t) => {
  const node = await startNode(t, { discovery: false, host: "0.0.0.0", httpPort: 0 });
  const httpPort = Number(new URL(node.httpUrl ?? "").port);
  const others = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ family, address }) => family === "IPv4" && address !== "127.0.0.1")
    .map(({ address }) => address);
  for (const host of ["127.0.0.2", ...others]) {
    const socket = connect(httpPort, host);
    const refused = await new Promise((resolve) => {
      socket.once("error", () => resolve(true)).once("connect", () => resolve(false));
    });
    socket.destroy();
    assert.equal(refused, true, host);
  }
});

test("it closes with its node, a stream that is read included", async (t) => {
  const node = await startNode(t, { discovery: false, httpPort: 0 });
  const outgoing = get(`${node.httpUrl}/api/events`, { agent: false });
  const [incoming] = await once(outgoing, "response");
  incoming.on("error", () => undefined).resume();
  const closed = once(incoming, "close");
  await node.close();
  await closed;
  await assert.rejects(ask(`${node.httpUrl}/api/ping`), { code: "ECONNREFUSED" });
});

test("a port that is taken is told of, and leaves nothing behind", async (t) => {
  const first = await startNode(t, { discovery: false, httpPort: 0 });
  const httpPort = Number(new URL(first.httpUrl ?? "").port);
  await assert.rejects(startNode(t, { discovery: false, httpPort }), {
    code: "bind_failed",
    message: /another program/,
  });
  for (const wrong of [-1, 65_536, 1.5]) {
    await assert.rejects(startNode(t, { discovery: false, httpPort: wrong }), RangeError);
  }
});
