// npm run conformance:connect
//
// Runs Connect's own conformance suite against dswarm's RPC and against /api, as docs/conformance.md says. It needs Go, with
// which it installs the suite once.
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startServer } from "./started-server.ts";

// The suite waits 20 seconds for the client.
process.env["NODE_COMPILE_CACHE"] ??= resolve("node_modules/.cache/node");

const suiteModule = "connectrpc.com/conformance";
const suiteVersion = "v1.0.7";
/** Most time that one run may take, in milliseconds. */
const runDeadlineMs = 180_000;

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
/** Cases that the suite has for one side alone, and that both ends of dswarm can run. Embedded ones have the mode `both`. */
const oneSided = ["client_cancellation.yaml", "server_empty.yaml"];

/** One run of the suite, and its exact result. */
interface Run {
  readonly name: string;
  readonly args: readonly string[];
  readonly passed: number;
  /** Cases that must fail, each with its reason in docs/conformance.md. */
  readonly knownFailures: number;
}

function installSuite(): string {
  const directory = resolve("node_modules/.cache/connectconformance", suiteVersion);
  const program = join(directory, "connectconformance");
  if (!existsSync(program)) {
    console.log(`Installing ${suiteModule} ${suiteVersion} (once; some minutes) …`);
    // Without optimizations, the Go compiler needs a quarter less time.
    const args = [
      "install",
      "-gcflags=all=-N -l",
      "-ldflags=-s -w",
      `${suiteModule}/cmd/connectconformance@${suiteVersion}`,
    ];
    execFileSync("go", args, { env: { ...process.env, GOBIN: directory }, stdio: "inherit" });
  }
  return program;
}

/** Writes copies of one-sided cases without their mode, so that the suite runs them with both programs. */
function oneSidedFiles(directory: string): string[] {
  const answer = execFileSync("go", ["mod", "download", "-json", `${suiteModule}@${suiteVersion}`], {
    encoding: "utf8",
  });
  const { Dir: source }: { Dir: string } = JSON.parse(answer);
  return oneSided.map((name) => {
    const text = readFileSync(join(source, "internal/app/connectconformance/testsuites/data", name), "utf8");
    if (!/^mode: .*$/m.test(text)) throw new Error(`${name} has no mode`);
    const path = join(directory, name);
    writeFileSync(path, text.replace(/^mode: .*$/m, ""));
    return path;
  });
}

function runsOf(files: readonly string[], server: readonly string[], apiServer: readonly string[]): Run[] {
  const both = ["--conf", here("dswarm.yaml"), "--mode", "both"];
  const programs = ["--", process.execPath, here("client.ts"), "----", ...server];
  const known = ["--known-failing", `@${here("api-known-failing.txt")}`];
  return [
    { name: "dswarm calls dswarm", args: [...both, ...programs], passed: 76, knownFailures: 0 },
    {
      name: "dswarm calls dswarm, cases of one side",
      args: [...both, ...files.flatMap((file) => ["--test-file", file]), ...programs],
      passed: 15,
      knownFailures: 0,
    },
    {
      name: "Connect and gRPC-Web call /api",
      args: ["--conf", here("api.yaml"), "--mode", "server", ...known, "--", ...apiServer],
      passed: 312,
      knownFailures: 6,
    },
  ];
}

/** Runs the suite once. Returns whether the result is exactly the expected one. */
async function isAsExpected(program: string, { name, args, passed, knownFailures }: Run): Promise<boolean> {
  const options = { timeout: runDeadlineMs, maxBuffer: 2 ** 26 };
  let [output, failure] = ["", ""];
  try {
    ({ stdout: output } = await promisify(execFile)(program, args, options));
  } catch (error) {
    ({ stdout: output = "", stderr: failure = "" } = error as { stdout?: string; stderr?: string });
    console.error(output, failure, error instanceof Error && output === "" ? error.message : "");
  }
  const counts = /^(\d+) passed, (\d+) failed$/m.exec(output);
  const known = /^\(Another (\d+) failed as expected/m.exec(output);
  const [hasPassed, hasFailed, hasKnown] = [counts?.[1], counts?.[2], known?.[1] ?? "0"].map(Number);
  console.log(`${name}: ${hasPassed} passed, ${hasFailed} failed, ${hasKnown} known to fail`);
  const isExpected = hasPassed === passed && hasFailed === 0 && hasKnown === knownFailures;
  if (!isExpected) console.error(`expected ${passed} passed, 0 failed, ${knownFailures} known to fail`);
  return isExpected;
}

const program = installSuite();
const directory = mkdtempSync(join(tmpdir(), "dswarm-connect-"));
const server = await startServer(here("server.ts"), join(directory, "server"));
const apiServer = await startServer(here("api-server.ts"), join(directory, "api-server"));
try {
  for (const run of runsOf(oneSidedFiles(directory), server.command, apiServer.command)) {
    if (!(await isAsExpected(program, run))) process.exitCode = 1;
  }
} finally {
  await server.stop();
  await apiServer.stop();
  rmSync(directory, { recursive: true });
}
