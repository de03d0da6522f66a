// What strangers may try before they have proven a key. After each attempt the listener still serves, and has named the
// fault in its log; the stranger has seen nothing but a closed connection.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { test } from "node:test";
import { Handshake } from "../../../src/channel/handshake.ts";
import { networkKeyOf } from "../../../src/channel/options.ts";
import { generateKeyPair, type KeyPair } from "../../../src/identity/keys.ts";
import type { NodeId } from "../../../src/identity/node-id.ts";
import type { ErrorCode } from "../../../src/util/errors.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { createRig, OpenLink, openRaw, openTls, type RawPeer, type Rig, until } from "./rig.ts";

const helloBytes = 64;

interface Attempt {
  readonly name: string;
  readonly code: ErrorCode;
  /** Bytes that the listener sends before it closes. @default 0 */
  readonly answered?: number;
  readonly act: (peer: RawPeer, rig: Rig) => Promise<void> | void;
}

function dialerOf(rig: Rig, changes: { keys?: KeyPair; remoteId?: NodeId; networkKey?: Uint8Array } = {}): Handshake {
  const { keys = generateKeyPair(), remoteId = rig.keys.id, networkKey = rig.networkKey } = changes;
  return Handshake.dialer({ keys, networkKey, remoteId, seed: randomBytes(32) });
}

function helloOf(handshake: Handshake): Buffer {
  return Buffer.from(handshake.start().send ?? []);
}

function hello(networkKey: Uint8Array, ephemeral: Uint8Array): Buffer {
  const mac = createHmac("sha512", networkKey).update(ephemeral).digest().subarray(0, 32);
  return Buffer.concat([mac, ephemeral]);
}

/** Sends a hello and returns the proof that belongs to the answer. */
async function prove(peer: RawPeer, handshake: Handshake): Promise<Buffer> {
  peer.send(helloOf(handshake));
  return Buffer.from(handshake.push(await peer.read(helloBytes)).send ?? []);
}

const lowOrderKeys = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "cdeb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
  "4c9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
  "d9ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "daffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "dbffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  // The first seven with the top bit set.
  "0000000000000000000000000000000000000000000000000000000000000080",
  "0100000000000000000000000000000000000000000000000000000000000080",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

const attempts: readonly Attempt[] = [
  {
    name: "a hello under a wrong HMAC",
    code: "hello_invalid",
    act: (peer) => peer.send(randomBytes(helloBytes)),
  },
  {
    name: "a hello of another network",
    code: "hello_invalid",
    act: (peer, rig) => peer.send(helloOf(dialerOf(rig, { networkKey: networkKeyOf("another") }))),
  },
  {
    name: "a hello that is too long",
    code: "hello_invalid",
    act: (peer, rig) => peer.send(Buffer.concat([helloOf(dialerOf(rig)), Buffer.of(0)])),
  },
  ...lowOrderKeys.map(
    (key): Attempt => ({
      name: `a hello with the low-order key ${key}`,
      code: "hello_low_order",
      act: (peer, rig) => peer.send(hello(rig.networkKey, Buffer.from(key, "hex"))),
    }),
  ),
  {
    name: "a replayed hello and proof",
    code: "authentication_failed",
    answered: helloBytes,
    async act(peer, rig) {
      const recorded = await openRaw(rig.port);
      const handshake = dialerOf(rig);
      const [firstHello, proof] = [helloOf(handshake), await prove(recorded, handshake)];
      recorded.send(proof);
      await recorded.read(80);
      recorded.socket.terminate();
      peer.send(firstHello);
      await until("the answer is there", () => peer.unreadBytes === helloBytes);
      peer.send(proof);
    },
  },
  {
    name: "a proof for another key than the listener's",
    code: "authentication_failed",
    act: async (peer, rig) => peer.send(await prove(peer, dialerOf(rig, { remoteId: generateKeyPair().id }))),
  },
  {
    name: "a proof signed by another key than it names",
    code: "authentication_failed",
    async act(peer, rig) {
      const keys = { id: generateKeyPair().id, secretKey: generateKeyPair().secretKey };
      peer.send(await prove(peer, dialerOf(rig, { keys })));
    },
  },
  {
    name: "random bytes for a proof",
    code: "authentication_failed",
    async act(peer, rig) {
      await prove(peer, dialerOf(rig));
      peer.send(randomBytes(112));
    },
  },
  {
    name: "the listener's own key",
    code: "self_connection",
    act: async (peer, rig) => peer.send(await prove(peer, dialerOf(rig, { keys: rig.keys }))),
  },
  { name: "a text message", code: "websocket_text", act: (peer) => peer.send("hello") },
  { name: "a text message of bad UTF-8", code: "websocket_text", act: (peer) => sendBadText(peer) },
  {
    name: "a message over maxMessageBytes",
    code: "websocket_too_large",
    act: (peer, rig) => peer.send(Buffer.alloc(rig.config.maxMessageBytes + 1)),
  },
  {
    name: "more fragments than are taken",
    code: "websocket_invalid",
    act(peer) {
      for (let i = 0; i < 1100; i++) peer.socket.send(Buffer.alloc(0), { fin: false });
    },
  },
  { name: "a hang-up before the hello", code: "handshake_truncated", act: (peer) => peer.socket.terminate() },
  { name: "a polite close before the hello", code: "handshake_truncated", act: (peer) => peer.socket.close(1000) },
  { name: "that it goes away before the hello", code: "handshake_truncated", act: (peer) => peer.socket.close(1001) },
  {
    name: "a message of ten bytes and a hang-up",
    code: "handshake_truncated",
    act(peer) {
      peer.send(randomBytes(10));
      peer.socket.close();
    },
  },
  {
    name: "a hang-up after the hellos",
    code: "handshake_truncated",
    async act(peer, rig) {
      await prove(peer, dialerOf(rig));
      peer.socket.terminate();
    },
  },
  {
    name: "a hang-up within the proof",
    code: "handshake_truncated",
    async act(peer, rig) {
      peer.send((await prove(peer, dialerOf(rig))).subarray(0, 111));
      peer.socket.close();
    },
  },
];

