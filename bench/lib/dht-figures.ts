// What is measured of a DHT, by a process of its own.
import { fork } from "node:child_process";
import { join } from "node:path";

/** Of one round. Times of operations in milliseconds; shares from 0 to 1. */
export interface DhtFigures {
  readonly nodes: number;
  /** From when the first node was up until no routing table changed its size any more; NaN where they went on doing so. */
  readonly formedMs: number;
  /** In the mean routing table, then. */
  readonly contacts: number;
  /** Memory of the process for each node but the first, formed, and after all puts and gets. */
  readonly formedKiB: number;
  readonly usedKiB: number;
  readonly putP50Ms: number;
  readonly putP99Ms: number;
  readonly putOk: number;
  readonly getP50Ms: number;
  readonly getP99Ms: number;
  readonly getOk: number;
  /** After a quarter of the nodes was killed. */
  readonly getAfterP50Ms: number;
  readonly getAfterP99Ms: number;
  readonly getAfterOk: number;
  /** One node puts all, another gets all: after the first few, those that they ask are known to them. Before the killing. */
  readonly onePutP50Ms: number;
  readonly onePutP99Ms: number;
  readonly oneGetP50Ms: number;
  readonly oneGetP99Ms: number;
}

/** What the process tells. */
export type DhtMessage = { readonly doing: string } | { readonly figures: DhtFigures };

const processPath = join(import.meta.dirname, "dht-process.ts");

/**
 * Runs a system's nodes in a process of its own.
 * @param name of a file of bench/dhts
 * @param onDoing told what it is at
 * @throws Error when the process ends without figures, or takes longer than `maxMs` and is killed
 */
export function measureDht(
  name: string,
  nodes: number,
  operations: number,
  maxMs: number,
  onDoing: (doing: string) => void,
): Promise<DhtFigures> {
  // As bin/dswarm.mjs starts a node; the small young generation serves every system's memory.
  const child = fork(processPath, [name, String(nodes), String(operations)], {
    execArgv: ["--expose-gc", "--max-semi-space-size=4", "--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    // NaN is a figure, which JSON cannot tell.
    serialization: "advanced",
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), maxMs);
    child.on("message", (message: DhtMessage) => {
      if ("figures" in message) resolve(message.figures);
      else onDoing(message.doing);
    });
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`the process ended with ${signal ?? code}`));
    });
  });
}
