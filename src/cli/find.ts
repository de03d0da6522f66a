// `dswarm find`: finds where a peer is reached.
import { FindPeerResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { checkPeerName, peerNamed } from "./peer-name.ts";
import { peerLines } from "./peers.ts";

/** Shows where a peer is reached. Returns the exit code. */
export async function find(name: string, flags: AskFlags, context: Context): Promise<number> {
  checkPeerName(name);
  await askNode(flags, context, {
    schema: FindPeerResponseSchema,
    ask: async (client, options) => client.findPeer({ id: await peerNamed(name, client) }, options),
    show: ({ peer, lookedUp }) => [
      ...peerLines(peer === undefined ? [] : [peer], context.stdout).slice(0, -1),
      context.stdout.paint("dim", lookedUp ? "found in the DHT" : "known to the node"),
    ],
  });
  return exitCodes.ok;
}
