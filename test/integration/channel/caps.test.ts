// How much of a listener strangers can hold, and what it answers beyond that.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { createRig, OpenLink, openRaw, openTls, until } from "./rig.ts";

async function openTcp(port: number, localAddress = "127.0.0.1"): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  // A reset by the other end is an end like any other here.
  socket.on("error", () => socket.destroy());
  socket.resume();
  await once(socket, "connect");
  return socket;
}

async function assertClosed(socket: Socket): Promise<void> {
  await until("the connection is closed", () => socket.destroyed);
}

test("where connections are over maxHalfOpen, the oldest gives way, so that silent ones keep nobody out", async () => {
  await using rig = await createRig({ channel: { maxHalfOpen: 3 } });
  const silent: Socket[] = [];
  for (let i = 0; i < 3; i++) silent.push(await openTcp(rig.port));
  await until("all are half-open", () => rig.listener.halfOpen === 3);
  await rig.assertServes();
  await rig.assertFailed("too_many_connections");
  await until("the oldest is closed", () => silent[0]?.destroyed === true);
  assert.deepEqual(
    silent.map((socket) => socket.destroyed),
    [true, false, false],
  );
  assert.equal(rig.counters.get("connections.gave_way"), 1);
  for (const socket of silent) socket.destroy();
});

test("the address that has most gives way, not the one that has been there longest", async () => {
  await using rig = await createRig({ channel: { maxHalfOpen: 4 } });
  const alone = await openTcp(rig.port, "127.0.0.3");
  const silent: Socket[] = [];
  for (let i = 0; i < 9; i++) silent.push(await openTcp(rig.port, "127.0.0.2"));
  await until("most are closed", () => silent.filter((socket) => socket.destroyed).length === 6);
  await rig.assertServes();
  assert.equal(alone.destroyed, false);
  for (const socket of [alone, ...silent]) socket.destroy();
});

test("a handshake that is under way has a place of its own until it is done", async () => {
  await using rig = await createRig({ channel: { maxHalfOpen: 1 } });
  const peer = await openRaw(rig.port);
  const silent = await openTcp(rig.port);
  await until("both are half-open", () => rig.listener.halfOpen === 2);
  await peer.shakeAsDialer(rig);
  await until("it is done", () => rig.listener.halfOpen === 1 && rig.listener.connections === 1);
  await rig.assertServes();
  await assertClosed(silent);
  peer.socket.terminate();
});

test("of handshakes over maxHalfOpen the oldest gives way", async () => {
  await using rig = await createRig({ channel: { maxHalfOpen: 2 } });
  const peers = [await openRaw(rig.port), await openRaw(rig.port)];
  await until("both are half-open", () => rig.listener.halfOpen === 2);
  await rig.assertServes();
  await rig.assertFailed("too_many_connections");
  for (const { socket } of peers) socket.terminate();
});

test("links over maxConnections are refused with 503, which a dialer is told, and room comes back", async () => {
  await using rig = await createRig({ channel: { maxConnections: 2 } });
  const first = new OpenLink(await rig.dial());
  // A handshake under way has its place already.
  const peer = await openRaw(rig.port);
  await assert.rejects(rig.dial(), { code: "too_many_connections", retryable: true });
  await rig.assertFailed("too_many_connections");
  peer.socket.terminate();
  await until("its place is free", () => rig.listener.halfOpen === 0);
  await rig.assertServes();
  await first.link.close();
});

test("links of one address over maxConnectionsPerAddress are refused", async () => {
  await using rig = await createRig({ channel: { maxConnectionsPerAddress: 1 } });
  const first = new OpenLink(await rig.dial());
  await assert.rejects(rig.dial(), { code: "too_many_connections" });
  await first.link.close();
  await until("its connection is closed", () => rig.listener.connections === 0);
  // The TCP connection may outlive the link by a moment.
  let link = await rig.dial().catch(() => undefined);
  while (link === undefined) link = await rig.dial().catch(() => undefined);
  await new OpenLink(link).link.close();
});

test("connections in HTTP use are capped apart, and the one gives way that waits for a request", async () => {
  await using rig = await createRig({ channel: { maxHalfOpen: 1, maxHttpConnections: 2 } });
  const used: Socket[] = [];
  for (let i = 0; i < 3; i++) {
    const socket = await openTls(rig.port);
    used.push(socket);
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(socket, "data");
    await until("it is not half-open", () => rig.listener.halfOpen === 0);
  }
  await until("the first is closed", () => used[0]?.destroyed === true);
  assert.deepEqual(
    used.map((socket) => socket.destroyed),
    [true, false, false],
  );
  await rig.assertServes();
  for (const socket of used) socket.destroy();
});

test("a request that comes slowly gives way, and one that is being answered does not", async () => {
  await using rig = await createRig({ channel: { maxHttpConnections: 2 } });
  rig.server.on("request", (request, response) => {
    if (request.url === "/long") response.write("begun");
  });
  const long = await openTls(rig.port);
  long.write("GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
  await once(long, "data");
  const slow: Socket[] = [];
  for (let i = 0; i < 5; i++) {
    const socket = await openTls(rig.port);
    slow.push(socket);
    socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1");
    await until("it is seen", () => rig.listener.halfOpen === 0);
  }
  await until("all but the last are closed", () => slow.slice(0, -1).every((socket) => socket.destroyed));
  assert.equal(long.destroyed, false);
  for (const socket of [long, ...slow]) socket.destroy();
});

test("where all links are taken, one of the address that has most gives way to another address", async () => {
  await using rig = await createRig({ channel: { maxConnections: 3 } });
  const links: OpenLink[] = [];
  for (let i = 0; i < 3; i++) links.push(new OpenLink(await rig.dial()));
  await until("all are accepted", () => rig.listener.connections === 3);
  await assert.rejects(rig.dial(), { code: "too_many_connections" });
  const other = await openRaw(rig.port, "127.0.0.2");
  await until("the oldest is closed", () => links[0]?.isClosed === true);
  await other.shakeAsDialer(rig);
  await until("the other is accepted", () => rig.listener.connections === 3);
  other.socket.terminate();
  await Promise.all(links.slice(1).map(({ link }) => link.close()));
});

test("many good peers at once are all served", async () => {
  await using rig = await createRig();
  const dialed = await Promise.all(Array.from({ length: 40 }, () => rig.dial()));
  const links = dialed.map((link) => new OpenLink(link));
  for (const { link } of links) link.write(randomBytes(100));
  await until("all are answered", () => links.every(({ receivedBytes }) => receivedBytes === 100));
  assert.equal(rig.listener.connections, 40);
  assert.equal(rig.listener.halfOpen, 0);
  await Promise.all(links.map(({ link }) => link.close()));
});

test("the deadline ends with the handshake: a link lasts", async () => {
  const clock = new VirtualClock();
  await using rig = await createRig({ clock });
  const dialed = new OpenLink(await rig.dial({ keys: generateKeyPair() }));
  await until("it is accepted", () => rig.listener.connections === 1);
  await clock.advance(10 * rig.config.handshakeTimeoutMs);
  dialed.link.write(Buffer.from("still here"));
  await until("the echo is back", () => dialed.receivedBytes === 10);
  await dialed.link.close();
});
