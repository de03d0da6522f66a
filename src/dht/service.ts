// DhtService as a node serves it to its peers.
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { Caller, DhtAnswers } from "./dht-peers.ts";

/**
 * Serves DhtService with the answers of a node.
 * @param callerOf tells who calls
 * @param tokensOf the tokens that came to the node's port for an id
 */
export function createDhtService(
  answers: DhtAnswers,
  callerOf: (context: HandlerContext) => Caller,
  tokensOf: (id: NodeId) => Uint8Array[],
): ServiceImpl<typeof DhtService> {
  return {
    ping: (request, context) => answers.ping(request, callerOf(context)),
    findNode: (request, context) => answers.findNode(request, callerOf(context)),
    findValue: (request, context) => answers.findValue(request, callerOf(context)),
    store: (request, context) => answers.store(request, callerOf(context)),
    listPortTokens: (_request, context) => ({ tokens: tokensOf(callerOf(context).id) }),
  };
}
