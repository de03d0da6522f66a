// Compares dswarm's DHT with its peers: all nodes of one DHT in one process, on loopback, which form a network, put and get one
// value after the other, and get again when a quarter of the nodes was killed. The DHTs take turns, in another order each round.
//
// Usage: cd bench && npm install && npm run dht -- [options]
//   --only a,b         of bench/dhts   (default: all)
//   --nodes N          in each network, unless that has a bound of its own   (default 100)
//   --operations N     puts, gets, and gets after the killing   (default 200)
//   --rounds N         (default 3)
//   --max-minutes N    for one DHT in one round; it is given up then   (default 10)
//   --json FILE        every measurement
//   --write-docs       the table into docs/performance.md
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type DhtFigures, measureDht } from "./lib/dht-figures.ts";
import type { DhtSystem } from "./lib/dht-system.ts";
import { writeDocs } from "./lib/docs.ts";
import { machineLine, machineNotes, versions } from "./lib/machine.ts";
import { median } from "./lib/statistics.ts";
import { short, table } from "./lib/tables.ts";

const reference = "dswarm";
const busyLoad = 0.5;
const peers = ["hyperdht", "bittorrent-dht", "libp2p", "@libp2p/kad-dht"];

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    nodes: { type: "string", default: "100" },
    operations: { type: "string", default: "200" },
    rounds: { type: "string", default: "3" },
    "max-minutes": { type: "string", default: "10" },
    json: { type: "string" },
    "write-docs": { type: "boolean", default: false },
  },
});
const nodes = whole("nodes", 4);
const operations = whole("operations", 1);
const rounds = whole("rounds", 1);
const maxMs = 60_000 * whole("max-minutes", 1);

const known = readdirSync(join(import.meta.dirname, "dhts"))
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
  .map((file) => file.slice(0, -3))
  .sort((a, b) => Number(b === reference) - Number(a === reference));
const names = options.only?.split(",") ?? known;
const systems = await Promise.all(names.map(async (name) => ({ name, system: await load(name) })));
const machine = machineNotes();
const results: { readonly name: string; readonly round: number; readonly figures: DhtFigures }[] = [];
const failures: string[] = [];

log(machineLine(machine));
if (machine.loadBefore > busyLoad) log(`load average ${machine.loadBefore}: the machine is busy, figures will be off`);
for (let round = 1; round <= rounds; round++) {
  for (let turn = 0; turn < systems.length; turn++) {
    const { name, system } = systems[(turn + round - 1) % systems.length] ?? {};
    if (name === undefined || system === undefined) continue;
    const where = `round ${round}/${rounds}  ${name.padEnd(16)}`;
    try {
      const count = Math.min(nodes, system.maxNodes ?? nodes);
      const figures = await measureDht(name, count, operations, maxMs, (doing) => log(`${where} ${doing}`));
      results.push({ name, round, figures });
      const shown = Object.entries(figures).map(([figure, value]) => `${figure} ${Number(value.toPrecision(3))}`);
      log(`${where} ${shown.join("  ")}`);
    } catch (error) {
      failures.push(`${name}, round ${round}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

type Row = (typeof systems)[number];
const medianOf = ({ name }: Row, figure: keyof DhtFigures): number =>
  median(results.filter((result) => result.name === name).map(({ figures }) => figures[figure]));
const column = (head: string, figure: keyof DhtFigures, factor = 1) => ({
  head,
  cell: (row: Row) => short(medianOf(row, figure) * factor),
});
const label = { head: "DHT", cell: ({ system }: Row) => system.label };
const summary = [
  `Measured ${machineLine(machine)}; ${rounds === 1 ? "one round" : `medians of ${rounds} rounds`}; ${operations} puts and gets of 100 bytes, or as many as a minute allows.` +
    (machine.loadBefore > busyLoad
      ? ` Other programs ran (load average ${machine.loadBefore}): read them as ratios.`
      : ""),
  `Peers: ${Object.entries(versions(peers))
    .map(([name, version]) => `${name} ${version}`)
    .join(", ")}.`,
  table(systems, [
    label,
    { head: "nodes", cell: (row) => String(medianOf(row, "nodes")) },
    column("formed after s", "formedMs", 0.001),
    column("contacts a table", "contacts"),
    column("KiB a node", "formedKiB"),
    column("after puts and gets", "usedKiB"),
  ]),
  table(systems, [
    label,
    column("put p50 ms", "putP50Ms"),
    column("p99 ms", "putP99Ms"),
    column("ok %", "putOk", 100),
    column("get p50 ms", "getP50Ms"),
    column("p99 ms ", "getP99Ms"),
    column("ok % ", "getOk", 100),
    column("get p50 ms, 25 % killed", "getAfterP50Ms"),
    column("p99 ms  ", "getAfterP99Ms"),
    column("ok %  ", "getAfterOk", 100),
  ]),
  "All puts by one node, all gets by another:",
  table(systems, [
    label,
    column("put p50 ms", "onePutP50Ms"),
    column("p99 ms", "onePutP99Ms"),
    column("get p50 ms", "oneGetP50Ms"),
    column("p99 ms ", "oneGetP99Ms"),
  ]),
  systems.map(({ system }) => `- ${system.label}: ${system.note}`).join("\n"),
].join("\n\n");
process.stdout.write(`\n${summary}\n`);
for (const failure of failures) log(`failed: ${failure}`);
if (options.json !== undefined) {
  const settings = { nodes, operations, rounds, systems: names };
  const text = JSON.stringify({ machine, versions: versions(peers), settings, failures, results }, undefined, 2);
  writeFileSync(options.json, `${text}\n`);
}
if (options["write-docs"]) writeDocs("dht", summary);
if (failures.length > 0) process.exitCode = 1;

async function load(name: string): Promise<DhtSystem> {
  if (!known.includes(name)) throw new RangeError(`--only: ${name} is none of ${known.join(", ")}`);
  try {
    return ((await import(`./dhts/${name}.ts`)) as { system: DhtSystem }).system;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") {
      throw new Error("a peer is not installed: run npm install in bench", { cause: error });
    }
    throw error;
  }
}

function whole(name: "nodes" | "operations" | "rounds" | "max-minutes", min: number): number {
  const value = Number(options[name]);
  if (Number.isInteger(value) && value >= min) return value;
  throw new RangeError(`--${name} is a whole number from ${min}, not ${options[name]}`);
}

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}
