// The panels of one node, and what they share: its state, which node is selected, and the lookup that is replayed.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { SwarmNode } from "../../gen/dswarm/v1/node_pb.ts";
import type { NodeApi } from "./api.ts";
import { BucketsPanel } from "./buckets-panel.tsx";
import { EventsPanel } from "./events-panel.tsx";
import { usePolled } from "./hooks.ts";
import { LookupPanel, type ShownLookup } from "./lookup-panel.tsx";
import { Panel } from "./panel.tsx";
import { PeersPanel } from "./peers-panel.tsx";
import { ProvidersPanel } from "./providers-panel.tsx";
import { RecordsPanel } from "./records-panel.tsx";
import { sceneOf } from "./scene.ts";
import { SelectedNode } from "./selected-node.tsx";
import { ServicesPanel } from "./services-panel.tsx";
import { SpaceView } from "./space-view.tsx";
import { StatusPanel } from "./status-panel.tsx";
import { counted, shortId } from "./text.ts";
import { ValuesPanel } from "./values-panel.tsx";

const stateIntervalMs = 5000;

interface DashboardProps {
  readonly api: NodeApi;
  /** The nodes that were started together with this one. */
  readonly swarm: readonly SwarmNode[];
  /** To look at another node of the swarm. */
  readonly onChoose: (id: string) => void;
  /** Told when the node cannot be asked: it may have left the swarm. */
  readonly onTrouble: () => void;
}

/** The panels. */
export function Dashboard({ api, swarm, onChoose, onTrouble }: DashboardProps) {
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
  useEffect(() => {
    if (state.error !== undefined) onTrouble();
  }, [state.error]);
  const id = status?.id;
  useEffect(() => {
    if (id !== undefined) document.title = `${shortId(id)} dswarm`;
  }, [id]);
  const scene = useMemo(
    () => (status === undefined ? undefined : sceneOf({ status, peers, buckets, swarm, selected, lookup })),
    [status, peers, buckets, swarm, selected, lookup],
  );
  return (
    <>
      <StatusPanel status={status} error={state.error} />
      <div class="columns">
        <div class="column">
          <Panel
            name="space-panel"
            title="XOR space"
            lead="Each node at the place of its id. Arcs are this node's k-buckets: the more contacts, the darker."
            aside={<span class="muted">{scene === undefined ? "" : counted(scene.nodes.length, "node", "nodes")}</span>}
          >
            {scene === undefined ? <div class="space" /> : <SpaceView scene={scene} onSelect={setSelected} />}
            <ul class="legend" aria-label="Legend">
              <li class="is-self">this node</li>
              <li class="is-connected">connected</li>
              <li class="is-contact">in a k-bucket</li>
              <li class="is-node">known, or of the swarm</li>
              {lookup !== undefined && (
                <>
                  <li class="is-target">what is looked for</li>
                  <li class="is-asked">asked</li>
                  <li class="is-answered">has answered</li>
                  <li class="is-failed">has failed</li>
                </>
              )}
            </ul>
            <SelectedNode
              id={selected}
              peers={peers}
              buckets={buckets}
              swarm={swarm}
              own={status?.id}
              onChoose={onChoose}
            />
          </Panel>
          <LookupPanel api={api} selected={selected} onShow={setLookup} onSelect={setSelected} />
        </div>
        <div class="column">
          <PeersPanel
            api={api}
            peers={state.value?.peers}
            selected={selected}
            onSelect={setSelected}
            onPinged={state.reload}
          />
          <BucketsPanel buckets={state.value?.buckets} selected={selected} onSelect={setSelected} />
          <ServicesPanel
            api={api}
            // It is asked anew when it is back.
            own={state.error === undefined ? id : undefined}
            peer={selected === id ? undefined : selected}
          />
        </div>
        <div class="column is-third">
          <ValuesPanel api={api} selected={selected} onSelect={setSelected} />
          <ProvidersPanel api={api} selected={selected} onSelect={setSelected} />
          <RecordsPanel api={api} selected={selected} onSelect={setSelected} />
          <EventsPanel api={api} onSelect={setSelected} />
        </div>
      </div>
    </>
  );
}
