// The steps of a lookup, as the node tells them.
import type { NodeApi } from "./api.ts";
import type { Step } from "./lookup-replay.ts";

/** Runs a lookup from a node and yields those that answered, the closest first, and how it ended. */
export async function* tracedLookup(api: NodeApi, key: string, signal: AbortSignal): AsyncGenerator<Step> {
  const { closest, hops, queries, failures, elapsedMs } = await api.node.lookup({ key: key.trim() }, { signal });
  const none = { atMs: elapsedMs, distanceBits: 0, hop: 0, rttMs: undefined, learnt: [], note: "" };
  for (const { id } of closest) yield { ...none, kind: "answered", id };
  const note = `${queries} queries, ${hops} hops, ${failures} failures, ${Math.round(elapsedMs)} ms`;
  yield { ...none, kind: "ended", id: "", note };
}
