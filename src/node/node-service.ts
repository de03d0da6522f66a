// NodeService over a node: what /api offers to the node's owner.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import {
  type NodeService,
  type PeerSchema,
  PeerSource,
  type PingPeersRequest,
  type PingResultSchema,
} from "../../gen/dswarm/v1/node_pb.ts";
import { compareDistance, NodeId, sharedBits } from "../identity/node-id.ts";
import { formatHostPort } from "../identity/peer-address.ts";
import { toHex } from "../util/bytes.ts";
import { DswarmError, dswarmErrorOf } from "../util/errors.ts";
import { version } from "../util/version.ts";
import type { DswarmNode } from "./node.ts";
import { createNodeDhtService } from "./node-dht-service.ts";
import type { PeerInfo, PeerOrigin } from "./peers.ts";

const defaultCount = 3;
const maxCount = 20;
const defaultTimeoutMs = 3000;
const maxTimeoutMs = 60_000;
const maxUint32 = 2 ** 32 - 1;

const sources: Readonly<Record<PeerOrigin, PeerSource>> = {
  announce: PeerSource.ANNOUNCE,
  bootstrap: PeerSource.BOOTSTRAP,
  inbound: PeerSource.INBOUND,
};

/** Serves NodeService for a node. */
export function createNodeService(node: DswarmNode): ServiceImpl<typeof NodeService> {
  return {
    ...createNodeDhtService(node),
    async pingPeers(request, { signal }) {
      const timeoutMs = request.timeoutMs === 0 ? defaultTimeoutMs : request.timeoutMs;
      if (timeoutMs > maxTimeoutMs) throw outOfRange("timeout_ms", maxTimeoutMs);
      const ids = pingTargets(node, request);
      return { results: await Promise.all(ids.map((id) => pingOne(node, id, timeoutMs, signal))) };
    },
    listPeers({ limit }) {
      const peers = node.peers.closest(undefined, limit === 0 ? undefined : limit);
      return { peers: peers.map((peer) => shownPeer(node, peer)) };
    },
    getStatus() {
      return {
        id: node.id.toString(),
        address: node.address,
        network: node.config.network,
        port: node.port,
        version,
        uptimeMs: Math.round(node.config.clock.now() - node.startedAt),
        peers: node.peers.size,
        connections: node.connections,
        certificateSha256: toHex(node.certificateSha256),
        counters: node.counters.snapshot(),
        contacts: node.dht.table.size,
        records: node.dht.store.size,
      };
    },
  };
}

function pingTargets(node: DswarmNode, { ids, count }: PingPeersRequest): NodeId[] {
  if (ids.length > maxCount) throw outOfRange("ids", maxCount);
  if (count > maxCount) throw outOfRange("count", maxCount);
  if (ids.length === 0) return node.peers.closest(undefined, count === 0 ? defaultCount : count).map(({ id }) => id);
  const parsed = new Map(ids.map((text) => NodeId.parse(text)).map((id) => [id.toString(), id]));
  if (parsed.has(node.id.toString())) throw new DswarmError("self_connection");
  return [...parsed.values()].sort((a, b) => compareDistance(node.id.bytes, a.bytes, b.bytes));
}

function outOfRange(field: string, max: number): ConnectError {
  return new ConnectError(`${field}: at most ${max}`, Code.InvalidArgument);
}

async function pingOne(
  node: DswarmNode,
  id: NodeId,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof PingResultSchema>> {
  const known = node.peers.get(id)?.addresses[0];
  try {
    const pong = await node.ping(id, { timeoutMs, signal });
    const listening = node.peers.get(id)?.addresses[0];
    const address = listening === undefined ? pong.address : formatHostPort(listening);
    const { rttMs } = pong;
    return { id: id.toString(), address, ok: true, rttMs: Math.round(rttMs * 1000) / 1000 };
  } catch (thrown) {
    const { code, rawMessage } = ConnectError.from(thrown);
    const error = { code: codeToString(code), reason: dswarmErrorOf(thrown)?.code ?? "", message: rawMessage };
    return { id: id.toString(), address: known ? formatHostPort(known) : "", ok: false, error };
  }
}

function shownPeer(node: DswarmNode, peer: PeerInfo): MessageInitShape<typeof PeerSchema> {
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
