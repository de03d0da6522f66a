// libp2p's kad-dht on TCP, each node dialing the first.
import { createHash } from "node:crypto";
import { noise } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import { identify } from "@libp2p/identify";
import { kadDHT, passthroughMapper, type SingleKadDHT } from "@libp2p/kad-dht";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { createLibp2p } from "libp2p";
import type { DhtMember, DhtSystem } from "../lib/dht-system.ts";

const prefix = "bench";

export const system: DhtSystem = {
  label: "libp2p kad-dht",
  note: "Noise and yamux on TCP, a stream for each query; all nodes dial the first; 20 replicas. At most 50 nodes: 100 take too long.",
  maxNodes: 50,

  createNetwork() {
    const all: Node[] = [];
    return {
      async add(count) {
        const nodes = await Promise.all(Array.from({ length: count }, startNode));
        all.push(...nodes);
        const [first] = all;
        const addresses = first?.getMultiaddrs() ?? [];
        for (const node of nodes) if (node !== first) await node.dial(addresses);
        return nodes.map(member);
      },
    };
  },
};

type Node = Awaited<ReturnType<typeof startNode>>;

function startNode() {
  return createLibp2p({
    addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // All nodes have one address.
    connectionManager: { inboundConnectionThreshold: 1000 },
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({
        protocol: "/bench/kad/1.0.0",
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        validators: {
          [prefix]: (key, value) => {
            if (pathOf(value) !== new TextDecoder().decode(key)) throw new Error("the value is not the key's");
          },
        },
        selectors: { [prefix]: () => 0 },
      }),
    },
  });
}

function pathOf(value: Uint8Array): string {
  return `/${prefix}/${createHash("sha256").update(value).digest("hex")}`;
}

function member(node: Node): DhtMember {
  const { routingTable } = node.services.dht as SingleKadDHT;
  return {
    get contacts() {
      return routingTable.size;
    },
    async put(value) {
      const key = pathOf(value);
      await node.contentRouting.put(new TextEncoder().encode(key), value);
      return key;
    },
    get: (key) => node.contentRouting.get(new TextEncoder().encode(key)),
    async kill() {
      for (const connection of node.getConnections()) connection.abort(new Error("killed"));
      await node.stop();
    },
  };
}
