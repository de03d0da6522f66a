// The peers that the node knows, the closest first.
import { useState } from "preact/hooks";
import { type Peer, PeerSource } from "../../gen/dswarm/v1/node_pb.ts";
import { Action } from "./action.tsx";
import type { NodeApi } from "./api.ts";
import { useOneStop } from "./one-stop.ts";
import { Empty, Panel } from "./panel.tsx";
import { useRoundTrips } from "./round-trips.ts";
import { useTask } from "./task.ts";
import { duration, shortId, shown } from "./text.ts";

const page = 50;
const maxPinged = 20;

const sources: Readonly<Record<PeerSource, string>> = {
  [PeerSource.UNSPECIFIED]: "",
  [PeerSource.ANNOUNCE]: "announced",
  [PeerSource.BOOTSTRAP]: "bootstrap",
  [PeerSource.INBOUND]: "called",
};

interface PeersPanelProps {
  readonly api: NodeApi;
  /** Undefined until they are known. */
  readonly peers: readonly Peer[] | undefined;
  readonly selected: string | undefined;
  readonly onSelect: (id: string) => void;
  readonly onPinged: () => void;
}

/** A table, filtered, some at a time. */
export function PeersPanel({ api, peers: known, selected, onSelect, onPinged }: PeersPanelProps) {
  const peers = known ?? [];
  const [filter, setFilter] = useState("");
  const [limit, setLimit] = useState(page);
  const { isBusy: isPinging, error, run } = useTask();
  const oneStop = useOneStop<HTMLTableSectionElement>();
  const wanted = filter.trim().toLowerCase();
  const found = peers.filter(
    ({ id, addresses }) => wanted === "" || [id, ...addresses].some((text) => text.toLowerCase().includes(wanted)),
  );
  const shownPeers = found.slice(0, limit);
  useRoundTrips(api, known, shownPeers);
  const ping = (): Promise<void> =>
    run(async (signal) => {
      const ids = shownPeers.slice(0, maxPinged).map(({ id }) => id);
      await api.node.pingPeers({ ids, timeoutMs: 3000 }, { signal });
      onPinged();
    });
  return (
    <Panel
      name="peers"
      title="Peers"
      lead="The nodes that this one knows, the closest id first."
      error={error}
      aside={
        <>
          <span class="muted">
            {peers.length === found.length ? peers.length : `${found.length} of ${peers.length}`}
          </span>
          <Action isOff={isPinging || shownPeers.length === 0} onClick={() => void ping()}>
            {isPinging ? "Pinging …" : "Ping"}
          </Action>
        </>
      }
    >
      <input
        type="search"
        class="filter"
        placeholder="Filter by id or address"
        aria-label="Filter peers by id or address"
        value={filter}
        onInput={({ currentTarget }) => setFilter(currentTarget.value)}
      />
      {shownPeers.length === 0 ? (
        <Empty>{emptyText(known)}</Empty>
      ) : (
        <div class="scroll" role="region" aria-label="Table of peers" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Peer</th>
                <th scope="col" class="number" title="Of the last call that it answered, without connecting">
                  Round trip
                </th>
                <th scope="col">Address</th>
                <th scope="col" class="number" title="Leading bits that its id shares with the node's own">
                  Shared bits
                </th>
                <th scope="col" class="number">
                  Last heard
                </th>
                <th scope="col">Source</th>
              </tr>
            </thead>
            <tbody {...oneStop}>
              {shownPeers.map((peer) => (
                // The button's click, which is the keyboard's way, comes to the row too.
                <tr
                  key={peer.id}
                  class={peer.id === selected ? "is-selected" : undefined}
                  onClick={() => onSelect(peer.id)}
                >
                  <td>
                    <button
                      type="button"
                      class="link"
                      aria-pressed={peer.id === selected}
                      aria-label={`Select ${shortId(peer.id)}, ${peer.connected ? "connected" : "not connected"}`}
                    >
                      <span class={`state ${peer.connected ? "is-on" : ""}`} aria-hidden="true" />
                      {shortId(peer.id)}
                    </button>
                  </td>
                  <td class="number rtt">{peer.rttMs === undefined ? "–" : duration(peer.rttMs)}</td>
                  <td class="mono">{shown(peer.addresses[0] ?? "–", 60)}</td>
                  <td class="number">{peer.sharedBits}</td>
                  <td class="number">{`${duration(peer.lastHeardMs)} ago`}</td>
                  <td class="muted">{sources[peer.source] ?? ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {found.length > limit && (
            <button type="button" class="more" onClick={() => setLimit(limit + page)}>
              {`Show ${Math.min(page, found.length - limit)} more`}
            </button>
          )}
        </div>
      )}
    </Panel>
  );
}

function emptyText(known: readonly Peer[] | undefined): string {
  if (known === undefined) return "The node is asked for its peers.";
  if (known.length > 0) return "No peer has that in its id or address.";
  return "The node knows nobody yet. Start another one: dswarm start";
}
