// `dswarm peers`: shows the peers that a running node knows.
import { ListPeersResponseSchema, type Peer, PeerSource } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { type Cell, type Column, tableLines } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { counted, duration, printable } from "./text.ts";

/** The flags of `peers`. */
export interface PeersFlags extends AskFlags {
  readonly limit: number;
}

const sources: Readonly<Partial<Record<PeerSource, string>>> = {
  [PeerSource.ANNOUNCE]: "announce",
  [PeerSource.BOOTSTRAP]: "bootstrap",
  [PeerSource.INBOUND]: "its call",
};
const columns: readonly Column[] = [
  { head: "PEER", cut: "id" },
  { head: "ADDRESS", cut: "text" },
  { head: "BITS", right: true },
  { head: "LINK", drop: 1 },
  { head: "PING MS", right: true },
  { head: "HEARD", right: true, drop: 2 },
  { head: "FOUND BY", drop: 3 },
];

/** Shows the peers of a node. Returns the exit code. */
export async function peers({ limit, ...flags }: PeersFlags, context: Context): Promise<number> {
  await askNode(flags, context, {
    schema: ListPeersResponseSchema,
    ask: (client, options) => client.listPeers({ limit }, options),
    show: (answer) => peerLines(answer.peers, context.stdout),
  });
  return exitCodes.ok;
}

/** The table that `peers` prints. */
export function peerLines(known: readonly Peer[], terminal: Pick<Terminal, "columns" | "paint">): string[] {
  if (known.length === 0) return ["No peers are known yet."];
  const rows = known.map((peer) => [
    printable(peer.id),
    printable(peer.addresses[0] ?? "-"),
    `${peer.sharedBits}`,
    linkOf(peer),
    peer.rttMs === undefined ? "-" : peer.rttMs.toFixed(2),
    `${duration(peer.lastHeardMs)} ago`,
    sources[peer.source] ?? "-",
  ]);
  return [...tableLines(columns, rows, terminal), terminal.paint("dim", counted(known.length, "peer"))];
}

function linkOf({ connected, verified }: Peer): Cell {
  if (connected) return { text: "open", style: "green" };
  return verified ? "closed" : "none";
}
