// dswarm's nodes, which find one another by multicast on loopback.
import { createNode } from "../../src/index.ts";
import type { DhtSystem } from "../lib/dht-system.ts";

const firstUdpPort = 30_000;
const udpPorts = 20_000;

export const system: DhtSystem = {
  label: "dswarm",
  note: "TLS 1.3, websocket, Secret Handshake and box stream on TCP; found by multicast; 20 replicas.",

  createNetwork() {
    // A port of its own for each network: it hears no other nodes of the machine.
    const udpPort = firstUdpPort + Math.floor(Math.random() * udpPorts);
    return {
      async add(count) {
        const nodes = await Promise.all(Array.from({ length: count }, () => createNode({ discovery: { udpPort } })));
        return nodes.map((node) => ({
          get contacts() {
            return node.dht.table.size;
          },
          put: async (value) => (await node.dht.put(value)).key.toString(),
          async get(key) {
            const record = await node.dht.get(key);
            return record?.kind === "immutable" ? record.value : undefined;
          },
          kill: () => node.abort(),
        }));
      },
    };
  },
};
