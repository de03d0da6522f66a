// The nodes that were started together with the one that serves the page: each can be looked at.
import { useState } from "preact/hooks";
import type { SwarmNode } from "../../gen/dswarm/v1/node_pb.ts";
import { Panel } from "./panel.tsx";
import { shortId } from "./text.ts";

const page = 100;

interface SwarmPanelProps {
  readonly swarm: readonly SwarmNode[];
  /** The node that is looked at. */
  readonly own: string | undefined;
  readonly onChoose: (id: string) => void;
}

/** A button for each node, some at a time. */
export function SwarmPanel({ swarm, own, onChoose }: SwarmPanelProps) {
  const [limit, setLimit] = useState(page);
  return (
    <Panel name="swarm" title="Swarm" aside={<span class="muted">{`${swarm.length} nodes`}</span>}>
      <ul class="methods" aria-label="Nodes of the swarm to look at">
        {swarm.slice(0, limit).map(({ id, index, port }) => (
          <li key={id}>
            <button
              type="button"
              aria-pressed={id === own}
              title={`Look at node ${index}`}
              onClick={() => onChoose(id)}
            >
              {`${index} `}
              <code>{shortId(id)}</code>
              {` :${port}`}
            </button>
          </li>
        ))}
      </ul>
      {swarm.length > limit && (
        <button type="button" class="more" onClick={() => setLimit(limit + page)}>
          {`Show ${Math.min(page, swarm.length - limit)} more`}
        </button>
      )}
    </Panel>
  );
}
