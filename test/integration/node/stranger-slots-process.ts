// In a network namespace of its own, whose loopback interface has addresses of a LAN: a node on all of them, strangers that fill its
// slots from the LAN's addresses, and an honest peer and the owner beside them. Prints a report as JSON.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { request } from "node:https";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { dial } from "../../../src/channel/dial.ts";
import { networkKeyOf, resolveChannelOptions } from "../../../src/channel/options.ts";
import { createNode } from "../../../src/create-node.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { systemClock } from "../../../src/util/clock.ts";

/** What is printed. */
export interface StrangerSlotsReport {
  /** Statuses of the owner's requests beside strangers whose requests are refused and never end. */
  readonly besideRequests: readonly number[];
  /** The same beside strangers that begin no request. */
  readonly besideSilence: readonly number[];
  /** Honest handshakes that succeeded beside the latter. */
  readonly handshakes: number;
  /** Connections of the strangers that wait with a refused request a while after it, at the end. */
  readonly lingering: number;
}

const node = "10.99.0.1";
const peer = "10.99.0.2";
const strangers = ["10.99.0.3", "10.99.0.4", "10.99.0.5", "10.99.0.6", "10.99.0.7"];
const tries = 12;

function keepQuiet<S extends Socket>(socket: S): S {
  socket.on("error", () => socket.destroy());
  socket.resume();
  return socket;
}

/** The owner's request, from this machine. Returns the status; 0 where there is no answer. */
function ask(port: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const options = { host: "127.0.0.1", port, path: "/api/status", rejectUnauthorized: false, agent: false };
  request(options, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  })
    .on("error", () => resolve(0))
    .end();
  return promise;
}

async function askOften(port: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < tries; i++) statuses.push(await ask(port));
  return statuses;
}

async function trickle(port: number, localAddress: string): Promise<Socket> {
  const socket = keepQuiet(
    connectTls({ socket: connectTcp({ host: node, port, localAddress }), rejectUnauthorized: false }),
  );
  await Promise.race([once(socket, "secureConnect"), once(socket, "close")]);
  socket.write(`POST /api/ping HTTP/1.1\r\nHost: ${node}\r\nContent-Length: 1000000\r\n\r\n{`);
  return socket;
}

execFileSync("ip", ["link", "set", "lo", "up"]);
for (const address of [node, peer, ...strangers]) {
  execFileSync("ip", ["address", "add", `${address}/32`, "dev", "lo"]);
}
await using host = await createNode({ host: "0.0.0.0", network: "slots", discovery: false });
const { port, id } = host;

const slow = await Promise.all(Array.from({ length: 256 }, () => trickle(port, strangers[0] ?? "")));
const besideRequests = await askOften(port);
const isOpen = (socket: Socket): boolean => !socket.destroyed;
for (let waits = 0; waits < 100 && slow.some(isOpen); waits++) await new Promise((go) => setTimeout(go, 100));
const lingering = slow.filter(isOpen).length;
for (const socket of slow) socket.destroy();

const silent = await Promise.all(
  Array.from({ length: 350 }, async (_, i) => {
    const localAddress = strangers[i % strangers.length] ?? "";
    const socket = keepQuiet(connectTcp({ host: node, port, localAddress }));
    await once(socket, "connect");
    return socket;
  }),
);
let handshakes = 0;
for (let i = 0; i < tries; i++) {
  const options = { keys: generateKeyPair(), networkKey: networkKeyOf("slots"), clock: systemClock };
  const address = { id, host: node, port };
  try {
    const link = await dial({ ...options, address, config: resolveChannelOptions({ handshakeTimeoutMs: 20_000 }) });
    handshakes += 1;
    await link.close();
  } catch {
    // It is not counted.
  }
}
const besideSilence = await askOften(port);
for (const socket of silent) socket.destroy();
const report: StrangerSlotsReport = { besideRequests, besideSilence, handshakes, lingering };
console.log(JSON.stringify(report));
