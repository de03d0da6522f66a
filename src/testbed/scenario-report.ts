// What a scenario has measured.
import type { Distribution } from "./distribution.ts";
import type { NetworkCounts } from "./network.ts";

/** Operations of one phase. */
export interface OperationReport {
  readonly name: "lookup in partition" | "lookup" | "put" | "get";
  readonly count: number;
  /** Share that succeeded: a lookup finds the closest node that is up, a put is kept by somebody, a get returns the value. */
  readonly success: number;
  /** Simulated milliseconds that one took. */
  readonly latencyMs: Distribution;
  /** Of lookups only: share of the k closest nodes that are up that were found, mean. */
  readonly recall?: number;
  /** Of lookups only. */
  readonly hops?: Distribution;
  /** Of lookups only: queries of one. */
  readonly rpcs?: Distribution;
  /** Of lookups only: queries of one that failed or timed out. */
  readonly failures?: Distribution;
}

/** What the machine needed: the one part that differs from run to run. */
interface MachineReport {
  readonly realMs: number;
  /** Timers run in a second of real time. */
  readonly eventsPerSecond: number;
  /** At the end, all nodes still there; garbage may be in it. */
  readonly heapBytes: number;
}

/** A run of a scenario. */
export interface ScenarioReport {
  readonly seed: number;
  /** Nodes at the start. */
  readonly nodes: number;
  /** Nodes up at the end. */
  readonly nodesUp: number;
  /** Simulated milliseconds that the forming took. */
  readonly formationMs: number;
  /** Entries of the routing tables of those that are up, after forming. */
  readonly tableSize: Distribution;
  readonly departures: number;
  readonly crashes: number;
  readonly operations: readonly OperationReport[];
  /** Values that were put and whose time was over at the end. */
  readonly expired: number;
  /** All calls, those of the forming and of maintenance too. */
  readonly calls: NetworkCounts;
  /** Bytes of messages that each node that is up at the end has sent. */
  readonly bytesSent: Distribution;
  readonly simulatedMs: number;
  /** Timers run. */
  readonly events: number;
  /** Of all calls, 16 hex digits: runs with the same digest did the same. */
  readonly digest: string;
  readonly machine: MachineReport;
}
