// DhtService as a node serves it to its peers.
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import type { Caller, DhtAnswers } from "./dht-peers.ts";

/** Serves DhtService with the answers of a node. `callerOf` tells who calls. */
export function createDhtService(
  answers: DhtAnswers,
  callerOf: (context: HandlerContext) => Caller,
): ServiceImpl<typeof DhtService> {
  return {
    ping: (request, context) => answers.ping(request, callerOf(context)),
    findNode: (request, context) => answers.findNode(request, callerOf(context)),
    findValue: (request, context) => answers.findValue(request, callerOf(context)),
    store: (request, context) => answers.store(request, callerOf(context)),
  };
}
