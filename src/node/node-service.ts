// NodeService over a node: what /api offers to the node's owner.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { NodeService, PingPeersRequest, PingResultSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { compareDistance, NodeId } from "../identity/node-id.ts";
import { formatHostPort } from "../identity/peer-address.ts";
import { toHex } from "../util/bytes.ts";
import { DswarmError } from "../util/errors.ts";
import { version } from "../util/version.ts";
import { failureOf } from "./failure.ts";
import type { DswarmNode } from "./node.ts";
import { createNodeDhtService } from "./node-dht-service.ts";
import { createNodePeerService } from "./node-peer-service.ts";
import { createNodeSwarmService } from "./node-swarm-service.ts";
import { createNodeWatchService } from "./node-watch-service.ts";
import { shownPeer } from "./shown-peer.ts";
import type { SwarmDirectory } from "./swarm-directory.ts";

const defaultCount = 3;
const maxCount = 20;
const defaultTimeoutMs = 3000;
const maxTimeoutMs = 60_000;

/**
 * Serves NodeService for a node.
 * @param swarm the nodes that were started together with it. @default the node alone
 */
export function createNodeService(node: DswarmNode, swarm?: SwarmDirectory): ServiceImpl<typeof NodeService> {
  return {
    ...createNodeDhtService(node),
    ...createNodePeerService(node),
    ...createNodeSwarmService(node, swarm),
    ...createNodeWatchService(node),
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
        warnings: [...node.warnings],
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
    return { id: id.toString(), address: known ? formatHostPort(known) : "", ok: false, error: failureOf(thrown) };
  }
}
