// Keeps the round-trip times of the peers on the page fresh: what a node measured when it met a peer says little an hour later.
import { useEffect, useRef } from "preact/hooks";
import type { Peer } from "../../gen/dswarm/v1/node_pb.ts";
import type { NodeApi } from "./api.ts";

// However many peers there are, this is all that an open page costs them.
const atOnce = 3;
const freshMs = 60_000;
const timeoutMs = 3000;

/**
 * Pings peers that have a connection and were not pinged within a minute, at most three each time that the list of peers is new.
 * @param known what the list was made of: one object for each time that the node was asked
 * @param onPage the peers that are shown; others are left in peace
 */
export function useRoundTrips(api: NodeApi, known: readonly Peer[] | undefined, onPage: readonly Peer[]): void {
  /** When a peer was pinged. Bounded by the peers on the page. */
  const pingedAt = useRef<ReadonlyMap<string, number>>(new Map());
  useEffect(() => {
    const stop = new AbortController();
    const now = performance.now();
    const ages = onPage
      .filter(({ connected }) => connected)
      .map(({ id }) => ({ id, at: pingedAt.current.get(id) ?? 0 }));
    const isNew = (at: number): boolean => at > 0 && now - at < freshMs;
    const due = ages.filter(({ at }) => !isNew(at)).toSorted((a, b) => a.at - b.at);
    const ids = due.slice(0, atOnce).map(({ id }) => id);
    pingedAt.current = new Map(ages.map(({ id, at }) => [id, ids.includes(id) ? now : at]));
    // That a peer does not answer is told by the list itself.
    if (ids.length > 0) api.node.pingPeers({ ids, timeoutMs }, { signal: stop.signal }).catch(() => undefined);
    return () => stop.abort();
  }, [api, known]);
}
