// What GET /metrics tells of the process: memory, CPU, descriptors, the event loop, garbage collection, under prom-client's usual
// names. All nodes of a process tell the same, as they share it.
import { collectDefaultMetrics, Registry } from "prom-client";

// prom-client watches the event loop and the garbage collector for each registry that asks for it: once is enough.
let shared: Registry | undefined;

/** The figures of this process, the same registry for all. It begins to measure when it is first asked for. */
export function processMetrics(): Registry {
  if (shared === undefined) {
    shared = new Registry();
    collectDefaultMetrics({ register: shared });
  }
  return shared;
}
