// Proven connections of throwaway keys, more than a node takes, all kept open and idle.
import type { Attack } from "../attack.ts";
import { checkHandshakes } from "./handshakes.ts";

const connections = 1100;
const handshakes = 10;

export const linkHoard: Attack = {
  name: "link-hoard",
  does: "One address proves 1,100 throwaway keys and keeps every connection open (an address may have 1,024).",
  promise: "Shares per address apply: honest peers of other addresses connect, and the node's memory is bounded.",
  spends: { megabytes: 10, connections: 2000, seconds: 40 },
  nodes: [{ host: "0.0.0.0", discovery: false }],
  // Each handshake costs the node about a millisecond of its own.
  limits: { slowdown: 30, p99FloorMs: 250 },
  testScale: 0.1,
  async run(attacker) {
    const links = await attacker.dialAll(attacker.scaled(connections), { from: "127.0.0.88" });
    for (const link of links) link.read();
    await checkHandshakes(attacker, handshakes);
  },
};
