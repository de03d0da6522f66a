// The panels of one node, and what they share: its state, which node is selected, and the lookup that is replayed.
import { useMemo, useState } from "preact/hooks";
import type { NodeApi } from "./api.ts";
import { usePolled } from "./hooks.ts";
import { LookupPanel, type ShownLookup } from "./lookup-panel.tsx";
import type { LocalNode } from "./machine.ts";
import { Panel } from "./panel.tsx";
import { PeersPanel } from "./peers-panel.tsx";
import { sceneOf } from "./scene.ts";
import { SelectedNode } from "./selected-node.tsx";
import { SpaceView } from "./space-view.tsx";
import { StatusPanel } from "./status-panel.tsx";
import { ValuesPanel } from "./values-panel.tsx";

const stateIntervalMs = 5000;

interface DashboardProps {
  readonly api: NodeApi;
  /** The nodes of this machine. */
  readonly machine: readonly LocalNode[];
  /** To look at another node of this machine. */
  readonly onChoose: (id: string) => void;
}

/** The panels. */
export function Dashboard({ api, machine, onChoose }: DashboardProps) {
  const state = usePolled(async (signal) => {
    const [status, { peers }, { buckets }] = await Promise.all([
      api.node.getStatus({}, { signal }),
      api.node.listPeers({}, { signal }),
      api.node.listBuckets({}, { signal }),
    ]);
    return { status, peers, buckets };
  }, stateIntervalMs);
  const [selected, setSelected] = useState<string>();
  const [lookup, setLookup] = useState<ShownLookup>();
  const { status, peers = [], buckets = [] } = state.value ?? {};
  const scene = useMemo(
    () => (status === undefined ? undefined : sceneOf({ status, peers, buckets, machine, selected, lookup })),
    [status, peers, buckets, machine, selected, lookup],
  );
  return (
    <main class="grid">
      <StatusPanel status={status} error={state.error} />
      <Panel
        name="space-panel"
        title="XOR space"
        aside={<span class="muted">{scene === undefined ? "" : `${scene.nodes.length} nodes`}</span>}
      >
        {scene === undefined ? <div class="space" /> : <SpaceView scene={scene} onSelect={setSelected} />}
        <ul class="legend" aria-label="Legend">
          <li class="is-self">this node</li>
          <li class="is-contact">in a k-bucket</li>
          <li class="is-connected">connected</li>
          <li class="is-node">known</li>
        </ul>
        <SelectedNode
          id={selected}
          peers={peers}
          buckets={buckets}
          machine={machine}
          own={status?.id}
          onChoose={onChoose}
        />
      </Panel>
      <LookupPanel api={api} selected={selected} onShow={setLookup} onSelect={setSelected} />
      <PeersPanel api={api} peers={peers} selected={selected} onSelect={setSelected} onPinged={state.reload} />
      <ValuesPanel api={api} />
    </main>
  );
}
