// The steps of a lookup, as the node tells them while it looks.
import { LookupStepKind, type TraceLookupResponse } from "../../gen/dswarm/v1/node_pb.ts";
import type { NodeApi } from "./api.ts";
import type { Step, StepKind } from "./lookup-replay.ts";
import { counted, duration } from "./text.ts";

const kinds: Readonly<Partial<Record<LookupStepKind, StepKind>>> = {
  [LookupStepKind.ASKED]: "asked",
  [LookupStepKind.ANSWERED]: "answered",
  [LookupStepKind.SLOW]: "slow",
  [LookupStepKind.TIMED_OUT]: "timed-out",
  [LookupStepKind.FAILED]: "failed",
  [LookupStepKind.ENDED]: "ended",
};

/** Runs a lookup from a node and yields each step as it is taken. */
export async function* tracedLookup(api: NodeApi, key: string, signal: AbortSignal): AsyncGenerator<Step> {
  for await (const told of api.node.traceLookup({ key: key.trim() }, { signal })) {
    const kind = kinds[told.kind];
    if (kind !== undefined) yield stepOf(kind, told);
  }
}

function stepOf(kind: StepKind, { elapsedMs, peer, hop, rttMs, learnt, error, result }: TraceLookupResponse): Step {
  const outcome =
    result === undefined
      ? ""
      : [
          counted(result.queries, "query", "queries"),
          counted(result.hops, "hop", "hops"),
          counted(result.failures, "failure", "failures"),
          duration(elapsedMs),
        ].join(", ");
  return {
    kind,
    id: peer?.id ?? "",
    atMs: elapsedMs,
    distanceBits: peer?.distanceBits ?? 0,
    hop,
    rttMs,
    learnt: learnt.map(({ id }) => id),
    note: error?.message ?? outcome,
  };
}
