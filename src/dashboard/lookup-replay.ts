// A lookup as steps that can be shown one after another, from the events that TraceLookup streams.

/** What happened to a node in a step. */
export type StepKind = "asked" | "answered" | "slow" | "timed-out" | "failed" | "ended";

/** One event of a lookup, bounded and ready to be shown. */
export interface Step {
  readonly kind: StepKind;
  /** The node; empty when the lookup has ended. */
  readonly id: string;
  readonly atMs: number;
  readonly distanceBits: number;
  readonly hop: number;
  readonly rttMs: number | undefined;
  /** Ids that the answer told for the first time. */
  readonly learnt: readonly string[];
  /** For people, where there is more to say. */
  readonly note: string;
}

/** What is known of a node of the lookup at some step. */
export interface ReplayNode {
  readonly id: string;
  state: "heard" | Exclude<StepKind, "ended">;
  /** Who told of it first; undefined for those that the lookup began with. */
  readonly toldBy: string | undefined;
  /** Which node to be asked it was, from 1; 0 before. */
  order: number;
}

/** The state of a lookup after its first `steps` steps, by id. */
export function replayed(all: readonly Step[], steps: number): Map<string, ReplayNode> {
  const nodes = new Map<string, ReplayNode>();
  let asked = 0;
  for (const { kind, id, learnt } of all.slice(0, steps)) {
    if (kind === "ended") continue;
    let node = nodes.get(id);
    if (node === undefined) {
      node = { id, state: kind, toldBy: undefined, order: 0 };
      nodes.set(id, node);
    }
    node.state = kind;
    if (kind === "asked" && node.order === 0) node.order = ++asked;
    for (const other of learnt) {
      if (!nodes.has(other)) nodes.set(other, { id: other, state: "heard", toldBy: id, order: 0 });
    }
  }
  return nodes;
}
