// What a dswarm node costs before it does anything: time until it listens, memory at rest, and each further node in the
// same process. Compared with a program that loads the same libraries and does nothing else.
//
// Usage: node bench/startup.ts [--rounds N] [--quick] [--json FILE] [--write-docs]      (default: 9 rounds, about 3 minutes)
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { messageOf } from "../src/util/errors.ts";
import { writeDocs } from "./lib/docs.ts";
import { importedLibraries } from "./lib/imports.ts";
import { machineLine, machineNotes } from "./lib/machine.ts";
import { pssKiB } from "./lib/memory.ts";
import { median } from "./lib/statistics.ts";
import { short, table } from "./lib/tables.ts";

const root = join(import.meta.dirname, "..");
const restMs = 1500;
const endMs = 5000;
const warmNodes = 3;
const furtherNodes = 20;
// The compile cache is only written by an exit in order.
const idle =
  'process.stdout.write("ready\\n"); process.on("SIGTERM", () => process.exit()); setInterval(() => {}, 60000);';

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    "write-docs": { type: "boolean", default: false },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 2 : 9));
if (!(rounds >= 1)) throw new RangeError(`--rounds is a number from 1, not ${options.rounds}`);

interface Program {
  readonly label: string;
  /** What Node runs, in the project's folder. It prints something when it is ready, and ends at SIGTERM. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const builtIndex = "./dist/index.js";
// As package.json starts it.
const cli = ["--max-semi-space-size=4", "bin/dswarm.mjs"];
const cacheDir = mkdtempSync(join(tmpdir(), "dswarm-bench-"));
const libraries = importedLibraries(join(root, "src/index.ts"));
const baseline = program(
  "the same libraries, nothing done",
  `${libraries.map((name) => `import ${JSON.stringify(name)};`).join("")} ${idle}`,
);
const nodeSource = (index: string): string =>
  `import { createNode } from "${index}"; await createNode({ discovery: false }); ${idle}`;
const programs: readonly Program[] = [
  program("Node alone", idle),
  baseline,
  program("dswarm imported, nothing done", `import "./src/index.ts"; ${idle}`),
  program("dswarm node, listening", nodeSource("./src/index.ts")),
  {
    ...program("the same, with Node's compile cache", nodeSource("./src/index.ts")),
    env: { NODE_COMPILE_CACHE: cacheDir },
  },
  ...(existsSync(join(root, builtIndex))
    ? [program("the same, compiled (npm run build)", nodeSource(builtIndex))]
    : []),
  {
    label: "dswarm start",
    args: [...cli, "start", "--json", "--no-discovery"],
    env: { XDG_CACHE_HOME: cacheDir },
  },
];

/** @param source an ES module */
function program(label: string, source: string): Program {
  return { label, args: ["--input-type=module", "-e", source] };
}

interface Start {
  readonly round: number;
  readonly label: string;
  readonly startMs: number;
  readonly pssMiB: number;
}

const starts: Start[] = [];
const failed = new Set<string>();
const furtherKiB: number[] = [];
const machine = machineNotes();
for (let round = 0; round <= rounds; round++) {
  for (const tried of programs) {
    const { label } = tried;
    if (failed.has(label)) continue;
    try {
      const start = await measureStart(tried);
      // The first round only fills the caches, of the file system and of Node.
      if (round > 0) starts.push({ round, label, ...start });
    } catch (error) {
      failed.add(label);
      process.stderr.write(`left out: ${label}: ${messageOf(error)}\n`);
    }
  }
  if (round > 0) furtherKiB.push(await measureFurtherNode());
  process.stderr.write(`round ${round}/${rounds}\n`);
}
rmSync(cacheDir, { recursive: true });

const summary = [
  `Measured ${machineLine(machine)}; ${rounds === 1 ? "one round" : `medians of ${rounds} rounds`}.`,
  table(programs, [
    { head: "program", cell: ({ label }) => label },
    { head: "ready after ms", cell: ({ label }) => short(median(values(label, "startMs"))) },
    { head: "ratio", cell: ({ label }) => short(ratio(label, "startMs")) },
    { head: "PSS MiB at rest", cell: ({ label }) => short(median(values(label, "pssMiB"))) },
    { head: "ratio ", cell: ({ label }) => short(ratio(label, "pssMiB")) },
  ]),
  `Ratios are to "${baseline.label}", within a round. Each further node in the same process, without connections: ` +
    `${short(median(furtherKiB))} KiB.`,
].join("\n\n");
process.stdout.write(`\n${summary}\n`);
if (options.json !== undefined) {
  writeFileSync(options.json, `${JSON.stringify({ machine, starts, furtherKiB }, undefined, 2)}\n`);
}
if (options["write-docs"]) writeDocs("startup", summary);

function values(label: string, figure: "startMs" | "pssMiB"): number[] {
  return starts.filter((start) => start.label === label).map((start) => start[figure]);
}

function ratio(label: string, figure: "startMs" | "pssMiB"): number {
  const base = values(baseline.label, figure);
  return median(values(label, figure).map((value, round) => value / (base[round] ?? Number.NaN)));
}

async function measureStart({ args, env }: Program): Promise<{ startMs: number; pssMiB: number }> {
  const startedAt = performance.now();
  const child = run(args, env);
  try {
    await firstLine(child);
    const startMs = performance.now() - startedAt;
    await sleep(restMs);
    return { startMs, pssMiB: pssKiB(child.pid ?? -1) / 1024 };
  } finally {
    await end(child);
  }
}

/** KiB of a node beyond the first few of a process. */
async function measureFurtherNode(): Promise<number> {
  const source = `
    import { readFileSync } from "node:fs";
    import { createNode } from "./src/index.ts";
    const kib = async () => {
      for (let i = 0; i < 3; i++) { await new Promise((go) => setTimeout(go, 200)); gc(); }
      return Number(/^Pss:\\s+(\\d+)/m.exec(readFileSync("/proc/self/smaps_rollup", "utf8"))[1]);
    };
    const nodes = [];
    const more = async (count) => { for (let i = 0; i < count; i++) nodes.push(await createNode({ discovery: false })); };
    await more(${warmNodes});
    const before = await kib();
    await more(${furtherNodes});
    process.stdout.write(((await kib()) - before) / ${furtherNodes} + "\\n");`;
  const child = run(["--expose-gc", "--input-type=module", "-e", source]);
  try {
    return Number(await firstLine(child));
  } finally {
    await end(child);
  }
}

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** In order, or hard after a while. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), endMs);
  await exited;
  clearTimeout(timer);
}

async function firstLine(child: ChildProcess): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new Error("the child has no output");
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`the program ended with ${code}`);
  });
  const [data] = (await Promise.race([once(stdout, "data"), ended])) as [Buffer];
  ended.catch(() => undefined); // It ends later, by our own hand.
  return data.toString().trim();
}
