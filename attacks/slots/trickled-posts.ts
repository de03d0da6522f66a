// Requests that never end, on the port that the owner's API is on, too.
import { networkInterfaces } from "node:os";
import type { Attack } from "../attack.ts";
import { checkHandshakes } from "./handshakes.ts";

const connections = 256;
const handshakes = 10;
const head =
  "POST /api/values HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{";

/** An address of this machine that is not loopback, so that the API refuses who comes from it; else a loopback one. */
function lanAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.77";
}

export const trickledPosts: Attack = {
  name: "trickled-posts",
  does: "256 TLS connections of one LAN address send a POST that is refused, and go on sending its body byte by byte.",
  promise: "Refused requests close, and the owner has a reserve.",
  spends: { megabytes: 5, connections: 5000, seconds: 12 },
  nodes: [{ host: "0.0.0.0", discovery: false }],
  testScale: 0.25,
  async run(attacker) {
    const address = lanAddress();
    const hold = async (): Promise<void> => {
      while (!attacker.isOver) {
        const socket = await attacker.tls({ from: address, to: address }).catch(() => undefined);
        if (socket !== undefined) {
          socket.resume();
          socket.write(head);
          const trickle = setInterval(() => socket.write(" "), 500);
          await new Promise((closed) => socket.once("close", closed));
          clearInterval(trickle);
        }
        await attacker.pause(100);
      }
    };
    for (let i = 0; i < connections; i++) void hold();
    await attacker.pause(attacker.scaledMs(2000));
    await checkHandshakes(attacker, handshakes, 500);
  },
};
