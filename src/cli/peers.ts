// `dswarm peers`: shows the peers that a running node knows.
import { toJsonString } from "@bufbuild/protobuf";
import { ListPeersResponseSchema, type Peer, PeerSource } from "../../gen/dswarm/v1/node_pb.ts";
import { callNode } from "./api-client.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { findNode } from "./find-node.ts";
import { RuntimeFiles } from "./runtime-files.ts";
import { alignColumns, counted, printable, seconds } from "./text.ts";

/** The flags of `peers`. */
export interface PeersFlags {
  readonly node?: string;
  readonly limit: number;
  readonly json?: boolean;
}

const timeoutMs = 10_000;

const sources: Readonly<Partial<Record<PeerSource, string>>> = {
  [PeerSource.ANNOUNCE]: "announce",
  [PeerSource.BOOTSTRAP]: "bootstrap",
  [PeerSource.INBOUND]: "its call",
};

/** Shows the peers of a node. Returns the exit code. */
export async function peers({ node, limit, json }: PeersFlags, { stdout, programName }: Context): Promise<number> {
  const target = findNode(node, RuntimeFiles.open().list(), programName);
  const answer = await callNode(target, (client) => client.listPeers({ limit }, { timeoutMs }));
  if (json) {
    stdout.line(toJsonString(ListPeersResponseSchema, answer, { alwaysEmitImplicit: true }));
    return exitCodes.ok;
  }
  stdout.line(stdout.paint("dim", target.title));
  for (const line of peerLines(answer.peers)) stdout.line(line);
  return exitCodes.ok;
}

/** The table that `peers` prints. */
export function peerLines(known: readonly Peer[]): string[] {
  if (known.length === 0) return ["No peers are known yet."];
  const rows = known.map((peer) => [
    printable(peer.id),
    printable(peer.addresses[0] ?? "-"),
    `${peer.sharedBits}`,
    linkOf(peer),
    peer.rttMs === undefined ? "-" : peer.rttMs.toFixed(2),
    `${seconds(peer.lastHeardMs)} ago`,
    sources[peer.source] ?? "-",
  ]);
  const head = ["PEER", "ADDRESS", "SHARED BITS", "LINK", "PING MS", "HEARD", "FOUND BY"];
  return [...alignColumns([head, ...rows]), counted(known.length, "peer")];
}

function linkOf({ connected, verified }: Peer): string {
  if (connected) return "open";
  return verified ? "closed" : "none";
}
