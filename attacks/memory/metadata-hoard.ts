// Metadata that a call carries, for as long as the call is open.
import type { Attack } from "../attack.ts";

const connections = 16;
const streams = 1024;
const valueBytes = 16_000;

export const metadataHoard: Attack = {
  name: "metadata-hoard",
  does: "16 connections open 1,024 calls each with 16 kB of metadata, and leave them open.",
  promise: "Metadata counts as bytes that the node holds for a peer.",
  spends: { megabytes: 300, connections: 16, seconds: 15 },
  limits: { stallMs: 1000, slowdown: 30, p99FloorMs: 250, ownerMs: 1000 },
  async run(attacker) {
    const links = await attacker.dialAll(attacker.scaled(connections));
    const metadata = [{ key: "x-bin", value: new Uint8Array(valueBytes) }];
    const method = "dswarm.example.v1.EchoService/Collect";
    await Promise.all(
      links.map(async (link) => {
        link.read();
        for (let i = 0; i < streams && !attacker.isOver; i++) {
          link.encoder.frame(2 * i + 1, { case: "open", value: { method, metadata } });
          if (!(await link.flush())) return;
        }
      }),
    );
    await attacker.pause(attacker.scaledMs(3000));
  },
};
