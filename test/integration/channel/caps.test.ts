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

test("connections over maxHalfOpen are closed at once, and room comes back", async () => {
  await using rig = await createRig({ channel: { maxHalfOpen: 3 } });
  const silent: Socket[] = [];
  for (let i = 0; i < 3; i++) silent.push(await openTcp(rig.port));
  await until("all are half-open", () => rig.listener.halfOpen === 3);
  await assertClosed(await openTcp(rig.port));
  await rig.assertFailed("too_many_connections");
  await assert.rejects(rig.dial(), { code: "unreachable" });
  assert.ok(silent.every((socket) => !socket.destroyed));
  silent.pop()?.destroy();
  await until("there is room", () => rig.listener.halfOpen === 2);
  await rig.assertServes();
  for (const socket of silent) socket.destroy();
});

test("one address cannot take the room of others", async () => {
  await using rig = await createRig({ channel: { maxHalfOpenPerAddress: 2 } });
  const silent = [await openTcp(rig.port, "127.0.0.2"), await openTcp(rig.port, "127.0.0.2")];
  await until("both are half-open", () => rig.listener.halfOpen === 2);
  await assertClosed(await openTcp(rig.port, "127.0.0.2"));
  await until("it is counted", () => rig.counters.get("handshake.failed.too_many_connections") === 1);
  await rig.assertServes();
  for (const socket of silent) socket.destroy();
});

test("a handshake that is under way counts as half-open until it is done", async () => {
  await using rig = await createRig({ channel: { maxHalfOpen: 1 } });
  const peer = await openRaw(rig.port);
  await assertClosed(await openTcp(rig.port));
  await peer.shakeAsDialer(rig);
  await until("it is done", () => rig.listener.halfOpen === 0 && rig.listener.connections === 1);
  await rig.assertServes();
  peer.socket.terminate();
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

test("connections in HTTP use are capped apart, and leave the half-open ones", async () => {
  await using rig = await createRig({ channel: { maxHalfOpen: 1, maxHttpConnections: 2 } });
  for (let i = 0; i < 2; i++) {
    const socket = await openTls(rig.port);
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(socket, "data");
    await until("it is not half-open", () => rig.listener.halfOpen === 0);
  }
  const third = await openTls(rig.port);
  third.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await assertClosed(third);
  await rig.assertFailed("too_many_connections");
  await rig.assertServes();
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
