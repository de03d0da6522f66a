// What anybody who reaches a node's ports can do to it: nothing. Each victim is a process of its own.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { networkKeyOf } from "../../../src/channel/options.ts";
import { encodeAnnounce, networkIdOf } from "../../../src/discovery/announce.ts";
import { generateKeyPair, keyPairFromSeed } from "../../../src/identity/keys.ts";
import { openRaw, openTls } from "../channel/rig.ts";
import { startChild } from "./child-node.ts";
import { apiJson, apiPing, startNode, testNetwork } from "./rig.ts";
import { assertUnharmed, startVictim } from "./victim.ts";

const group = "239.255.255.19";
/** Datagrams at once, fewer than a socket's buffer holds. */
const batch = 50;

function openTcp(t: TestContext, port: number): Socket {
  const socket = connect(port, "127.0.0.1");
  // The victim may end it in any way.
  socket.on("error", () => undefined);
  t.after(() => socket.destroy());
  return socket;
}

/** Resolves when a connection has ended, by a reset too. */
function closed(socket: Socket): Promise<unknown> {
  socket.resume();
  return new Promise((resolve) => socket.once("close", resolve));
}

/**
 * Sends datagrams to the group and to the port alone by turns, a batch at a time, until the node has had enough. The kernel
 * drops datagrams that its buffer does not hold, so a count of those sent says nothing.
 * @param hasEnough asks the node, which answers after it has read what came before
 */
async function sendDatagrams(
  udpPort: number,
  packet: (i: number) => Uint8Array,
  hasEnough: () => Promise<boolean>,
): Promise<void> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.setMulticastInterface("127.0.0.1");
  socket.setMulticastTTL(0);
  let sent = 0;
  while (!(await hasEnough())) {
    for (const end = sent + batch; sent < end; sent++) {
      const address = sent % 2 === 0 ? group : "127.0.0.1";
      await new Promise((taken) => socket.send(packet(sent), udpPort, address, taken));
    }
  }
  socket.close();
}

test("a burst of a hundred pings by /api harms no node", async (t) => {
  // A busy machine may take long for a hundred TLS handshakes at once, in which no peer is to be forgotten for its silence.
  const victim = await startVictim(t, { handshakeTimeoutMs: 60_000, intervalMs: 5000 });
  const peers = await Promise.all([1, 2, 3].map(() => startNode(t, victim.options)));
  for (const { id } of peers) await victim.child.told("peer", { id: id.toString() });
  const bursts = await Promise.all(Array.from({ length: 100 }, () => apiPing(victim.port, "?timeoutMs=60000")));
  for (const results of bursts) {
    assert.equal(results.length, 3);
    for (const { ok, error } of results) assert.equal(ok, true, error?.message);
  }
  await assertUnharmed(t, victim);
});

test("ten thousand stray and fuzzed datagrams harm no node", async (t) => {
  const victim = await startVictim(t);
  const { network, discovery } = victim.options;
  const networkId = networkIdOf(networkKeyOf(network));
  const content = { port: 1, addresses: [], certificateSha256: undefined, epochMs: Date.now(), leaving: false };
  const announce = encodeAnnounce(content, networkId, generateKeyPair());
  const packetOf = (i: number): Uint8Array => {
    if (i % 4 === 0) return randomBytes(i % 1400);
    if (i % 4 === 1) return Buffer.alloc(i % 64, "ping");
    const fuzzed = Buffer.from(announce);
    if (i % 4 === 2) return fuzzed.subarray(0, i % fuzzed.length);
    for (let flips = (i % 3) + 1; flips > 0; flips--) fuzzed[(i * flips) % fuzzed.length] = randomBytes(1)[0] ?? 0;
    return fuzzed;
  };
  const hasEnough = async () => ((await victim.counters())["announce.received"] ?? 0) >= 10_000;
  await sendDatagrams(discovery.udpPort, packetOf, hasEnough);
  const counters = await victim.counters();
  const dropped = Object.entries(counters).filter(([name]) => name.startsWith("announce.dropped."));
  t.diagnostic(`dropped: ${dropped.map(([name, count]) => `${name.split(".")[2]} ${count}`).join(", ")}`);
  await assertUnharmed(t, victim);
});

