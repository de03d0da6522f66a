// What a dialer may find at an address: nothing, something else, or a server that misbehaves at every step.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { WebSocketServer } from "ws";
import { type DialOptions, dial } from "../../../src/channel/dial.ts";
import { Handshake } from "../../../src/channel/handshake.ts";
import { networkKeyOf, resolveChannelOptions } from "../../../src/channel/options.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { systemClock } from "../../../src/util/clock.ts";
import type { ErrorCode } from "../../../src/util/errors.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { createRawServer } from "./raw-server.ts";
import { createRig, type RawPeer, sharedCertificate, until } from "./rig.ts";

const keys = generateKeyPair();
const networkKey = networkKeyOf("hostile listener test");

function dialPort(port: number, changes: Partial<DialOptions> = {}): ReturnType<typeof dial> {
  const address = { id: keys.id, host: "127.0.0.1", port };
  const config = resolveChannelOptions();
  return dial({ address, keys: generateKeyPair(), networkKey, config, clock: systemClock, ...changes });
}

/** Runs `use` with a server listening on a port, and waits until all its connections are gone. */
async function withServer(server: Server, use: (port: number) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // A reset by the dialer is an end like any other here.
    socket.on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await use((server.address() as AddressInfo).port);
    await until("the dialer has let go of its connection", () => sockets.size === 0);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  }
}

test("a port where nothing listens is unreachable", async () => {
  const server = createServer();
  let closedPort = 0;
  await withServer(server, async (port) => {
    closedPort = port;
  });
  await assert.rejects(dialPort(closedPort), { code: "unreachable", retryable: true });
});

test("a server that resets or closes connections is unreachable", async () => {
  await withServer(
    createServer((socket) => socket.resetAndDestroy()),
    (port) => assert.rejects(dialPort(port), { code: "unreachable" }),
  );
  await withServer(
    createServer((socket) => socket.resume().end()),
    (port) => assert.rejects(dialPort(port), { code: "unreachable" }),
  );
});

test("a server that does not speak TLS 1.3 is not dswarm", async () => {
  const http = createHttpServer((_request, response) => response.end("hello"));
  await withServer(http, (port) => assert.rejects(dialPort(port), { code: "not_dswarm" }));
  const garbage = createServer((socket) => socket.resume().end("SSH-2.0-OpenSSH_9.6\r\n"));
  await withServer(garbage, (port) => assert.rejects(dialPort(port), { code: "not_dswarm" }));
  const old = createHttpsServer({ ...(await sharedCertificate()), maxVersion: "TLSv1.2" });
  await withServer(old, (port) => assert.rejects(dialPort(port), { code: "not_dswarm" }));
});

test("an HTTPS server that does not upgrade is not dswarm, and one that answers 503 is full", async () => {
  for (const [status, code] of [
    [200, "not_dswarm"],
    [301, "not_dswarm"],
    [404, "not_dswarm"],
    [426, "not_dswarm"],
    [503, "too_many_connections"],
  ] as const) {
    const server = createHttpsServer(await sharedCertificate(), (_request, response) => {
      response.writeHead(status, { Location: "https://127.0.0.1:1/" }).end("no");
    });
    await withServer(server, (port) => assert.rejects(dialPort(port), { code }));
  }
});

test("an answer that is no HTTP is not dswarm", async () => {
  const server = createHttpsServer(await sharedCertificate());
  server.on("secureConnection", (socket) => socket.end("220 mail.example ESMTP\r\n"));
  await withServer(server, (port) => assert.rejects(dialPort(port), { code: "not_dswarm" }));
});

