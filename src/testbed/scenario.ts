// Runs a scenario: a network of simulated nodes forms, suffers, and is measured.
import { ConnectError } from "@connectrpc/connect";
import type { RecordKey } from "../dht/record-key.ts";
import { equalBytes } from "../util/bytes.ts";
import { systemClock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import { VirtualClock } from "../util/virtual-clock.ts";
import { Churn } from "./churn.ts";
import { type Distribution, distributionOf } from "./distribution.ts";
import { fillIdealTables } from "./ideal.ts";
import { SimulatedNetwork } from "./network.ts";
import { Population, type SimulatedNode } from "./population.ts";
import { inParallel, runUntil, sleep } from "./run.ts";
import { resolveScenarioOptions, type ScenarioConfig, type ScenarioOptions } from "./scenario-options.ts";
import type { OperationReport, ScenarioReport } from "./scenario-report.ts";
import { SimulationError } from "./simulation-error.ts";

/** Where a run is. */
export interface ScenarioProgress {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly simulatedMs: number;
}

/** Told of each node that has joined and each operation that is done. */
export type OnScenarioProgress = (progress: ScenarioProgress) => void;

interface Stored {
  readonly key: RecordKey;
  readonly value: Uint8Array;
  /** Simulated milliseconds at which it is over unless its publisher, who may be gone, publishes it again. */
  readonly expiresAtMs: number;
}

const hourMs = 3_600_000;
// A value that expires while it is being looked for is neither kept nor lost.
const longestGetMs = 30_000;

/**
 * Runs a scenario.
 * @throws RangeError for options out of their range; SimulationError, whose message has the seed, for all that goes wrong within;
 *   the reason of the signal
 */
export async function runScenario(
  options: ScenarioOptions,
  onProgress: OnScenarioProgress = () => {},
): Promise<ScenarioReport> {
  return new Scenario(resolveScenarioOptions(options), onProgress).run();
}

class Scenario {
  readonly #config: ScenarioConfig;
  readonly #onProgress: OnScenarioProgress;
  readonly #clock: VirtualClock;
  readonly #network: SimulatedNetwork;
  readonly #population: Population;
  readonly #stored: Stored[] = [];
  readonly #operations: OperationReport[] = [];
  #departures = 0;
  #crashes = 0;

  constructor(config: ScenarioConfig, onProgress: OnScenarioProgress) {
    const { seed, latency, lossShare, deadNodes, createDht } = config;
    this.#config = config;
    this.#onProgress = onProgress;
    this.#clock = new VirtualClock(seed);
    this.#network = new SimulatedNetwork({ clock: this.#clock, latency, lossShare, deadNodes });
    this.#population = new Population(this.#network, createDht);
  }

  async run(): Promise<ScenarioReport> {
    try {
      return await this.#run();
    } catch (error) {
      if (this.#config.signal?.aborted === true) throw error;
      throw SimulationError.from(this.#clock, error);
    }
  }

  async #run(): Promise<ScenarioReport> {
    const { seed, nodes, lookups, partition, churn, putsDuring } = this.#config;
    const startedAt = systemClock.now();
    await this.#phase(this.#form());
    const formationMs = this.#clock.now();
    const tableSize = distributionOf(this.#population.nodes.map(({ dht }) => dht.table.size));
    if (!putsDuring) await this.#phase(this.#put());
    await this.#phase(this.#kill());
    this.#corrupt();
    if (putsDuring) await this.#phase(Promise.all([this.#churn(), this.#put((churn?.hours ?? 0) * hourMs)]));
    else await this.#phase(this.#churn());
    if (partition !== undefined) await this.#phase(this.#partition(partition));
    await this.#phase(this.#lookUp("lookup", lookups));
    await this.#phase(this.#get());
    const realMs = systemClock.now() - startedAt;
    const heapBytes = process.memoryUsage().heapUsed;
    const { timersRun: events } = this.#clock;
    const report: ScenarioReport = {
      seed,
      nodes,
      nodesUp: this.#population.nodes.length,
      formationMs,
      tableSize,
      departures: this.#departures,
      crashes: this.#crashes,
      operations: this.#operations,
      expired: this.#stored.length - this.#living().length,
      calls: { ...this.#network.counts },
      bytesSent: distributionOf(this.#population.nodes.map(({ endpoint }) => endpoint.bytesSent)),
      simulatedMs: this.#clock.now(),
      events,
      digest: this.#network.digest.toString(),
      machine: { realMs, eventsPerSecond: (events * 1000) / realMs, heapBytes },
    };
    await this.#phase(this.#population.close());
    return report;
  }

  #phase<T>(work: Promise<T>): Promise<T> {
    return runUntil(this.#clock, work, { maxMs: this.#config.maxPhaseMs, signal: this.#config.signal });
  }

  async #form(): Promise<void> {
    const { nodes, formation, joinsAtOnce, k } = this.#config;
    const population = this.#population;
    if (formation === "join") {
      // The first node has nobody to join.
      await this.#each("form", 1, 1, async () => void (await population.create()));
      await this.#each("form", nodes - 1, joinsAtOnce, async () => void (await population.join()));
    } else {
      await this.#each("form", nodes, 1, async () => void (await population.create()));
      fillIdealTables(
        population.nodes.map(({ contact, dht }) => ({ contact, table: dht.table })),
        k,
        () => this.#clock.random(),
      );
    }
  }

  async #kill(): Promise<void> {
    const { deadShare, nodes } = this.#config;
    const doomed = this.#population.sample(Math.floor(deadShare * nodes));
    await Promise.all(doomed.map((node) => this.#population.crash(node)));
    this.#crashes += doomed.length;
    this.#departures += doomed.length;
  }

  #corrupt(): void {
    const { liars } = this.#config;
    if (liars === undefined) return;
    const count = Math.floor(liars.share * this.#population.nodes.length);
    for (const node of this.#population.sample(count)) this.#population.corrupt(node, liars.misbehaviour);
  }

  async #churn(): Promise<void> {
    const { churn: options } = this.#config;
    if (options === undefined) return;
    const population = this.#population;
    const failure = Promise.withResolvers<never>();
    const churn = new Churn<SimulatedNode>({
      clock: this.#clock,
      options,
      leave: (node, isGraceful) => (isGraceful ? population.leave(node) : population.crash(node)),
      join: () => population.join(),
      onFailure: failure.reject,
    });
    for (const node of population.nodes) churn.begin(node);
    const hours = Math.ceil(options.hours);
    const all = this.#each("churn", hours, 1, () => sleep(this.#clock, (options.hours / hours) * hourMs));
    await Promise.race([all, failure.promise]);
    churn.stop();
    this.#departures += churn.departures;
    this.#crashes += churn.crashes;
  }

  async #partition({ groups, durationMs }: NonNullable<ScenarioConfig["partition"]>): Promise<void> {
    this.#network.partition(() => Math.floor(this.#clock.random() * groups));
    await sleep(this.#clock, durationMs);
    await this.#lookUp("lookup in partition", this.#config.lookups);
    this.#network.heal();
    await sleep(this.#clock, durationMs);
  }

  async #lookUp(name: "lookup" | "lookup in partition", count: number): Promise<void> {
    const { operationsAtOnce, k } = this.#config;
    const hops: number[] = [];
    const rpcs: number[] = [];
    const failures: number[] = [];
    const recalls: number[] = [];
    await this.#measure(
      name,
      count,
      operationsAtOnce,
      async () => {
        const from = this.#population.randomHonest();
        const target = this.#clock.randomBytes(32);
        const result = await from.dht.lookup(target);
        const expected = this.#population.closest(target, k, from);
        const found = new Set(result.closest.map(({ id }) => id.toString()));
        const isFound = ({ contact }: SimulatedNode): boolean => found.has(contact.id.toString());
        hops.push(result.hops);
        rpcs.push(result.rpcs);
        failures.push(result.failures);
        if (expected.length > 0) recalls.push(expected.filter(isFound).length / expected.length);
        const [closest] = expected;
        return closest === undefined || isFound(closest);
      },
      () => ({
        recall: distributionOf(recalls).mean,
        hops: distributionOf(hops),
        rpcs: distributionOf(rpcs),
        failures: distributionOf(failures),
      }),
    );
  }

  /** @param spreadMs the time over which the puts are spread evenly */
  async #put(spreadMs = 0): Promise<void> {
    const { puts, operationsAtOnce, valueBytes, valueLifeMs } = this.#config;
    const beginMs = this.#clock.now();
    const put = async (): Promise<boolean> => {
      const value = this.#clock.randomBytes(valueBytes);
      const beganMs = this.#clock.now();
      const { key } = await this.#population.randomHonest().dht.put(value);
      // Nodes count from when they store it, which is before.
      this.#stored.push({ key, value, expiresAtMs: beganMs + valueLifeMs });
      return true;
    };
    const untilDue = (index: number): Promise<void> | undefined => {
      const waitMs = beginMs + (spreadMs * index) / puts - this.#clock.now();
      return waitMs > 0 ? sleep(this.#clock, waitMs) : undefined;
    };
    await this.#measure("put", puts, operationsAtOnce, put, undefined, untilDue);
  }

  async #get(): Promise<void> {
    const { gets, operationsAtOnce } = this.#config;
    if (this.#living().length === 0) return;
    await this.#measure("get", gets, operationsAtOnce, async (index) => {
      const living = this.#living();
      const stored = living[index % living.length];
      if (stored === undefined) return false;
      const record = await this.#population.randomHonest().dht.get(stored.key);
      return record?.kind === "immutable" && equalBytes(record.value, stored.value);
    });
  }

  /** Values that have time left, enough to be got. */
  #living(): readonly Stored[] {
    const soonMs = this.#clock.now() + longestGetMs;
    return this.#stored.filter(({ expiresAtMs }) => expiresAtMs > soonMs);
  }

  /** Does operations, each of which tells whether it has succeeded, when it is due, and reports on them. */
  async #measure(
    name: OperationReport["name"],
    count: number,
    limit: number,
    operation: (index: number) => Promise<boolean>,
    more?: () => {
      readonly recall: number;
      readonly hops: Distribution;
      readonly rpcs: Distribution;
      readonly failures: Distribution;
    },
    untilDue?: (index: number) => Promise<void> | undefined,
  ): Promise<void> {
    if (count === 0) return;
    const latencies: number[] = [];
    let successes = 0;
    await this.#each(name, count, limit, async (index) => {
      await untilDue?.(index);
      const startedAt = this.#clock.now();
      try {
        if (await operation(index)) successes += 1;
      } catch (error) {
        // It did not succeed; anything else is a mistake in the code.
        if (!(error instanceof DswarmError || error instanceof ConnectError)) throw error;
      }
      latencies.push(this.#clock.now() - startedAt);
    });
    const latencyMs = distributionOf(latencies);
    this.#operations.push({ name, count, success: successes / count, latencyMs, ...more?.() });
  }

  #each(phase: string, total: number, limit: number, task: (index: number) => Promise<void>): Promise<void> {
    let done = 0;
    return inParallel(total, limit, async (index) => {
      await task(index);
      done += 1;
      this.#onProgress({ phase, done, total, simulatedMs: this.#clock.now() });
    });
  }
}
