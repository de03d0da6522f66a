// npm run mutations -- [NAME…]
//
// Seeds each known fault into a copy of the Python client, and shows that the cases of the suite fail that are to find it. With
// NAME, only the faults whose name has one of these words. Needs clients/python/.venv, which clients/python/test.sh makes.
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { connectionFaults } from "./connection-faults.ts";
import type { Change, Fault } from "./fault.ts";
import { peerFaults } from "./peer-faults.ts";

/** Every fault, by unique names. */
export const allFaults: readonly Fault[] = [...connectionFaults, ...peerFaults];

const root = join(import.meta.dirname, "../..");
const client = join(root, "clients/python");
const run = promisify(execFile);
const timeoutMs = 600_000;

/** A text with a change made. Throws Error unless its place is there exactly once. */
export function changed(text: string, { file, from, to }: Change): string {
  const [before, after, ...others] = text.split(from);
  if (before === undefined || after === undefined || others.length > 0) {
    throw new Error(`in ${file} there is not exactly one place\n${from}`);
  }
  return before + to + after;
}

/** Runs cases against the client in a directory: those that failed. */
async function failedCases(directory: string, cases: readonly string[]): Promise<Set<string>> {
  const python = join(client, ".venv/bin/python");
  const suite = join(root, "conformance/main.ts");
  const args = [suite, "--json", "--only", cases.join(), python, join(directory, "conformance.py")];
  // It exits with 1 where a case fails; its lines tell more.
  const { stdout } = await run(process.execPath, args, { timeout: timeoutMs }).catch((error) => error);
  const lines = String(stdout)
    .split("\n")
    .filter((line) => line.startsWith("{"));
  const results: { name: string; result: string }[] = lines.map((line) => JSON.parse(line));
  if (results.length !== cases.length) throw new Error(`of ${cases.length} cases ${results.length} were run`);
  return new Set(results.filter(({ result }) => result === "failed").map(({ name }) => name));
}

async function copyOfClient(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "dswarm-mutation-"));
  for (const part of ["dswarm", "conformance.py"]) {
    await cp(join(client, part), join(directory, part), {
      recursive: true,
      filter: (path) => !path.endsWith("__pycache__"),
    });
  }
  return directory;
}

/** The cases that do not fail though the client has the fault. */
async function missedBy({ cases, changes }: Fault): Promise<string[]> {
  const directory = await copyOfClient();
  try {
    for (const each of changes) {
      const path = join(directory, each.file);
      await writeFile(path, changed(await readFile(path, "utf8"), each));
    }
    const failed = await failedCases(directory, cases);
    return cases.filter((name) => !failed.has(name));
  } finally {
    await rm(directory, { recursive: true });
  }
}

function print(line: string): void {
  // Unlike process.stdout.write, it does not fail once the reader has gone (`| head`).
  console.log(line);
}

async function main(words: readonly string[]): Promise<number> {
  const faults = allFaults.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  if (faults.length === 0) throw new Error(`no fault has the word ${words.join(" or ")}`);
  // Without a fault none of them fails.
  const whole = await copyOfClient();
  const broken = await failedCases(whole, [...new Set(faults.flatMap(({ cases }) => cases))]);
  await rm(whole, { recursive: true });
  if (broken.size > 0) throw new Error(`without a fault, these fail: ${[...broken].join(", ")}`);
  let missed = 0;
  for (const each of faults) {
    const cases = await missedBy(each);
    missed += Math.min(cases.length, 1);
    print(
      `${cases.length === 0 ? "found " : "MISSED"}  ${each.name}${cases.map((name) => `\n        by ${name}`).join("")}`,
    );
  }
  print(`${faults.length - missed} found, ${missed} missed`);
  return missed === 0 ? 0 : 1;
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
