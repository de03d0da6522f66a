// What may be set of a scenario.
import type { Misbehaviour } from "./byzantine.ts";
import type { ChurnOptions } from "./churn.ts";
import { type Latency, lognormalLatency } from "./latency.ts";
import type { CreateDht } from "./simulated-dht.ts";

/** A scenario: a network forms, values are put, things go wrong, then lookups and gets are measured, in this order. */
export interface ScenarioOptions {
  /** Makes the DHT of each node. */
  readonly createDht: CreateDht;
  /** At least 1. */
  readonly nodes: number;
  /** 32 bits. The same gives the same run. @default 1 */
  readonly seed?: number;
  /** How many of the closest are looked for; that of the nodes. @default 20 */
  readonly k?: number;
  /** Nodes join one another, or begin with ideal tables. @default "join" */
  readonly formation?: "join" | "ideal";
  /** Nodes that join at once. @default 8 */
  readonly joinsAtOnce?: number;
  /** Operations under way at once in each of the phases that measure. @default 4 */
  readonly operationsAtOnce?: number;
  /** One way. @default lognormal, median 20 ms, sigma 0.5 */
  readonly latency?: Latency;
  /** As of SimulatedNetworkOptions. @default 0 */
  readonly lossShare?: number;
  /** As of SimulatedNetworkOptions. @default "silent" */
  readonly deadNodes?: "silent" | "refuse";
  /** Lookups of random targets from random honest nodes. @default 100 */
  readonly lookups?: number;
  /** Random values put by random honest nodes. @default 0 */
  readonly puts?: number;
  /**
   * Values are put while things go wrong: spread over the time of the churn, or where there is none, when the liars have begun.
   * @default false, they are put before
   */
  readonly putsDuring?: boolean;
  /** Gets of those of the values that have not expired by random honest nodes. @default 0 */
  readonly gets?: number;
  /** Bytes of a value. @default 100 */
  readonly valueBytes?: number;
  /** What a value lives unless it is published again; that of the nodes, milliseconds. @default 86400000 */
  readonly valueLifeMs?: number;
  /** Share of the nodes that crash at once. @default 0 */
  readonly deadShare?: number;
  /** Nodes that begin to answer wrongly. */
  readonly liars?: { readonly share: number; readonly misbehaviour: Misbehaviour };
  /** Nodes come and go for so many hours. */
  readonly churn?: ChurnOptions & { readonly hours: number };
  /** The network falls into so many groups, at random, for so long; lookups are measured within, and after it has healed. */
  readonly partition?: { readonly groups: number; readonly durationMs: number };
  /** Simulated milliseconds that a phase may take. @default 30 days */
  readonly maxPhaseMs?: number;
  /** Its abort ends the run with the reason. */
  readonly signal?: AbortSignal;
}

/** Checked settings of a scenario. */
export type ScenarioConfig = Readonly<
  Required<Omit<ScenarioOptions, "liars" | "churn" | "partition" | "signal">> &
    Pick<ScenarioOptions, "liars" | "churn" | "partition" | "signal">
>;

/** The defaults of ScenarioOptions that are plain values. */
const scenarioDefaults = Object.freeze({
  seed: 1,
  k: 20,
  formation: "join",
  joinsAtOnce: 8,
  operationsAtOnce: 4,
  lossShare: 0,
  deadNodes: "silent",
  lookups: 100,
  puts: 0,
  putsDuring: false,
  gets: 0,
  valueBytes: 100,
  valueLifeMs: 86_400_000,
  deadShare: 0,
  maxPhaseMs: 30 * 86_400_000,
}) satisfies Partial<ScenarioConfig>;

/**
 * Fills in defaults and checks.
 * @throws RangeError for a value out of its range
 */
export function resolveScenarioOptions(options: ScenarioOptions): ScenarioConfig {
  const config = { ...scenarioDefaults, latency: lognormalLatency(20), ...options };
  for (const name of ["nodes", "k", "joinsAtOnce", "operationsAtOnce"] as const) atLeast(name, config[name], 1);
  for (const name of ["lookups", "puts", "gets", "valueBytes"] as const) atLeast(name, config[name], 0);
  const { liars, churn, partition } = config;
  if (partition !== undefined) atLeast("partition.groups", partition.groups, 2);
  for (const [name, share] of [
    ["deadShare", config.deadShare],
    ["liars.share", liars?.share ?? 0],
  ] as const) {
    if (!(share >= 0 && share < 1)) throw new RangeError(`${name}: ${share} is not from 0 up to 1`);
  }
  for (const [name, value] of [
    ["churn.hours", churn?.hours ?? 0],
    ["partition.durationMs", partition?.durationMs ?? 0],
    ["valueLifeMs", config.valueLifeMs],
    ["maxPhaseMs", config.maxPhaseMs],
  ] as const) {
    if (!(value >= 0 && value < Infinity))
      throw new RangeError(`${name}: ${value} is not a finite number of at least 0`);
  }
  return Object.freeze(config);
}

function atLeast(name: string, value: number, min: number): void {
  if (!Number.isSafeInteger(value) || value < min) {
    throw new RangeError(`${name}: ${value} is not a whole number of at least ${min}`);
  }
}
