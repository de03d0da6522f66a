// What a running node tells on stdout: one JSON object a line with --json, otherwise lines for people.
import type { PeerInfo } from "../node/peers.ts";

/** A peer and where it is reached. */
export interface ShownPeer {
  /** "@" and base64 of its key. */
  readonly id: string;
  /** "host:port", the best one; null while none is known. */
  readonly address: string | null;
}

/** What a node tells of itself; `id` is its own. */
export type NodeEvent =
  | {
      readonly event: "listening";
      readonly id: string;
      readonly port: number;
      /** "https://host:port" of the API. */
      readonly url: string;
      /** "dswarm://KEY@HOST:PORT". */
      readonly address: string;
      /** "http://127.0.0.1:port" of the API without TLS, where that was asked for. */
      readonly httpUrl?: string;
      /** PEM file of the TLS certificate, absolute, where there is a data directory. */
      readonly certificate?: string;
    }
  | { readonly event: "peer"; readonly id: string; readonly peer: string; readonly address: string | null }
  | { readonly event: "peer_lost"; readonly id: string; readonly peer: string; readonly reason: "left" | "expired" }
  | { readonly event: "closest"; readonly id: string; readonly peers: readonly ShownPeer[] }
  | { readonly event: "closing"; readonly id: string };

/**
 * What a swarm tells besides: that every node knows every other, that the process of one has ended by itself, and that one was stopped as
 * its owner asked.
 */
export type SwarmEvent =
  | { readonly event: "complete"; readonly nodes: number; readonly ms: number }
  | { readonly event: "stopped"; readonly id: string }
  | {
      readonly event: "died";
      readonly id: string;
      readonly pid: number;
      readonly code: number | null;
      readonly signal: string | null;
    };

/** Shows what happens. */
export interface Reporter {
  /** Nodes of the swarm, counted from the first, whose `closest` events are of use. */
  readonly closestNodes: number;
  /** @param index which node of the swarm it is about, from 1; 0 for the swarm */
  report(event: NodeEvent | SwarmEvent, index: number): void;
}

/** Closest peers that a node tells of. */
export const closestCount = 3;

/** Milliseconds between two `closest` events of a node. */
export const closestIntervalMs = 5000;

/** Where a peer is reached first, as events carry it. */
export function shownPeer({ id, addresses: [best] }: PeerInfo): ShownPeer {
  if (best === undefined) return { id: id.toString(), address: null };
  const host = best.host.includes(":") ? `[${best.host}]` : best.host;
  return { id: id.toString(), address: `${host}:${best.port}` };
}
