// npm run attacks -- [--only PATTERN] [--scale PART] [--json] [--markdown] [--list]
//
// Attacks nodes of its own on the loopback interface, and says what they suffered (docs/attacks.md).
import { parseArgs } from "node:util";
import type { Attack } from "./attack.ts";
import { attacks } from "./attacks.ts";
import { type Report, runAttack } from "./lib/run-attack.ts";
import { faultsOf, lineOf, tableOf } from "./lib/table.ts";
import { machine, writeDocs } from "./lib/write-docs.ts";

const quietMs = 3000;

function print(line: string): void {
  // Unlike process.stdout.write, it does not fail once the reader has gone (`| head`).
  console.log(line);
}

/** The attacks with these names; `*` stands for any characters, a comma parts two patterns. */
function chosen(patterns: string | undefined): readonly Attack[] {
  if (patterns === undefined) return attacks;
  const expressions = patterns.split(",").map((pattern) => {
    const escaped = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
    return new RegExp(`^${escaped}$`);
  });
  const found = attacks.filter(({ name }) => expressions.some((expression) => expression.test(name)));
  if (found.length === 0) throw new Error(`no attack is called ${patterns}; --list names all`);
  return found;
}

function scaleOf(text: string): number {
  const scale = Number(text);
  if (!(scale > 0 && scale <= 1)) throw new RangeError(`--scale: expected more than 0 and at most 1, got ${text}`);
  return scale;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      scale: { type: "string", default: "1" },
      json: { type: "boolean", default: false },
      markdown: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
    },
  });
  const list = chosen(values.only);
  if (values.list) {
    for (const { name, does } of list) print(`${name}: ${does}`);
    return 0;
  }
  const reports: Report[] = [];
  let broken = 0;
  for (const attack of list) {
    try {
      const report = await runAttack(attack, { scale: scaleOf(values.scale), quietMs, isAttackerApart: true });
      reports.push(report);
      print(values.json ? JSON.stringify(report) : lineOf(report));
    } catch (error) {
      broken += 1;
      console.error(`${attack.name} could not be run:`, error);
    }
  }
  if (!values.json) print(`\n${tableOf(reports)}`);
  if (values.markdown) {
    writeDocs("table", `${machine()}.\n\n${tableOf(reports)}\n\n${faultsOf(reports)}`);
    writeDocs("list", attacks.map(({ name, does, promise }) => `- **${name}**: ${does} ${promise}`).join("\n"));
  }
  const open = reports.filter(({ faults }) => faults.length > 0).length;
  if (!values.json) print(`\n${reports.length - open} held, ${open} not held, ${broken} not run`);
  return open + broken === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
