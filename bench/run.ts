// Compares dswarm's RPC with its peers on this machine: every stack as a server and a client process, measured in turn,
// several times over.
//
// Usage: cd bench && npm install && npm run bench -- [options]
//   --stacks a,b       of bench/stacks; dswarm is what the others are compared with   (default: all)
//   --cells a,b        cells whose names contain one of these: 32B, 32B-c1, connect, idle, …   (default: all)
//   --rounds N         (default 5)
//   --seconds N        measured for each load; half as long before that to warm up   (default 1.5)
//   --max-minutes N    no further round is begun after that   (default 60)
//   --quick            one round of 0.4 s loads and fewer idle connections
//   --json FILE        every measurement
//   --write-docs       the tables into docs/performance.md
//   --profile DIR      a CPU profile of both processes for each load (of the last round), and what it spends its time in
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { abilityFor, type LoadCell, loadCells, type MemoryCell, memoryCells } from "./lib/cells.ts";
import { writeDocs } from "./lib/docs.ts";
import { machineLine, machineNotes, versions } from "./lib/machine.ts";
import { type Figures, Pair } from "./lib/pair.ts";
import { selfTimes } from "./lib/profile.ts";
import { type Measurement, Report, reference } from "./lib/report.ts";
import type { Stack } from "./lib/stack.ts";

const peers = ["@grpc/grpc-js", "@connectrpc/connect-node", "hyperdht", "protomux-rpc", "ws", "@bufbuild/protobuf"];

const { values: options } = parseArgs({
  options: {
    stacks: { type: "string" },
    cells: { type: "string" },
    rounds: { type: "string" },
    seconds: { type: "string" },
    "max-minutes": { type: "string", default: "60" },
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    "write-docs": { type: "boolean", default: false },
    profile: { type: "string" },
  },
});

function positive(name: "rounds" | "seconds" | "max-minutes", value: number): number {
  if (value > 0) return value;
  throw new RangeError(`--${name} is a number above 0, not ${options[name]}`);
}

const quick = options.quick;
const rounds = positive("rounds", Number(options.rounds ?? (quick ? 1 : 5)));
const loadMs = 1000 * positive("seconds", Number(options.seconds ?? (quick ? 0.4 : 1.5)));
const maxMs = 60_000 * positive("max-minutes", Number(options["max-minutes"]));
const cellFilter = options.cells?.split(",");
const isWanted = ({ name }: { name: string }): boolean => cellFilter?.some((part) => name.includes(part)) ?? true;
const loads = loadCells.filter(isWanted);
const memories = memoryCells(quick).filter(isWanted);
const profileDir = options.profile;
if (profileDir !== undefined) mkdirSync(profileDir, { recursive: true });

const known = readdirSync(join(import.meta.dirname, "stacks"))
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
  .map((file) => file.slice(0, -3));
const names = options.stacks?.split(",") ?? known.sort((a, b) => order(a) - order(b));
if (loads.length + memories.length === 0) throw new RangeError("--cells names no cell");
const stacks = await Promise.all(names.map(async (name) => ({ name, ...(await loadStack(name)) })));

const machine = machineNotes();
const measurements: Measurement[] = [];
const profiles = new Set<string>();
const failures: string[] = [];
const startedAt = performance.now();

log(machineLine(machine));
if (machine.loadBefore > 0.5) log(`load average ${machine.loadBefore}: the machine is busy, figures will be off`);
log(`${rounds} rounds, ${names.length} stacks, ${loads.length + memories.length} cells; about ${plannedMinutes()} min`);

for (let round = 1; round <= rounds; round++) {
  const elapsedMs = performance.now() - startedAt;
  if (elapsedMs > maxMs) {
    log(`stopped after round ${round - 1}: ${options["max-minutes"]} minutes have passed`);
    break;
  }
  const turn = names.map((_, i) => names[(i + round - 1) % names.length] ?? "");
  await runLoads(round, turn);
  for (const cell of memories) {
    for (const name of turn) await runMemory(round, name, cell);
  }
}