/** A text message with a byte that no UTF-8 has. */
function sendBadText(peer: RawPeer): void {
  peer.socket.send(Buffer.of(0xff), { binary: false });
}

test("no attempt before the proof does more than close its own connection", async (t) => {
  await using rig = await createRig();
  for (const { name, code, answered = 0, act } of attempts) {
    await t.test(name, async () => {
      const before = rig.counters.get(`handshake.failed.${code}`);
      const peer = await openRaw(rig.port);
      await act(peer, rig);
      await peer.closed();
      await rig.assertFailed(code, before + 1);
      assert.equal(peer.unreadBytes, answered, "nothing tells why");
      await rig.assertServes();
      await until("no connection is half-open", () => rig.listener.halfOpen === 0);
    });
  }
});

test("a stranger cannot make the listener hold more than 64 KiB", async () => {
  await using rig = await createRig();
  const peer = await openRaw(rig.port);
  peer.send(helloOf(dialerOf(rig)));
  await peer.read(helloBytes);
  // A part of a message: until the rest has come, nobody can tell whether it begins with a proof.
  peer.socket.send(randomBytes(66_000), { fin: false });
  await peer.closed();
  await rig.assertFailed("websocket_too_large");
  assert.match(rig.messages.at(-1) ?? "", /before the proof: at least 65537 bytes, the limit is 65536$/);
  await rig.assertServes();
});

test("every failed proof looks the same from outside", async () => {
  const refusing = { authorize: (id: NodeId) => id.toHex().startsWith("nobody") };
  await using rig = await createRig(refusing);
  const seen = new Set<string>();
  for (const changes of [{}, { remoteId: generateKeyPair().id }, { keys: rig.keys }]) {
    const peer = await openRaw(rig.port);
    peer.send(await prove(peer, dialerOf(rig, changes)));
    await peer.closed();
    seen.add(`${peer.unreadBytes} bytes, close code ${peer.closeCode}`);
  }
  assert.deepEqual([...seen], ["0 bytes, close code 1006"]);
  assert.equal(rig.counters.get("handshake.failed.peer_not_allowed"), 1);
  assert.equal(rig.counters.get("handshake.failed.authentication_failed"), 1);
  assert.equal(rig.counters.get("handshake.failed.self_connection"), 1);
});

test("a handshake in websocket fragments is as good as any", async () => {
  await using rig = await createRig();
  const peer = await openRaw(rig.port);
  const handshake = dialerOf(rig);
  const first = helloOf(handshake);
  peer.socket.send(first.subarray(0, 20), { fin: false });
  peer.socket.ping();
  peer.socket.send(first.subarray(20, 21), { fin: false });
  peer.socket.send(first.subarray(21));
  peer.send(handshake.push(await peer.read(helloBytes)).send ?? "");
  assert.ok(handshake.push(await peer.read(80)).outcome);
  peer.socket.terminate();
  assert.equal(await (await rig.accepted()).end(), "link_truncated");
});

