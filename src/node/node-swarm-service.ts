// The part of NodeService that is about the nodes that were started together with a node.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { NodeService, SwarmNodeSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { NodeId } from "../identity/node-id.ts";
import type { DswarmNode } from "./node.ts";
import type { SwarmControl, SwarmDirectory, SwarmMember } from "./swarm-directory.ts";

type SwarmMethod = "listSwarm" | "addSwarmNode" | "stopSwarmNode";

/** Serves the swarm of a node to its owner. */
export function createNodeSwarmService(
  node: DswarmNode,
  swarm: SwarmDirectory | undefined,
): Pick<ServiceImpl<typeof NodeService>, SwarmMethod> {
  const ownId = node.id.toString();
  const shown = ({ id, port, index, pid }: Pick<SwarmMember, "id" | "port" | "index" | "pid">) =>
    ({ id, port, index, pid, self: id === ownId }) satisfies MessageInitShape<typeof SwarmNodeSchema>;
  return {
    async listSwarm() {
      const own = { id: ownId, port: node.port, index: 1, pid: process.pid };
      const members = (await swarm?.list()) ?? [];
      const isListed = members.some(({ id }) => id === ownId);
      return {
        nodes: (isListed ? members : [own, ...members]).map(shown),
        managed: swarm?.control !== undefined,
      };
    },
    async addSwarmNode() {
      const id = await controlOf(swarm).add();
      const member = await swarm?.find(id);
      if (member === undefined) throw new ConnectError("the node has ended right after its start", Code.Unavailable);
      return { node: shown(member) };
    },
    async stopSwarmNode({ id: text }) {
      const id = NodeId.parse(text).toString();
      const control = controlOf(swarm);
      if (id === ownId) {
        throw new ConnectError("a node does not stop itself: ask another one of its swarm", Code.FailedPrecondition);
      }
      await control.stop(id);
      return {};
    },
  };
}

/** @throws ConnectError `failed_precondition` for a node that was started alone */
function controlOf(swarm: SwarmDirectory | undefined): SwarmControl {
  if (swarm?.control !== undefined) return swarm.control;
  const text = "this node was started alone; nodes of `dswarm swarm` can be added and stopped";
  throw new ConnectError(text, Code.FailedPrecondition);
}
