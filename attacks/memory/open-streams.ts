// Calls that are opened and then left alone: each costs the node its bookkeeping, and no credit.
import type { Attack } from "../attack.ts";
import { collect } from "../lib/methods.ts";

const connections = 64;
const streams = 1024;

export const openStreams: Attack = {
  name: "open-streams",
  does: "64 connections open 1,024 client-streaming calls each and send nothing on them.",
  promise: "What a call costs by being open counts, too.",
  spends: { megabytes: 10, connections: 64, seconds: 15 },
  limits: { stallMs: 1000, slowdown: 30, p99FloorMs: 250, ownerMs: 1000 },
  async run(attacker) {
    const links = await attacker.dialAll(attacker.scaled(connections));
    for (const link of links) {
      link.read();
      for (let i = 0; i < streams; i++) link.encoder.open(2 * i + 1, collect, 0, undefined, false);
      await link.flush();
    }
    await attacker.pause(attacker.scaledMs(5000));
  },
};
