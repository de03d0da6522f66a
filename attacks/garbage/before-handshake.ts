// Garbage on every layer that a stranger reaches without a key: TLS, HTTP, websocket, Secret Handshake, announces.
import { createHmac, randomBytes } from "node:crypto";
import type { Attack } from "../attack.ts";
import type { Attacker } from "../lib/attacker.ts";

const rounds = 100;

/** A hello whose key is of low order, under a valid HMAC: it must be refused before anything is computed with it. */
function lowOrderHello(networkKey: Uint8Array): Uint8Array {
  const key = new Uint8Array(32);
  return Buffer.concat([createHmac("sha512", networkKey).update(key).digest().subarray(0, 32), key]);
}

const requests: readonly (string | Uint8Array)[] = [
  "GET",
  "GET /api/ping HTTP/9.9\r\n\r\n",
  "GET /dht HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
  `GET /api HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
  `GET /${"%2e%2e/".repeat(500)}etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  "POST /api/ping HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  "POST /api/ping HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
];

async function round(attacker: Attacker, i: number): Promise<void> {
  const plain = attacker.tcp();
  plain.resume();
  plain.end(randomBytes(1 + ((i * 977) % 20_000)));
  const tls = await attacker.tls();
  tls.resume();
  tls.end(i % 2 === 0 ? randomBytes(1000) : (requests[(i >> 1) % requests.length] ?? ""));
  const socket = await attacker.webSocket();
  const messages = [randomBytes(10), randomBytes(64), lowOrderHello(attacker.networkKey), new Uint8Array(), "text"];
  socket.send(messages[i % messages.length] ?? "");
  if (i % 7 === 0) socket.send(randomBytes(1_100_000), () => undefined);
}

export const garbageBeforeHandshake: Attack = {
  name: "garbage-before-handshake",
  does: "100 rounds of garbage instead of TLS, HTTP, websocket messages and hellos, and 2,000 garbled datagrams.",
  promise: "A stray or hostile byte costs a counter and its own connection, and nothing else.",
  spends: { megabytes: 60, connections: 400, seconds: 20 },
  async run(attacker) {
    const garbled = Array.from({ length: attacker.scaled(2000) }, (_, i) => randomBytes(i % 1400));
    const datagrams = attacker.datagrams(garbled, 1000);
    for (let i = 0; i < attacker.scaled(rounds) && !attacker.isOver; i++) {
      await round(attacker, i).catch(() => undefined);
      await attacker.pause(30);
    }
    await datagrams;
    const { status } = await attacker.owner("/api/status");
    attacker.check("status afterwards", status, { most: 200 });
  },
};
