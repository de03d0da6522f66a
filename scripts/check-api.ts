// Checks the OpenAPI document of a running node with tools that others use: redocly lints it, and schemathesis makes requests of it,
// good and bad ones, and compares the answers with it. Needs the npm registry and PyPI once, and Python with venv.
//
//     npm run check:api [-- SEED]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeIdPattern } from "../src/api/field-rules.ts";
import { createNode } from "../src/create-node.ts";

const redocly = "@redocly/cli@2.77.0";
const schemathesis = "schemathesis==4.32.0";
const examples = 10;
// Only a hang takes so long.
const deadlineMs = 600_000;

const root = join(import.meta.dirname, "..");
const venv = join(root, "node_modules/.cache", schemathesis.replace("==", "-"));
const environment = { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };

/** Runs a command in a directory. Resolves with what it printed on standard output, which is shown as well. */
async function run(command: string, args: readonly string[], cwd: string): Promise<{ code: number; output: string }> {
  const signal = AbortSignal.timeout(deadlineMs);
  const child = spawn(command, args, { cwd, env: environment, stdio: ["ignore", "pipe", "inherit"], signal });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const [code] = await once(child, "close");
  return { code: Number(code ?? 1), output };
}

async function succeed(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, output } = await run(command, args, cwd);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${output}`);
  return output;
}

async function installSchemathesis(): Promise<string> {
  const program = join(venv, "bin/schemathesis");
  if (!existsSync(program)) {
    await succeed("python3", ["-m", "venv", venv], root);
    await succeed(join(venv, "bin/pip"), ["install", "--quiet", "--disable-pip-version-check", schemathesis], root);
  }
  return program;
}

/** @throws Error for any warning of redocly's recommended rules */
async function lint(directory: string): Promise<void> {
  const { output } = await run("npx", ["--yes", redocly, "lint", "openapi.json", "--format=json"], directory);
  const { totals, problems } = JSON.parse(output.slice(output.indexOf("{")));
  if (totals.errors + totals.warnings > 0) throw new Error(`redocly: ${JSON.stringify(problems, undefined, 2)}`);
  console.log(`${redocly}: no warning`);
}

/** The document with keys alone where addresses may be, too: a node would dial whatever addresses were made up. */
function withoutAddresses(document: string): string {
  return JSON.stringify(JSON.parse(document, withKeys));
}

function withKeys(name: string, value: unknown): unknown {
  return name === "pattern" && String(value).includes("dswarm://") ? nodeIdPattern : value;
}

const seed = process.argv[2] ?? "20251130";
const directory = mkdtempSync(join(tmpdir(), "dswarm-api-"));
const program = await installSchemathesis();
const api = { requestsPerSecond: 1_000_000, requestBurst: 1_000_000 };
await using node = await createNode({ network: "check-api", discovery: false, httpPort: 0, api });
await using peer = await createNode({ network: "check-api", discovery: false, bootstrap: [node.address], api: false });
try {
  const url = node.httpUrl ?? "";
  console.log(`checking ${url}, which has the peer ${peer.id.toString()}`);
  const document = await (await fetch(`${url}/api/openapi.json`)).text();
  writeFileSync(join(directory, "openapi.json"), withoutAddresses(document));
  await lint(directory);
  const config = ["--config-file", join(import.meta.dirname, "schemathesis.toml"), "--no-color"];
  const options = ["--phases", "coverage,fuzzing", "--max-examples", `${examples}`, "--seed", seed, "--no-shrink"];
  const more = ["--continue-on-failure", "--request-timeout", "60"];
  const { code, output } = await run(
    program,
    [...config, "run", "openapi.json", "--url", url, ...options, ...more],
    directory,
  );
  console.log(code === 0 ? output.split("\n").slice(-12).join("\n") : output);
  process.exitCode = code;
} finally {
  rmSync(directory, { recursive: true });
}