test("silence is ended by the deadline at every stage, which counts from the TCP accept", async (t) => {
  const clock = new VirtualClock();
  await using rig = await createRig({ clock });
  const stages: Record<string, () => Promise<{ closed(): Promise<void> }>> = {
    "a TCP connection that says nothing": async () => openTcp(rig.port),
    "the first bytes of a TLS handshake": async () => openTcp(rig.port, Buffer.from("1603010200010001fc0303", "hex")),
    "TLS and no request": async () => ending(await openTls(rig.port)),
    "TLS and half a request": async () => {
      const socket = await openTls(rig.port);
      socket.write("GET /dht HTTP/1.1\r\nHost: a\r\n");
      return ending(socket);
    },
    "a websocket and no hello": async () => openRaw(rig.port),
    "a message of ten bytes": async () => {
      const peer = await openRaw(rig.port);
      peer.send(randomBytes(10));
      return peer;
    },
    "a hello and no proof": async () => {
      const peer = await openRaw(rig.port);
      await prove(peer, dialerOf(rig));
      return peer;
    },
  };
  const withoutRequest = new Set(Object.keys(stages).slice(0, 4));
  let failures = 0;
  let logged = 0;
  for (const [name, open] of Object.entries(stages)) {
    await t.test(name, async () => {
      const stranger = await open();
      await until("it is half-open", () => rig.listener.halfOpen === 1);
      await clock.advance(rig.config.handshakeTimeoutMs - 1);
      assert.equal(rig.listener.halfOpen, 1);
      await clock.advance(1);
      await stranger.closed();
      failures += 1;
      await rig.assertCounted("handshake_timeout", failures);
      if (!withoutRequest.has(name)) logged += 1;
      assert.equal(rig.logs.filter(({ event }) => event === "handshake_failed").length, logged);
      await until("it is gone", () => rig.listener.halfOpen === 0);
      await rig.assertServes();
    });
  }
});

test("a hang-up before any request is counted as truncated, and logged nowhere", async () => {
  await using rig = await createRig();
  (await openTls(rig.port)).destroy();
  await rig.assertCounted("handshake_truncated", 1);
  const tcp = await openTcp(rig.port);
  tcp.socket.resetAndDestroy();
  await rig.assertCounted("handshake_truncated", 2);
  const noTls = await openTcp(rig.port, Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  await noTls.closed();
  await rig.assertCounted("handshake_truncated", 3);
  await rig.assertServes();
  assert.deepEqual(rig.logs, []);
});

test("a flood of failures is counted in full and logged in part", async () => {
  const clock = new VirtualClock();
  await using rig = await createRig({ clock });
  const count = 40;
  for (let i = 0; i < count; i++) {
    const peer = await openRaw(rig.port);
    peer.send(randomBytes(helloBytes));
    await peer.closed();
  }
  await rig.assertFailed("hello_invalid", count);
  assert.ok(rig.logs.length < count);
  assert.equal(rig.logs.length + rig.counters.get("log.suppressed"), count);
  await clock.advance(60_000);
  const lines = rig.logs.length;
  (await openRaw(rig.port)).send(randomBytes(helloBytes));
  await until("there is a new line", () => rig.logs.length === lines + 1);
});

test("only keys that the hook allows become links", async () => {
  const friend = generateKeyPair();
  await using rig = await createRig({ authorize: (id) => id.equals(friend.id) });
  await assert.rejects(rig.dial(), { code: "authentication_failed" });
  await rig.assertFailed("peer_not_allowed");
  const link = new OpenLink(await rig.dial({ keys: friend }));
  await link.link.close();
  assert.equal(await link.end(), "goodbye");
});

function ending(socket: { readonly destroyed: boolean }): { closed(): Promise<void> } {
  return { closed: () => until("the connection is closed", () => socket.destroyed) };
}

async function openTcp(
  port: number,
  first?: Uint8Array,
): Promise<{ socket: ReturnType<typeof connect>; closed(): Promise<void> }> {
  const socket = connect(port, "127.0.0.1");
  // A reset by the other end is an end like any other here.
  socket.on("error", () => socket.destroy());
  socket.resume();
  await until("it is connected", () => socket.readyState === "open");
  if (first !== undefined) socket.write(first);
  return { socket, ...ending(socket) };
}

test("a peer that floods the websocket with pings or empty messages is cut off", async () => {
  for (const flood of ["ping", "empty"] as const) {
    await using rig = await createRig({ channel: { maxSmallMessages: 50, smallMessagesPerSecond: 1 } });
    const peer = await openRaw(rig.port);
    await peer.shakeAsDialer(rig);
    await until("it is accepted", () => rig.listener.connections === 1);
    for (let i = 0; i < 55; i++) {
      if (flood === "ping") peer.socket.ping();
      else peer.socket.send(Buffer.alloc(0));
    }
    await until("it is cut off", () => rig.counters.get("link.failed.too_many_faults") === 1);
  }
});
