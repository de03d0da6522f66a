// Floods a network with signed announces of invented keys until its parent disconnects, or 90 seconds are over. It prepares the announces
// first, and sends them round after round.
//
//     node announce-flood-process.ts NETWORK UDP-PORT STRANGERS PER-SECOND ROUNDS SOURCES TARPITS
//
// The announces come from SOURCES UDP ports. They name closed ports, or in turn TARPITS ports that accept connections and never answer.
// The process says "flooding" to its parent when it begins, and "over" after the last round.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { networkKeyOf } from "../../../src/channel/options.ts";
import { encodeAnnounce, networkIdOf } from "../../../src/discovery/announce.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";

const [network = "", ...numbers] = process.argv.slice(2);
const [udpPort = 0, strangers = 0, perSecond = 0, rounds = 0, sources = 0, tarpits = 0] = numbers.map(Number);
const group = "239.255.255.19";
const stepMs = 10;
// The kernel drops what a socket's buffer does not hold.
const mostAtOnce = 50;
const longestMs = 90_000;

async function openSource(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.setMulticastInterface("127.0.0.1");
  socket.setMulticastTTL(0);
  return socket;
}

async function openTarpit(): Promise<number> {
  const server = createServer((socket) => socket.on("error", () => socket.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

process.once("disconnect", () => process.exit());
const ports = await Promise.all(Array.from({ length: tarpits }, openTarpit));
const sockets = await Promise.all(Array.from({ length: sources }, openSource));
const networkId = networkIdOf(networkKeyOf(network));
const packets = Array.from({ length: strangers }, (_, i) => {
  const content = { addresses: [], certificateSha256: undefined, epochMs: Date.now(), leaving: false };
  return encodeAnnounce({ ...content, port: ports[i % tarpits] ?? 1 + (i % 1000) }, networkId, generateKeyPair());
});
process.send?.("flooding");
const startedAt = performance.now();
for (let sent = 0; sent < strangers * rounds && performance.now() - startedAt < longestMs; ) {
  const due = Math.ceil(((performance.now() - startedAt) / 1000) * perSecond);
  for (const end = Math.min(due, strangers * rounds, sent + mostAtOnce); sent < end; sent++)
    sockets[sent % sources]?.send(packets[sent % strangers] ?? "", udpPort, group);
  await new Promise((go) => setTimeout(go, stepMs));
}
process.send?.("over");
for (const socket of sockets) socket.close();
