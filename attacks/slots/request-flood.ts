// HTTP requests, as fast as the port takes them, from somebody who is not the owner.
import type { Attack } from "../attack.ts";

const connections = 16;
const pipelined = 200;
const request = "GET /api/status HTTP/1.1\r\nHost: rebound.example\r\n\r\n".repeat(pipelined);

export const requestFlood: Attack = {
  name: "request-flood",
  does: "16 connections send refused HTTP requests, 200 at a time without awaiting an answer.",
  promise: "Refused requests are cheap, and close their connection.",
  spends: { megabytes: 500, connections: 20_000, seconds: 8 },
  // The connections close and come again: TLS handshakes are most of the cost.
  limits: { slowdown: 30, p99FloorMs: 250, ownerMs: 1000 },
  async run(attacker) {
    const flood = async (): Promise<void> => {
      while (!attacker.isOver) {
        const socket = await attacker.tls({ from: "127.0.0.99" }).catch(() => undefined);
        if (socket !== undefined) {
          socket.resume();
          while (!attacker.isOver && socket.writable) {
            socket.write(request);
            await attacker.pause(20);
          }
          socket.destroy();
        }
        await attacker.pause(20);
      }
    };
    await Promise.all(Array.from({ length: connections }, flood));
  },
};
