// Fuzzes the decoders of strangers' bytes: npm run fuzz -- [TARGET…] [--seconds N] [--seed N] [--keep]
import { inspect, parseArgs } from "node:util";
import { addToCorpus, readCorpus } from "./engine/corpus-file.ts";
import { type FuzzReport, fuzz } from "./engine/fuzz.ts";
import type { FuzzTarget } from "./engine/target.ts";
import { targets } from "./targets.ts";

const usage = `Usage: npm run fuzz -- [TARGET…] [--seconds N] [--seed N] [--keep]

  TARGET        names of targets (default: all)
  --seconds N   time for each target (default: 30)
  --seed N      repeats a run (default: of the clock)
  --keep        adds inputs that reach new code, and findings, to fuzz/corpus/

Targets:
${targets.map(({ name, description }) => `  ${name.padEnd(13)} ${description}`).join("\n")}
`;

interface Settings {
  readonly chosen: readonly FuzzTarget[];
  readonly seconds: number;
  readonly seed: number;
  readonly keep: boolean;
}

function settings(): Settings {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "30" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const unknown = positionals.filter((name) => !targets.some((target) => target.name === name));
  const [seconds, seed] = [values.seconds, values.seed].map(Number);
  if (unknown.length > 0 || !(Number(seconds) > 0) || !Number.isSafeInteger(seed)) {
    console.error(unknown.length > 0 ? `There is no target ${unknown.join(", ")}.\n\n${usage}` : usage);
    process.exit(2);
  }
  const chosen = positionals.length === 0 ? targets : targets.filter(({ name }) => positionals.includes(name));
  return { chosen, seconds: Number(seconds), seed: Number(seed), keep: values.keep };
}

function line(target: FuzzTarget, { inputs, coverage, added, findings }: FuzzReport): string {
  const columns = [inputs.toLocaleString("en"), coverage, added.length, findings.length];
  return `${target.name.padEnd(14)}${columns.map((column) => String(column).padStart(12)).join("")}`;
}

const { chosen, seconds, seed, keep } = settings();
console.log(`seed ${seed}, ${seconds} s a target\n\ntarget              inputs    coverage    new paths    findings`);
let hasFindings = false;
for (const target of chosen) {
  const showProgress = process.stderr.isTTY
    ? (report: FuzzReport): void => void process.stderr.write(`\r${line(target, report)}`)
    : undefined;
  const report = await fuzz(target, {
    seed,
    corpus: readCorpus(target.name),
    maxMs: seconds * 1000,
    ...(showProgress && { onProgress: showProgress }),
  });
  if (showProgress !== undefined) process.stderr.write("\r\u001b[K");
  console.log(line(target, report));
  for (const { input, error } of report.findings) {
    hasFindings = true;
    console.error(
      `\nfinding in ${target.name}, input in base64: ${Buffer.from(input).toString("base64")}\n${inspect(error)}\n`,
    );
  }
  if (keep) addToCorpus(target.name, [...report.findings.map(({ input }) => input), ...report.added]);
}
if (hasFindings) {
  console.error("Mend the decoder, and keep the inputs: run again with --keep, or add them to fuzz/corpus/.");
  process.exitCode = 1;
}
