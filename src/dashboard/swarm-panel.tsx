// The nodes that were started together with the one that serves the page: each can be looked at.
import { useState } from "preact/hooks";
import type { SwarmNode } from "../../gen/dswarm/v1/node_pb.ts";
import { Action } from "./action.tsx";
import type { NodeApi } from "./api.ts";
import { useOneStop } from "./one-stop.ts";
import { Panel } from "./panel.tsx";
import { useTask } from "./task.ts";
import { counted, shortId } from "./text.ts";

const page = 200;

interface SwarmPanelProps {
  /** Of the node that serves the page. */
  readonly home: NodeApi;
  /** Whether nodes can be added and stopped. */
  readonly isManaged: boolean;
  readonly swarm: readonly SwarmNode[];
  /** The node that is looked at. */
  readonly chosen: string | undefined;
  readonly onChoose: (id: string) => void;
  /** Told when there is one more, or one less. */
  readonly onChanged: () => void;
}

/** A button for each node, some at a time. */
export function SwarmPanel({ home, isManaged, swarm, chosen, onChoose, onChanged }: SwarmPanelProps) {
  const [limit, setLimit] = useState(page);
  const { isBusy, error, run } = useTask();
  const { isBusy: isStopping, error: stopError, run: runStop } = useTask();
  const own = swarm.find(({ self }) => self);
  const looked = swarm.find(({ id }) => id === chosen);
  const add = (): Promise<void> =>
    run(async (signal) => {
      await home.node.addSwarmNode({}, { signal });
      onChanged();
    });
  const stop = ({ id }: SwarmNode): Promise<void> =>
    runStop(async (signal) => {
      // What is shown goes on being shown by a node that is there.
      if (own !== undefined) onChoose(own.id);
      await home.node.stopSwarmNode({ id }, { signal });
      onChanged();
    });
  const shownNodes = swarm.slice(0, limit);
  const oneStop = useOneStop<HTMLUListElement>();
  return (
    <Panel
      name="swarm"
      title="Swarm"
      lead="The nodes that were started together. Choose one to look at."
      error={error ?? stopError}
      aside={
        <>
          <span class="muted" role="status">
            {counted(swarm.length, "node", "nodes")}
          </span>
          {isManaged && (
            <Action isOff={isBusy} onClick={() => void add()}>
              {isBusy ? "Adding …" : "Add a node"}
            </Action>
          )}
          {isManaged && looked !== undefined && (
            <Action
              isOff={isStopping || looked.self}
              title={looked.self ? "It serves this page. Choose another node to stop." : undefined}
              onClick={() => void stop(looked)}
            >
              {isStopping ? "Stopping …" : `Stop node ${looked.index}`}
            </Action>
          )}
        </>
      }
    >
      <ul {...oneStop} class="nodes scroll" aria-label="Nodes of the swarm to look at">
        {shownNodes.map(({ id, index, port, pid }) => (
          <li key={id}>
            <button
              type="button"
              aria-pressed={id === chosen}
              title={`Node ${index}, port ${port}, process ${pid}`}
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
