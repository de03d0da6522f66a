// The nodes that were started together with the one that serves the page: each can be looked at.
import { useRef, useState } from "preact/hooks";
import type { SwarmNode } from "../../gen/dswarm/v1/node_pb.ts";
import { Panel } from "./panel.tsx";
import { shortId } from "./text.ts";

const page = 200;

interface SwarmPanelProps {
  readonly swarm: readonly SwarmNode[];
  /** The node that is looked at. */
  readonly chosen: string | undefined;
  readonly onChoose: (id: string) => void;
}

/** A button for each node, some at a time. Together they are one stop of the Tab key; arrow keys go from one to the next. */
export function SwarmPanel({ swarm, chosen, onChoose }: SwarmPanelProps) {
  const list = useRef<HTMLUListElement>(null);
  const [limit, setLimit] = useState(page);
  const shownNodes = swarm.slice(0, limit);
  const [focused, setFocused] = useState<string>();
  const stop = [focused, chosen].find((id) => shownNodes.some((node) => node.id === id)) ?? shownNodes[0]?.id;
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = shownNodes.findIndex(({ id }) => id === stop);
    const last = shownNodes.length - 1;
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last }[
      event.key
    ];
    if (to === undefined) return;
    event.preventDefault();
    list.current?.querySelectorAll("button")[Math.min(last, Math.max(0, to))]?.focus();
  };
  return (
    <Panel
      name="swarm"
      title="Swarm"
      lead="The nodes that were started together. Choose one to look at."
      aside={<span class="muted">{`${swarm.length} nodes`}</span>}
    >
      <ul ref={list} class="nodes scroll" aria-label="Nodes of the swarm to look at" onKeyDown={onKeyDown}>
        {shownNodes.map(({ id, index, port, pid }) => (
          <li key={id}>
            <button
              type="button"
              aria-pressed={id === chosen}
              tabIndex={id === stop ? 0 : -1}
              title={`Node ${index}, port ${port}, process ${pid}`}
              onFocus={() => setFocused(id)}
              onClick={() => onChoose(id)}
            >
              <b>{index}</b> <code>{shortId(id)}</code> <small>{`:${port}`}</small>
            </button>
          </li>
        ))}
        {swarm.length > limit && (
          <li>
            <button type="button" onClick={() => setLimit(limit + page)}>
              {`Show ${Math.min(page, swarm.length - limit)} more`}
            </button>
          </li>
        )}
      </ul>
    </Panel>
  );
}
