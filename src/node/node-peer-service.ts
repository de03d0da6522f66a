// The part of NodeService that is about one peer.
import { create, type DescService, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { HealthStatus, MethodKind, type NodeService, type ServiceInfoSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/grpc/health/v1/health_pb.ts";
import { NodeId } from "../identity/node-id.ts";
import { formatHostPort } from "../identity/peer-address.ts";
import { isFromPeer } from "../rpc/status.ts";
import { DswarmError, dswarmErrorOf } from "../util/errors.ts";
import { failureOf } from "./failure.ts";
import type { DswarmNode } from "./node.ts";
import { rounded } from "./node-dht-service.ts";
import type { PeerSchema } from "./peer-schemas.ts";
import { withImports } from "./reflection-service.ts";
import { shownPeer } from "./shown-peer.ts";

type PeerMethod = "findPeer" | "listServices" | "describeService" | "checkHealth";
type ServiceMessage = MessageInitShape<typeof ServiceInfoSchema>;

const healthTimeoutMs = 10_000;

const methodKinds = {
  unary: MethodKind.UNARY,
  client_streaming: MethodKind.CLIENT_STREAMING,
  server_streaming: MethodKind.SERVER_STREAMING,
  bidi_streaming: MethodKind.BIDI_STREAMING,
} as const;

/** Tells a node's owner of its peers, one at a time. */
export function createNodePeerService(node: DswarmNode): Pick<ServiceImpl<typeof NodeService>, PeerMethod> {
  return {
    async findPeer({ id: text }, { signal }) {
      const id = node.idOf(text);
      if (id.equals(node.id)) throw new DswarmError("self_connection");
      const located = await node.locate(id, { signal }).catch((error: unknown) => {
        // Of a peer that the node has heard of, it has seen by itself that it is not reached.
        if (dswarmErrorOf(error)?.code !== "unreachable" || node.peers.get(id) === undefined) throw error;
      });
      const peer = node.peers.get(id);
      const isConnected = node.isConnected(id);
      // A peer that cannot be dialed may have connected by itself.
      if (located === undefined && (peer === undefined || !isConnected)) throw notFound(id, peer !== undefined);
      const found = peer === undefined ? { id: id.toString() } : shownPeer(node, peer);
      const addresses = located === undefined ? [] : [formatHostPort(located.address)];
      return { peer: { ...found, addresses }, lookedUp: located?.isLookedUp ?? false };
    },
    async listServices({ id: text, service }, { signal }) {
      const id = NodeId.parse(text);
      if (id.equals(node.id)) return { services: ownServices(node, service) };
      if (service !== "")
        return { services: [await toldService(node.schemas.schema(id, service, { signal }), service)] };
      const { names, leftOut } = await node.schemas.names(id, { signal });
      return { services: await Promise.all(names.map((name) => serviceOf(node, id, name, signal))), leftOut };
    },
    async describeService({ service }, { signal }) {
      return { service: await toldService(node.providedSchemas.schema(service, service, { signal }), service) };
    },
    async checkHealth({ id: text, service }, { signal }) {
      const id = NodeId.parse(text);
      if (id.equals(node.id)) return { status: ownStatus(node.isServing(service)) };
      const { clock } = node.config;
      const startedAt = clock.now();
      const status = await statusOf(node, id, service, signal);
      return { status, elapsedMs: rounded(clock.now() - startedAt) };
    },
  };
}

function notFound(id: NodeId, isKnown: boolean): DswarmError {
  return new DswarmError(
    "peer_unknown",
    isKnown ? `${id.toString()} is not reached where it was heard` : id.toString(),
  );
}

/** The one that was asked for. A schema that is not usable is told of the service; with all else, the call fails. */
async function toldService(schema: Promise<PeerSchema>, name: string): Promise<ServiceMessage> {
  try {
    const { service, files } = await schema;
    return shownService(service, files);
  } catch (error) {
    if (ConnectError.from(error).code !== Code.FailedPrecondition) throw error;
    return { name, error: failureOf(error) };
  }
}

async function serviceOf(node: DswarmNode, id: NodeId, name: string, signal: AbortSignal): Promise<ServiceMessage> {
  try {
    const { service, files } = await node.schemas.schema(id, name, { signal });
    return shownService(service, files);
  } catch (error) {
    signal.throwIfAborted();
    return { name, error: failureOf(error) };
  }
}

/** All services of a node, or the one of a name. @throws ConnectError `not_found` */
function ownServices(node: DswarmNode, name: string): ServiceMessage[] {
  const found = node.services.filter(({ typeName }) => name === "" || typeName === name);
  if (found.length === 0 && name !== "") throw new ConnectError("not served here", Code.NotFound);
  return found.map(ownService).toSorted(byName);
}

function ownService(service: DescService): ServiceMessage {
  const set = create(FileDescriptorSetSchema, { file: withImports(service.file) });
  return shownService(service, toBinary(FileDescriptorSetSchema, set));
}

function shownService({ typeName, methods }: DescService, descriptors: Uint8Array): ServiceMessage {
  return {
    name: typeName,
    methods: methods.map(({ name, methodKind, input, output }) => {
      return { name, kind: methodKinds[methodKind], input: input.typeName, output: output.typeName };
    }),
    descriptors,
  };
}

function byName(a: ServiceMessage, b: ServiceMessage): number {
  return (a.name ?? "") < (b.name ?? "") ? -1 : 1;
}

function ownStatus(isServing: boolean | undefined): HealthStatus {
  if (isServing === undefined) return HealthStatus.SERVICE_UNKNOWN;
  return isServing ? HealthStatus.SERVING : HealthStatus.NOT_SERVING;
}

async function statusOf(node: DswarmNode, id: NodeId, service: string, signal: AbortSignal): Promise<HealthStatus> {
  try {
    const { status } = await node.client(Health, id).check({ service }, { signal, timeoutMs: healthTimeoutMs });
    return ownStatus(status === HealthCheckResponse_ServingStatus.SERVING);
  } catch (error) {
    // The node itself fails so, too, where nothing is known of the peer.
    if (isFromPeer(error) && ConnectError.from(error).code === Code.NotFound) return HealthStatus.SERVICE_UNKNOWN;
    throw error;
  }
}
