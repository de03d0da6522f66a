// How many requests passed a node's door.
import type { Counters } from "../../src/util/counters.ts";

/** Requests of a node's API that were not refused for where they came from. */
export function letIn(counters: Counters): number {
  const refused = Object.entries(counters.snapshot()).filter(([name]) => name.startsWith("api.refused."));
  return counters.get("api.requests") - refused.reduce((sum, [, count]) => sum + count, 0);
}
