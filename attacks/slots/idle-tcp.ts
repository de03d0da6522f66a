// Connections that say nothing at all: the cheapest way to hold a place that others need.
import type { Attack } from "../attack.ts";
import { checkHandshakes } from "./handshakes.ts";

const connections = 350;
const sources = 5;
const handshakes = 12;

export const idleTcp: Attack = {
  name: "idle-tcp",
  does: "350 TCP connections from 5 addresses say nothing, and are made again when they are closed.",
  promise: "The oldest unproven connection gives way: honest handshakes and the owner get through.",
  spends: { megabytes: 1, connections: 20_000, seconds: 10 },
  nodes: [{ host: "0.0.0.0", discovery: false }],
  testScale: 0.25,
  async run(attacker) {
    const hold = async (i: number): Promise<void> => {
      while (!attacker.isOver) {
        const socket = attacker.tcp({ from: `127.0.0.${10 + (i % sources)}` });
        socket.resume();
        await new Promise((closed) => socket.once("close", closed));
        await attacker.pause(200);
      }
    };
    for (let i = 0; i < connections; i++) void hold(i);
    await attacker.pause(1000);
    await checkHandshakes(attacker, handshakes);
  },
};
