// A peer with a port and a key of its own, which is proven, and a DhtService that lies.
import type { ServiceImpl } from "@connectrpc/connect";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import { createNode } from "../../src/create-node.ts";
import type { DswarmNode } from "../../src/node/node.ts";
import type { NodeFacts } from "../lib/node-under-attack.ts";

/** Starts one that is in nobody's table yet. What it does not lie about it does not serve. */
export async function createLiar(network: string, lies: Partial<ServiceImpl<typeof DhtService>>): Promise<DswarmNode> {
  const liar = await createNode({ network, discovery: false, dht: { isClient: true }, api: false });
  liar.serve(DhtService, { ping: ({ nonce }) => ({ nonce }), ...lies });
  return liar;
}

/** Makes a node hear of a liar's port, which answers there. */
export async function introduce(liar: DswarmNode, node: NodeFacts): Promise<void> {
  await liar.client(DhtService, node.address).ping({ nonce: new Uint8Array(8), port: liar.port });
}