test("a websocket of another subprotocol, or none, or a wrong accept key, is not dswarm", async () => {
  for (const protocol of ["chat", undefined]) {
    const server = createHttpsServer(await sharedCertificate());
    const webSockets = new WebSocketServer({ server, handleProtocols: () => protocol ?? false });
    webSockets.on("connection", (socket) => socket.on("error", () => socket.terminate()));
    await withServer(server, (port) => assert.rejects(dialPort(port), { code: "not_dswarm" }));
  }
  const server = createHttpsServer(await sharedCertificate());
  server.on("upgrade", (_request, socket) => {
    const head = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${head}\r\nSec-WebSocket-Protocol: dswarm.v1\r\n\r\n`);
  });
  await withServer(server, (port) => assert.rejects(dialPort(port), { code: "not_dswarm" }));
});

test("an address that cannot be dialed is refused at once", async () => {
  for (const host of ["two words", "", "a/b", "fe80::1%lo"]) {
    const address = { id: keys.id, host, port: 1 };
    await assert.rejects(dialPort(1, { address }), { code: "address_invalid" });
  }
  await assert.rejects(dialPort(65_536), { code: "address_invalid" });
});

test("a node does not dial its own key", async () => {
  await assert.rejects(dialPort(1, { keys }), { code: "self_connection" });
});

interface Misdeed {
  readonly name: string;
  readonly code: ErrorCode;
  readonly serve: (peer: RawPeer) => Promise<void> | void;
}

function listenerHandshake(changes: { keys?: typeof keys; networkKey?: Uint8Array } = {}): Handshake {
  return Handshake.listener({ keys, networkKey, seed: randomBytes(32), ...changes });
}

function hello(ephemeral: Uint8Array): Buffer {
  const mac = createHmac("sha512", networkKey).update(ephemeral).digest().subarray(0, 32);
  return Buffer.concat([mac, ephemeral]);
}

/** Answers the hello and returns the accept that belongs to the proof. */
async function answer(peer: RawPeer, handshake: Handshake): Promise<Buffer> {
  peer.send(handshake.push(await peer.read(64)).send ?? Buffer.alloc(0));
  return Buffer.from(handshake.push(await peer.read(112)).send ?? []);
}

const misdeeds: readonly Misdeed[] = [
  { name: "hangs up at once", code: "handshake_truncated", serve: (peer) => peer.socket.terminate() },
  { name: "closes politely at once", code: "handshake_truncated", serve: (peer) => peer.socket.close() },
  { name: "says at once that it closes down", code: "unreachable", serve: (peer) => peer.socket.close(1001) },
  {
    name: "says that it closes down when it has the proof",
    code: "unreachable",
    async serve(peer) {
      await answer(peer, listenerHandshake());
      peer.socket.close(1001);
    },
  },
  {
    name: "hangs up after the dialer's hello",
    code: "handshake_truncated",
    async serve(peer) {
      await peer.read(64);
      peer.socket.terminate();
    },
  },
  {
    name: "sends a short hello and hangs up",
    code: "handshake_truncated",
    serve(peer) {
      peer.send(randomBytes(63));
      peer.socket.close();
    },
  },
  { name: "sends a hello under a wrong HMAC", code: "hello_invalid", serve: (peer) => peer.send(randomBytes(64)) },
  {
    name: "sends a hello of another network",
    code: "hello_invalid",
    async serve(peer) {
      const other = networkKeyOf("another");
      const dialer = Handshake.dialer({ keys, networkKey: other, remoteId: keys.id, seed: randomBytes(32) });
      const { send } = listenerHandshake({ networkKey: other }).push(dialer.start().send ?? Buffer.alloc(0));
      peer.send(send ?? Buffer.alloc(0));
      await peer.closed();
    },
  },
  {
    name: "sends a hello that is too long",
    code: "hello_invalid",
    async serve(peer) {
      const { send } = listenerHandshake().push(await peer.read(64));
      peer.send(Buffer.concat([send ?? Buffer.alloc(0), Buffer.of(0)]));
    },
  },
  ...["00".repeat(32), `${"00".repeat(31)}80`, `01${"00".repeat(31)}`, `ec${"ff".repeat(30)}7f`].map(
    (key): Misdeed => ({
      name: `sends a hello with the low-order key ${key}`,
      code: "hello_low_order",
      serve: (peer) => peer.send(hello(Buffer.from(key, "hex"))),
    }),
  ),
  {
    name: "holds another key, and hangs up on the proof",
    code: "authentication_failed",
    async serve(peer) {
      const handshake = listenerHandshake({ keys: generateKeyPair() });
      await assert.rejects(answer(peer, handshake), { code: "authentication_failed" });
      peer.socket.terminate();
    },
  },
  {
    name: "sends random bytes for an accept",
    code: "authentication_failed",
    async serve(peer) {
      await answer(peer, listenerHandshake());
      peer.send(randomBytes(80));
    },
  },
  {
    name: "sends an accept with a flipped bit",
    code: "authentication_failed",
    async serve(peer) {
      const accept = await answer(peer, listenerHandshake());
      accept[79] = (accept[79] ?? 0) ^ 1;
      peer.send(accept);
    },
  },
  {
    name: "hangs up within the accept",
    code: "authentication_failed",
    async serve(peer) {
      peer.send((await answer(peer, listenerHandshake())).subarray(0, 79));
      peer.socket.close();
    },
  },
  { name: "sends a text message", code: "websocket_text", serve: (peer) => peer.send("hello") },
  {
    name: "sends a message over maxMessageBytes",
    code: "websocket_too_large",
    serve: (peer) => peer.send(Buffer.alloc(resolveChannelOptions().maxMessageBytes + 1)),
  },
];

test("a listener that breaks the handshake is named by its fault, and let go of", async (t) => {
  for (const { name, code, serve } of misdeeds) {
    await t.test(name, async () => {
      await using server = await createRawServer(async (peer) => {
        await serve(peer);
        await peer.closed();
      });
      await assert.rejects(dialPort(server.port), { code });
      assert.deepEqual(server.faults, []);
    });
  }
});

test("a listener's message over maxMessageBytes fails with the limit in its text", async () => {
  const { maxMessageBytes } = resolveChannelOptions();
  await using server = await createRawServer(async (peer) => {
    peer.send(Buffer.alloc(maxMessageBytes + 1));
    await peer.closed();
  });
  await assert.rejects(dialPort(server.port), {
    message: `a websocket message over the size limit: at least ${maxMessageBytes + 1} bytes, the limit is ${maxMessageBytes}`,
  });
});

test("silence is ended by the deadline at every stage", async (t) => {
  const silentTls = createHttpsServer(await sharedCertificate());
  const silentWebSocket = createHttpsServer(await sharedCertificate());
  const webSockets = new WebSocketServer({ server: silentWebSocket, handleProtocols: () => "dswarm.v1" });
  webSockets.on("connection", (socket) => socket.on("error", () => socket.terminate()));
  const stages: Record<string, readonly [Server, event: string]> = {
    "TCP without TLS": [createServer((socket) => socket.resume()), "connection"],
    "TLS without an answer": [silentTls, "request"],
    "a websocket without a hello": [silentWebSocket, "upgrade"],
  };
  for (const [name, [server, event]] of Object.entries(stages)) {
    await t.test(name, async () => {
      const clock = new VirtualClock();
      await withServer(server, async (port) => {
        const reached = once(server, event);
        const dialing = assert.rejects(dialPort(port, { clock }), { code: "handshake_timeout" });
        await reached;
        await clock.advance(resolveChannelOptions().handshakeTimeoutMs);
        await dialing;
      });
    });
  }
});

test("the signal ends an attempt at every stage with its own reason", async () => {
  const reason = new Error("no longer wanted");
  await assert.rejects(dialPort(1, { signal: AbortSignal.abort(reason) }), reason);
  const silentTls = createHttpsServer(await sharedCertificate());
  for (const [server, event] of [
    [createServer((socket) => socket.resume()), "connection"],
    [silentTls, "request"],
  ] as const) {
    await withServer(server, async (port) => {
      const controller = new AbortController();
      const reached = once(server, event);
      const dialing = assert.rejects(dialPort(port, { signal: controller.signal }), reason);
      await reached;
      controller.abort(reason);
      await dialing;
    });
  }
  const { promise: shaking, resolve } = Promise.withResolvers<RawPeer>();
  await using server = await createRawServer(async (peer) => {
    await peer.read(64);
    resolve(peer);
  });
  const controller = new AbortController();
  const dialing = assert.rejects(dialPort(server.port, { signal: controller.signal }), reason);
  const peer = await shaking;
  controller.abort(reason);
  await dialing;
  await peer.closed();
});

test("aborting the signal after the link is there does nothing to the link", async () => {
  await using rig = await createRig();
  const controller = new AbortController();
  const link = await rig.dial({ signal: controller.signal });
  controller.abort();
  await rig.assertServes();
  assert.equal(rig.listener.connections, 1);
  link.open({ data() {}, drain() {}, closed() {} });
  await link.close();
});
