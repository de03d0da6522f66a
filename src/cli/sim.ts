// `dswarm sim`: simulates a DHT of many nodes on virtual time and shows how it did.
import { writeFile } from "node:fs/promises";
import { resolveDhtOptions } from "../dht/options.ts";
import type { Misbehaviour } from "../testbed/byzantine.ts";
import { createSimulatedDhts } from "../testbed/create-simulated-dht.ts";
import { lognormalLatency } from "../testbed/latency.ts";
import { formatReport, reportsToCsv } from "../testbed/report.ts";
import { runScenario, type ScenarioProgress } from "../testbed/scenario.ts";
import type { ScenarioOptions } from "../testbed/scenario-options.ts";
import { messageOf } from "../util/errors.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { fileError } from "./file-error.ts";
import { progressOn } from "./progress.ts";
import { codeOfStop, listenForStop } from "./stop-signal.ts";

/** The flags of `sim`. */
export interface SimFlags {
  readonly nodes: number;
  readonly seed: number;
  readonly form?: "join" | "ideal";
  readonly lookups: number;
  readonly puts: number;
  readonly putDuring?: boolean;
  readonly gets?: number;
  readonly latency: number;
  readonly loss: number;
  readonly dead: number;
  readonly liars: number;
  readonly lie: Misbehaviour;
  readonly churn: number;
  readonly session: number;
  readonly partition: number;
  readonly alpha: number;
  readonly k: number;
  readonly paths: number;
  readonly csv?: string;
  readonly json?: boolean;
}

// Beyond this the joins of all take minutes.
const maxJoining = 2000;
// Flags of which the run does not depend.
const onlyOutput: ReadonlySet<string> = new Set(["csv", "json"] satisfies (keyof SimFlags)[]);

/** Runs a simulation. Returns the exit code. */
export async function sim(flags: SimFlags, { stdout, stderr, programName }: Context): Promise<number> {
  // A path of no use is found before the run, not after it.
  if (flags.csv !== undefined) await writeCsv(flags.csv, "", { flag: "a" });
  const signal = listenForStop();
  const tell = progressOn(stderr);
  const scenario = { ...scenarioOf(flags), signal };
  const report = await runScenario(scenario, (progress) => tell(phaseText(progress))).catch((error: unknown) => {
    if (signal.aborted) return undefined;
    throw new CliError(`${messageOf(error)}; to see it again: ${simCommand(flags, programName)}`);
  });
  if (report === undefined) return codeOfStop(signal, exitCodes.interrupted);
  if (flags.json) stdout.line(JSON.stringify(report));
  else stdout.line(formatReport(report).trimEnd());
  const csv = reportsToCsv([report]);
  if (flags.csv !== undefined) await writeCsv(flags.csv, csv, {});
  else if (flags.json !== true) stdout.line(`\n${csv.replaceAll("\r\n", "\n").trimEnd()}`);
  return exitCodes.ok;
}

async function writeCsv(path: string, csv: string, options: { readonly flag?: "a" }): Promise<void> {
  try {
    await writeFile(path, csv, options);
  } catch (error) {
    throw fileError("--csv", path, error);
  }
}

/** The command that does the same again, whatever the defaults are by then. */
export function simCommand(flags: SimFlags, programName: string): string {
  const words = Object.entries(flags).flatMap(([name, value]) => {
    if (onlyOutput.has(name)) return [];
    const flag =
      name.length === 1 ? `-${name}` : `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (typeof value === "boolean") return value ? [flag] : [];
    return [flag, String(value)];
  });
  return [programName, "sim", ...words].join(" ");
}

function scenarioOf(flags: SimFlags): ScenarioOptions {
  const { nodes, seed, lookups, puts, latency, loss, dead, liars, lie, churn, session, partition } = flags;
  const routing = { k: flags.k, alpha: flags.alpha, disjointPaths: flags.paths };
  resolveDhtOptions({ routing });
  return {
    createDht: createSimulatedDhts({ routing }),
    nodes,
    seed,
    k: flags.k,
    formation: flags.form ?? (nodes > maxJoining ? "ideal" : "join"),
    lookups,
    puts,
    putsDuring: flags.putDuring ?? false,
    gets: flags.gets ?? puts,
    latency: lognormalLatency(latency),
    lossShare: loss / 100,
    deadShare: dead / 100,
    ...(liars > 0 && { liars: { share: liars / 100, misbehaviour: lie } }),
    ...(churn > 0 && { churn: { hours: churn, medianSessionMs: session * 60_000 } }),
    ...(partition > 0 && { partition: { groups: 2, durationMs: partition * 60_000 } }),
  };
}

function phaseText({ phase, done, total, simulatedMs }: ScenarioProgress): string {
  return `${phase}: ${done} of ${total}, ${Math.round(simulatedMs / 1000)} s simulated`;
}
