// npm run conformance -- [--only PATTERN[,PATTERN…]] [--all] [--json] [--list] [COMMAND [ARGUMENT…]]
//
// Drives a client of dswarm's protocol, in whatever language, through the cases of docs/conformance.md.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Case, CaseContext } from "./case.ts";
import { allCases } from "./cases.ts";
import { Program } from "./program.ts";

/** How a case went. */
interface Result {
  readonly name: string;
  readonly result: "passed" | "failed" | "skipped";
  readonly ms: number;
  /** Why it failed, or was skipped. */
  readonly reason?: string;
}

const caseDeadlineMs = 30_000;
const ownAdapter = [process.execPath, fileURLToPath(new URL("adapters/typescript.ts", import.meta.url))];

/** What a case has left behind that fails, before it is over or after it has failed. */
let onStray: (error: unknown) => void = () => undefined;
process.on("unhandledRejection", (error) => onStray(error));

async function runCase({ name, needs, run }: Case, program: Program, has: ReadonlySet<string>): Promise<Result> {
  const missing = needs.filter((feature) => !has.has(feature));
  if (missing.length > 0) return { name, result: "skipped", ms: 0, reason: `not supported: ${missing.join(", ")}` };
  const startedAt = performance.now();
  const context = new CaseContext(program);
  let reason: string | undefined;
  const late = Promise.withResolvers<never>();
  onStray = late.reject;
  const timer = setTimeout(() => late.reject(new Error("it takes too long")), caseDeadlineMs);
  try {
    if (program.fault !== undefined) throw program.fault;
    await Promise.race([run(context), late.promise]);
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
    await context.end();
  }
  const ms = Math.round(performance.now() - startedAt);
  return reason === undefined ? { name, result: "passed", ms } : { name, result: "failed", ms, reason };
}

function shown({ name, result, ms, reason }: Result, width: number): string {
  const first = reason?.split("\n", 1)[0];
  return `${result}  ${name.padEnd(width)}  ${`${ms}`.padStart(6)} ms${first === undefined ? "" : `  ${first}`}`;
}

function matcher(pattern: string | undefined): (name: string) => boolean {
  if (pattern === undefined) return () => true;
  const each = pattern.split(",").map((one) => {
    const escaped = one.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
    return new RegExp(`^${escaped}(/.*)?$`);
  });
  return (name) => each.some((one) => one.test(name));
}

/** Options come first: the rest is the program's. */
function split(args: readonly string[]): { own: string[]; command: string[] } {
  let at = 0;
  while (args[at]?.startsWith("--")) at += args[at] === "--only" ? 2 : 1;
  return { own: args.slice(0, at), command: args.slice(at) };
}

function print(line: string): void {
  // Unlike process.stdout.write, it does not fail once the reader has gone (`| head`).
  console.log(line);
}

async function main(): Promise<number> {
  const { own, command } = split(process.argv.slice(2));
  const { values } = parseArgs({
    args: own,
    options: {
      only: { type: "string" },
      all: { type: "boolean" },
      json: { type: "boolean" },
      list: { type: "boolean" },
    },
  });
  const matches = matcher(values.only);
  const cases = allCases.filter(({ name }) => matches(name));
  if (cases.length === 0) throw new Error(`no case is called ${values.only}`);
  if (values.list === true) {
    for (const { name } of cases) print(name);
    return 0;
  }
  const [file = "", ...args] = command.length === 0 ? ownAdapter : command;
  await using program = new Program(file, args);
  const hello = await program.request("hello");
  const has = new Set(Array.isArray(hello["features"]) ? hello["features"].map(String) : []);
  if (values.json !== true) print(`${String(hello["name"])}: ${[...has].join(", ")}`);
  const width = Math.max(...cases.map(({ name }) => name.length));
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const each of cases) {
    const result = await runCase(each, program, has);
    counts[result.result] += 1;
    print(values.json === true ? JSON.stringify(result) : shown(result, width));
  }
  if (counts.skipped > 0) print(`${counts.skipped} skipped`);
  print(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 && (values.all !== true || counts.skipped === 0) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
