// GET /metrics for Prometheus, and GET /healthz. What is counted all over the node is read when it is asked for, so that calls
// pay next to nothing for it. Labels come from the code and from descriptors of this program, never from peers.
import { Code } from "@connectrpc/connect";
import {
  Counter,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValueWithName,
  Registry,
} from "prom-client";
import { type CallStats, durationBounds, type MeasuredCalls } from "../rpc/call-meter.ts";
import type { Counters } from "../util/counters.ts";

/** What is measured of a node. */
export interface Measured {
  readonly counters: Counters;
  /** Numbers that there are now, by name. */
  readonly gauges: Readonly<Record<string, () => number>>;
  readonly calls: MeasuredCalls | undefined;
}

/** A registry that reads a node whenever it is asked. */
export function createMetrics({ counters, gauges, calls }: Measured): Registry {
  const registry = new Registry();
  addCounter(
    registry,
    "dswarm_events_total",
    "Counted since the start, by the name in GET /api/status",
    ["event"],
    () => Object.entries(counters.snapshot()).map(([event, count]) => [{ event }, count]),
  );
  addCounter(registry, "dswarm_handshakes_total", "Handshakes of peers that dialed, by outcome", ["outcome"], () =>
    outcomes(counters, "handshake.").map(([outcome, count]) => [{ outcome }, count]),
  );
  addCounter(registry, "dswarm_dials_failed_total", "Peers not reached at an address, by error", ["code"], () =>
    outcomes(counters, "dial.").map(([code, count]) => [{ code }, count]),
  );
  if (calls !== undefined) {
    addCounter(
      registry,
      "dswarm_rpc_calls_total",
      "Calls that have ended, by side, method and status code",
      ["side", "service", "method", "code"],
      () => endedCalls(calls),
    );
    registry.registerMetric(new CallHistogram(calls));
  }
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

type Labels = Readonly<Record<string, string>>;

function addCounter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  read: () => readonly (readonly [Labels, number])[],
): void {
  const counter = new Counter({
    name,
    help,
    labelNames,
    registers: [],
    collect() {
      this.reset();
      for (const [labels, count] of read()) this.inc(labels, count);
    },
  });
  registry.registerMetric(counter);
}

/** Counts of `PREFIXok` and `PREFIXfailed.CODE`, by "ok" or code. */
function outcomes(counters: Counters, prefix: string): [string, number][] {
  return Object.entries(counters.snapshot())
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, count]) => [name.slice(prefix.length).replace(/^failed\./, ""), count]);
}

function endedCalls(calls: MeasuredCalls): (readonly [Labels, number])[] {
  return each(calls).flatMap(({ labels, stats }) =>
    [...stats.byCode].flatMap((count, code) => (count === 0 ? [] : [[{ ...labels, code: codeName(code) }, count]])),
  );
}

const codeNames = new Map<number, string>(Object.entries(Code).map(([name, code]) => [Number(code), snakeCase(name)]));

/** "ok", "canceled", "not_found", … */
function codeName(code: number): string {
  return code === 0 ? "ok" : (codeNames.get(code) ?? "unknown");
}

function snakeCase(name: string): string {
  return name.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}

/** Every method with a call, by side. */
function each(calls: MeasuredCalls): { readonly labels: Labels; readonly stats: CallStats }[] {
  return (["served", "made"] as const).flatMap((side) =>
    calls[side].all
      .filter(({ byCode }) => byCode.some((count) => count > 0))
      .map((stats) => ({ labels: { side, service: stats.service, method: stats.method }, stats })),
  );
}

type Values = MetricObjectWithValues<MetricValueWithName<string>>;

/** Histograms that are kept elsewhere: prom-client's own would cost each call a look-up by its labels. */
class CallHistogram extends Histogram {
  static readonly #init = { name: "dswarm_rpc_duration_seconds", help: "How long calls took, by side and method" };
  readonly #calls: MeasuredCalls;
  /** Says all but the values. */
  readonly #empty = new Histogram({ ...CallHistogram.#init, registers: [] });

  constructor(calls: MeasuredCalls) {
    super({ ...CallHistogram.#init, registers: [] });
    this.#calls = calls;
  }

  override async get(): Promise<Values> {
    const { name } = CallHistogram.#init;
    const values = each(this.#calls).flatMap(({ labels, stats }) => {
      let count = 0;
      const buckets = [...stats.byDuration].map((calls, index): MetricValueWithName<string> => {
        count += calls;
        return {
          metricName: `${name}_bucket`,
          labels: { ...labels, le: durationBounds[index] ?? "+Inf" },
          value: count,
        };
      });
      const sum = { metricName: `${name}_sum`, labels, value: stats.seconds };
      return buckets.concat([sum, { metricName: `${name}_count`, labels, value: count }]);
    });
    return { ...(await this.#empty.get()), values };
  }

  /** What the registry asks where there is such a method. */
  getForPromString(): Promise<Values> {
    return this.get();
  }
}