test("announces of the node's own key, with another port, make it neither a peer of itself nor dial itself", async (t) => {
  const options = await testNetwork();
  const seed = randomBytes(32);
  const child = await startChild(t, { ...options, seed: seed.toString("hex") });
  const networkId = networkIdOf(networkKeyOf(options.network));
  const forged = encodeAnnounce(
    { port: child.port + 1, addresses: [], certificateSha256: undefined, epochMs: Date.now() + 5000, leaving: false },
    networkId,
    keyPairFromSeed(seed),
  );
  const counters = async () => (await apiJson(child.port, "/api/status")).counters;
  const hasEnough = async () => ((await counters())["announce.dropped.own"] ?? 0) >= 20;
  await sendDatagrams(options.discovery.udpPort, () => forged, hasEnough);
  assert.deepEqual(child.all("peer"), []);
  assert.deepEqual(await apiPing(child.port), []);
  child.assertUnharmed();
});

const messages: readonly (readonly [name: string, message: (networkKey: Uint8Array) => Uint8Array | string])[] = [
  ["a binary message of 10 bytes", () => randomBytes(10)],
  ["no byte at all", () => Buffer.alloc(0)],
  ["a text message", () => "ping"],
  ["a message over the size limit", () => randomBytes(1_048_577)],
  ["64 bytes that are no hello", () => randomBytes(64)],
  [
    "a hello with an ephemeral key of zeros under a valid HMAC",
    (networkKey) => {
      const ephemeral = Buffer.alloc(32);
      const mac = createHmac("sha512", networkKey).update(ephemeral).digest().subarray(0, 32);
      return Buffer.concat([mac, ephemeral]);
    },
  ],
];

test("no first message on /dht harms a node", async (t) => {
  const victim = await startVictim(t);
  for (const [name, message] of messages) {
    const peer = await openRaw(victim.port);
    peer.send(message(networkKeyOf(victim.options.network)));
    await peer.closed().catch(() => assert.fail(`${name} keeps the connection open`));
    victim.child.assertUnharmed();
  }
  await assertUnharmed(t, victim);
});

test("garbage instead of TLS, and garbage instead of HTTP after it, harm no node", async (t) => {
  const victim = await startVictim(t);
  const garbage = [randomBytes(1), randomBytes(100_000), Buffer.from("GET / HTTP/1.1\r\n\r\n"), Buffer.alloc(5)];
  for (const bytes of garbage) {
    const plain = openTcp(t, victim.port);
    plain.end(bytes);
    await closed(plain);
  }
  const requests = [
    randomBytes(1000),
    "GET",
    "GET /api/ping HTTP/9.9\r\n\r\n",
    "GET /dht HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    `GET /api/ping HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
    "POST /api/ping HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{",
    "POST /api/ping HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  ];
  for (const request of requests) {
    const socket = await openTls(victim.port);
    socket.end(request);
    await closed(socket);
  }
  await assertUnharmed(t, victim);
});

test("hundreds of connections that are never finished harm no node", async (t) => {
  const victim = await startVictim(t);
  const sockets = Array.from({ length: 200 }, () => openTcp(t, victim.port));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  // There is room for others beside them.
  assert.deepEqual(await apiPing(victim.port), []);
  const excess = Array.from({ length: 300 }, () => openTcp(t, victim.port));
  await Promise.all([...sockets, ...excess].map(closed));
  const counters = await victim.counters();
  assert.ok((counters["handshake.failed.too_many_connections"] ?? 0) > 0);
  assert.ok((counters["handshake.failed.handshake_timeout"] ?? 0) >= 200);
  await assertUnharmed(t, victim);
});
