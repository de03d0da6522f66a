// A peer as NodeService shows it.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type PeerSchema, PeerSource } from "../../gen/dswarm/v1/node_pb.ts";
import { sharedBits } from "../identity/node-id.ts";
import { formatHostPort } from "../identity/peer-address.ts";
import type { DswarmNode } from "./node.ts";
import type { PeerInfo, PeerOrigin } from "./peers.ts";

const maxUint32 = 2 ** 32 - 1;

const sources: Readonly<Record<PeerOrigin, PeerSource>> = {
  announce: PeerSource.ANNOUNCE,
  bootstrap: PeerSource.BOOTSTRAP,
  inbound: PeerSource.INBOUND,
};

/** What is known of a peer. */
export function shownPeer(node: DswarmNode, peer: PeerInfo): MessageInitShape<typeof PeerSchema> {
  return {
    id: peer.id.toString(),
    addresses: peer.addresses.map(formatHostPort),
    sharedBits: sharedBits(node.id.bytes, peer.id.bytes),
    connected: node.isConnected(peer.id),
    verified: peer.verified,
    lastHeardMs: Math.min(Math.round(node.silenceMs(peer)), maxUint32),
    source: sources[peer.origin],
    ...(peer.rttMs !== undefined && { rttMs: Math.round(peer.rttMs * 1000) / 1000 }),
  };
}
