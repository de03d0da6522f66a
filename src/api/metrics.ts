// GET /metrics for Prometheus, and GET /healthz. What is counted all over the node is read when it is asked for, so that calls
// pay nothing for it.
import { Counter, Gauge, Registry } from "prom-client";
import type { Counters } from "../util/counters.ts";

/** What is measured of a node. */
export interface Measured {
  readonly counters: Counters;
  /** Numbers that there are now, by name. Names come from the code, never from peers. */
  readonly gauges: Readonly<Record<string, () => number>>;
}

/** A registry that reads a node whenever it is asked. */
export function createMetrics({ counters, gauges }: Measured): Registry {
  const registry = new Registry();
  const counter = new Counter({
    name: "dswarm_events_total",
    help: "What was counted since the node started, by the name that GET /api/status has for it",
    labelNames: ["event"],
    registers: [],
    collect() {
      this.reset();
      for (const [event, count] of Object.entries(counters.snapshot())) this.inc({ event }, count);
    },
  });
  registry.registerMetric(counter);
  for (const [name, read] of Object.entries(gauges)) {
    const gauge = new Gauge({
      name: `dswarm_${name}`,
      help: `${name.replaceAll("_", " ")} of the node`,
      registers: [],
      collect() {
        this.set(read());
      },
    });
    registry.registerMetric(gauge);
  }
  return registry;
}
