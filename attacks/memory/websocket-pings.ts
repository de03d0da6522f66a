// Pings of the websocket itself, below the boxes: each is answered by a pong, which the attacker does not read.
import type { Socket } from "node:net";
import type { Attack } from "../attack.ts";

const connections = 4;
const pingsAtOnce = 7000;
/** A ping with 125 bytes, masked with zeros. */
const ping = Buffer.concat([Buffer.from([0x89, 0xfd, 0, 0, 0, 0]), new Uint8Array(125)]);
const pings = Buffer.concat(Array.from({ length: pingsAtOnce }, () => ping));
const highWaterBytes = 4 << 20;

export const websocketPings: Attack = {
  name: "websocket-pings",
  does: "4 proven connections send websocket pings of 125 bytes as fast as they can, and never read the pongs.",
  promise: "Bytes produced for a peer count until its socket takes them, on every layer.",
  spends: { megabytes: 1500, connections: 100, seconds: 12 },
  limits: { stallMs: 1000, slowdown: 30, p99FloorMs: 250, ownerMs: 1000 },
  testScale: 0.1,
  async run(attacker) {
    const attackOnce = async (): Promise<void> => {
      const link = await attacker.dial();
      // The socket below `ws`, whose own ping() would mask and count each ping.
      const { _socket: socket } = link.socket as unknown as { readonly _socket: Socket };
      while (!attacker.isOver && !link.isClosed) {
        socket.write(pings);
        attacker.count(pings.length);
        await attacker.until(() => socket.writableLength < highWaterBytes || link.isClosed || attacker.isOver, 60_000);
        await attacker.pause(1);
      }
      link.close();
    };
    const attackOn = async (): Promise<void> => {
      while (!attacker.isOver) {
        await attackOnce().catch(() => undefined);
        await attacker.pause(100);
      }
    };
    await Promise.all(Array.from({ length: connections }, attackOn));
  },
};
