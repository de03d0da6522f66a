// What is known of the node that is selected in the picture or in the list.
import type { Bucket, Peer, SwarmNode } from "../../gen/dswarm/v1/node_pb.ts";
import { Copy } from "./panel.tsx";
import { duration, shown } from "./text.ts";

interface SelectedNodeProps {
  readonly id: string | undefined;
  readonly peers: readonly Peer[];
  readonly buckets: readonly Bucket[];
  readonly swarm: readonly SwarmNode[];
  readonly own: string | undefined;
  readonly onChoose: (id: string) => void;
}

/** A card, or a hint where nothing is selected. */
export function SelectedNode({ id, peers, buckets, swarm, own, onChoose }: SelectedNodeProps) {
  if (id === undefined) return <p class="selected muted">Choose a node in the circle or in the list of peers.</p>;
  const peer = peers.find((each) => each.id === id);
  const bucket = buckets.find(({ contacts }) => contacts.some((contact) => contact.id === id));
  const contact = bucket?.contacts.find((each) => each.id === id);
  const local = swarm.find((each) => each.id === id);
  const facts = [
    id === own ? "this node" : undefined,
    peer === undefined ? undefined : peer.connected ? "connected" : "not connected",
    bucket === undefined ? undefined : `k-bucket ${bucket.sharedBits}`,
    (peer?.addresses ?? contact?.addresses)?.[0],
    rttText(peer?.rttMs ?? contact?.rttMs),
    contact === undefined ? undefined : `answered ${duration(contact.lastSeenMs)} ago`,
    local === undefined ? undefined : `node ${local.index} of the swarm`,
  ].filter((fact) => fact !== undefined);
  return (
    <div class="selected" aria-live="polite">
      <Copy text={id} label="the id of the selected node" />
      <p class="facts">{shown(facts.join(" · "), 300)}</p>
      <div class="actions">
        {local !== undefined && id !== own && (
          <button type="button" onClick={() => onChoose(id)}>
            Look at this node
          </button>
        )}
      </div>
    </div>
  );
}

function rttText(rttMs: number | undefined): string | undefined {
  return rttMs === undefined ? undefined : duration(rttMs);
}
