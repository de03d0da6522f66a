// The command line as a child process, with a runtime directory and a UDP port of the test's own.
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { NodeEvent, SwarmEvent } from "../../../src/cli/events.ts";
import type { RunningNode } from "../../../src/cli/runtime-files.ts";

type AnyEvent = NodeEvent | SwarmEvent;
type EventOf<Name> = Extract<AnyEvent, { readonly event: Name }>;

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

const mainPath = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
// Only a fault takes so long.
const deadlineMs = 60_000;
const pollMs = 20;

/** Waits until a condition holds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await delay(pollMs);
  }
}

/** Whether a process has ended, or is a zombie that nobody has waited for. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return true;
  }
  try {
    return /^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return process.platform === "linux";
  }
}

/** A running or ended command. */
export class CliRun {
  readonly child: ChildProcess;
  readonly ended: Promise<Ending>;
  stdout = "";
  stderr = "";
  #ending: Ending | undefined;

  constructor(args: readonly string[], environment: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, [mainPath, ...args], { env: environment, stdio: ["pipe", "pipe", "pipe"] });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.child.stdin?.on("error", () => undefined);
    this.ended = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code, signal) => {
        this.#ending = { code, signal };
        resolve(this.#ending);
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** The events on stdout so far. */
  get events(): AnyEvent[] {
    return this.stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  /** The events of a name so far. */
  eventsOf<Name extends AnyEvent["event"]>(name: Name): EventOf<Name>[] {
    return this.events.filter((event): event is EventOf<Name> => event.event === name);
  }

  /** Waits for an event of a name, and of a kind. */
  async event<Name extends AnyEvent["event"]>(
    name: Name,
    isWanted: (event: EventOf<Name>) => boolean = () => true,
  ): Promise<EventOf<Name>> {
    const find = (): EventOf<Name> | undefined => this.eventsOf(name).find(isWanted);
    await this.until(() => find() !== undefined, `event ${name}`);
    return find() as EventOf<Name>;
  }

  /** Waits for text on stdout. */
  async output(wanted: RegExp | string): Promise<void> {
    const isThere = (): boolean =>
      typeof wanted === "string" ? this.stdout.includes(wanted) : wanted.test(this.stdout);
    await this.until(isThere, `${wanted} on stdout`);
  }

  /** Waits until a condition holds; fails when the command ends before. */
  async until(condition: () => boolean, what: string): Promise<void> {
    await until(() => condition() || this.#ending !== undefined, what).catch((error) => {
      throw new Error(`${error}\nstdout: ${this.stdout}\nstderr: ${this.stderr}`);
    });
    if (!condition()) throw new Error(`ended before ${what}: ${this.stdout}\n${this.stderr}`);
  }

  /** Sends a signal and waits for the end. */
  stop(signal: NodeJS.Signals = "SIGINT"): Promise<Ending> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** What the commands of one test share. */
export class CliRig {
  /** Its own, so that no other node is seen. */
  readonly udpPort = randomInt(20_000, 60_000);
  readonly directory = mkdtempSync(join(tmpdir(), "dswarm-test-"));
  readonly #runs: CliRun[] = [];

  /** Ends what runs and removes the directory when the test ends. */
  constructor(t: TestContext) {
    t.after(async () => {
      for (const { child } of this.#runs) if (child.exitCode === null) child.kill("SIGKILL");
      await Promise.all(this.#runs.map((run) => run.ended));
      rmSync(this.directory, { recursive: true, force: true });
    });
  }

  /** Starts a command. */
  run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): CliRun {
    const own = { XDG_RUNTIME_DIR: this.directory, FORCE_COLOR: undefined };
    const run = new CliRun(args, { ...process.env, ...own, ...environment });
    this.#runs.push(run);
    return run;
  }

  /** Runs a command to its end. */
  async result(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<CliRun & Ending> {
    const run = this.run(args, environment);
    return Object.assign(run, await run.ended);
  }

  /** Starts `start --json` and waits until it listens. */
  async startNode(...args: string[]): Promise<{ readonly run: CliRun; readonly node: EventOf<"listening"> }> {
    const run = this.run(["start", "--json", `--udp-port=${this.udpPort}`, ...args]);
    return { run, node: await run.event("listening") };
  }

  /** Names of the runtime files there are. */
  runtimeFiles(): string[] {
    const directory = join(this.directory, "dswarm");
    return readdirSync(directory).map((name) => join(directory, name));
  }

  /** What the runtime files say. */
  runningNodes(): RunningNode[] {
    return this.runtimeFiles()
      .map((path): RunningNode => JSON.parse(readFileSync(path, "utf8")))
      .sort((a, b) => a.index - b.index);
  }
}