const report = new Report(measurements, stacks);
const spread = report.spread();
const summary = [
  `Measured ${machineLine(machine)}; ${rounds === 1 ? "one round" : `medians of ${rounds} rounds`} of ${loadMs / 1000} s` +
    (Number.isNaN(spread) ? "." : `; dswarm's rounds lie ±${Math.round(100 * spread)} % apart (median of the cells).`),
  `Peers: ${Object.entries(versions(peers))
    .map(([name, version]) => `${name} ${version}`)
    .join(", ")}.`,
  report.markdown(),
  stacks.map(({ label, note }) => `- ${label}: ${note}`).join("\n"),
].join("\n\n");
process.stdout.write(`\n${summary}\n`);
for (const failure of failures) log(`failed: ${failure}`);
if (options.json !== undefined) {
  const settings = { rounds, loadMs, stacks: names };
  const text = JSON.stringify({ machine, versions: versions(peers), settings, failures, measurements }, undefined, 2);
  writeFileSync(options.json, `${text}\n`);
}
if (options["write-docs"]) writeDocs("rpc", summary);
for (const file of profiles) log(`\n${file}\n${selfTimes(file)}`);
if (failures.length > 0) process.exitCode = 1;

/** Dswarm first, then the peers, then the limits. */
function order(name: string): number {
  if (name === reference) return 0;
  return name.startsWith("ws") ? 2 : 1;
}

async function loadStack(name: string): Promise<Stack> {
  if (!known.includes(name)) throw new RangeError(`--stacks: ${name} is none of ${known.join(", ")}`);
  try {
    const { stack } = (await import(`./stacks/${name}.ts`)) as { stack: Stack };
    return stack;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") {
      throw new Error("a peer is not installed: run npm install in bench", { cause: error });
    }
    throw error;
  }
}

/** All stacks stand ready at once and take turns cell by cell, so that what disturbs the machine disturbs all alike. */
async function runLoads(round: number, turn: readonly string[]): Promise<void> {
  if (loads.length === 0) return;
  const pairs = new Map<string, Pair>();
  for (const name of turn) {
    await attempt(`${name}, start`, async () => void pairs.set(name, await Pair.start(name)));
  }
  for (const cell of loads) {
    for (const [name, pair] of pairs) {
      if (!pair.can(abilityFor(cell))) continue;
      await attempt(`${name}, ${cell.name}`, async () =>
        record(round, name, cell, await pair.measureLoad(cell, loadMs, profileOf(name, cell))),
      );
    }
  }
  for (const pair of pairs.values()) await pair.close();
}

function profileOf(stack: string, { name: cell }: LoadCell): ((what: "server" | "client") => string) | undefined {
  if (profileDir === undefined) return undefined;
  return (what) => {
    const file = join(profileDir, `${stack}-${cell}-${what}.cpuprofile`);
    profiles.add(file);
    return file;
  };
}

async function runMemory(round: number, name: string, cell: MemoryCell): Promise<void> {
  await attempt(`${name}, ${cell.name}`, async () => {
    const pair = await Pair.start(name);
    try {
      if (pair.can(abilityFor(cell))) record(round, name, cell, await pair.measureMemory(cell));
    } finally {
      await pair.close();
    }
  });
}

async function attempt(what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    const failure = `${what}: ${error instanceof Error ? error.message : String(error)}`;
    failures.push(failure);
    log(failure);
  }
}

function record(round: number, stack: string, { name: cell }: LoadCell | MemoryCell, figures: Figures): void {
  measurements.push({ round, stack, cell, figures });
  const shown = Object.entries(figures).map(([name, value]) => `${name} ${Number(Number(value).toPrecision(3))}`);
  log(`${elapsed()} round ${round}/${rounds}  ${cell.padEnd(10)} ${stack.padEnd(18)} ${shown.join("  ")}`);
}

function elapsed(): string {
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, "0")}`;
}

function plannedMinutes(): number {
  const loadSeconds = names.length * (1 + loads.length * (0.1 + (1.5 * loadMs) / 1000));
  const memorySeconds = names.length * memories.length * 5;
  return Math.ceil((rounds * (loadSeconds + memorySeconds)) / 60);
}

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}
