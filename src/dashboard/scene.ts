// What the picture shows, from what the node, its peers and a lookup are known to be.
import type { Bucket, GetStatusResponse, Peer, SwarmNode } from "../../gen/dswarm/v1/node_pb.ts";
import { prefixOf } from "./id-space.ts";
import type { ShownLookup } from "./lookup-panel.tsx";
import { replayed } from "./lookup-replay.ts";
import type { SpaceNode, SpaceScene } from "./space-painter.ts";

const maxNodes = 5000;

/** What a scene is made of. */
export interface SceneParts {
  readonly status: GetStatusResponse;
  readonly peers: readonly Peer[];
  readonly buckets: readonly Bucket[];
  readonly swarm: readonly SwarmNode[];
  readonly selected: string | undefined;
  readonly lookup: ShownLookup | undefined;
}

/** Brings the parts together: each node once, at most 5,000. */
export function sceneOf({ status, peers, buckets, swarm, selected, lookup }: SceneParts): SpaceScene {
  const nodes = new Map<string, SpaceNode>();
  const add = (id: string, kind: SpaceNode["kind"], connected: boolean): void => {
    const prefix = prefixOf(id);
    if (prefix !== undefined && !nodes.has(id) && nodes.size < maxNodes) nodes.set(id, { id, prefix, kind, connected });
  };
  const connected = new Set(peers.filter((peer) => peer.connected).map(({ id }) => id));
  add(status.id, "self", false);
  for (const { contacts } of buckets) for (const { id } of contacts) add(id, "contact", connected.has(id));
  for (const { id } of peers) add(id, "peer", connected.has(id));
  for (const { id } of swarm) add(id, "other", false);
  const steps = lookup === undefined ? undefined : replayed(lookup.steps, lookup.at);
  for (const id of steps?.keys() ?? []) add(id, "found", false);
  return {
    own: prefixOf(status.id) ?? 0,
    nodes: [...nodes.values()],
    buckets: buckets.map(({ sharedBits, contacts }) => ({ sharedBits, contacts: contacts.length })),
    selected,
    lookup: lookup === undefined || steps === undefined ? undefined : { target: lookup.target, nodes: steps },
  };
}
