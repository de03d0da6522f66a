// A node in a process of its own, as its parent sees it.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { ChildCommand, ChildOptions } from "./node-process.ts";
import { until } from "./rig.ts";

const program = fileURLToPath(new URL("node-process.ts", import.meta.url));
const cache = fileURLToPath(new URL("../../../node_modules/.cache/node-compile", import.meta.url));

/** A line that the child printed. */
export interface ChildEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A child process with a node. */
export class ChildNode {
  readonly events: ChildEvent[] = [];
  readonly #process: ChildProcess;
  #stderr = "";
  #isEnded = false;

  constructor(child: ChildProcess) {
    this.#process = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    assert.ok(child.stdout);
    createInterface({ input: child.stdout }).on("line", (line) => this.events.push(JSON.parse(line)));
    // After all that it wrote has come.
    child.once("close", () => {
      this.#isEnded = true;
    });
    // A child that is gone does not read.
    child.stdin?.on("error", () => undefined);
  }

  /** What it wrote to stderr. */
  get stderr(): string {
    return this.#stderr;
  }

  get exitCode(): number | null {
    return this.#process.exitCode;
  }

  get isRunning(): boolean {
    return !this.#isEnded;
  }

  get pid(): number {
    return this.#process.pid ?? assert.fail("the child did not start");
  }

  /** Of the event "listening". */
  get id(): string {
    return String(this.#listening["id"]);
  }

  get port(): number {
    return Number(this.#listening["port"]);
  }

  get address(): string {
    return String(this.#listening["address"]);
  }

  get #listening(): ChildEvent {
    return this.events.find(({ event }) => event === "listening") ?? assert.fail("it does not listen");
  }

  /** Events of a kind, so far. */
  all(name: string): ChildEvent[] {
    return this.events.filter(({ event }) => event === name);
  }

  /** Resolves with the first event of a kind that has these fields. */
  async told(name: string, fields: Readonly<Record<string, unknown>> = {}): Promise<ChildEvent> {
    const find = (): ChildEvent | undefined =>
      this.all(name).find((event) => Object.entries(fields).every(([key, value]) => event[key] === value));
    await until(`the child tells ${name} ${JSON.stringify(fields)}`, () => find() !== undefined || !this.isRunning);
    return find() ?? assert.fail(`the child ended without ${name}: ${this.#stderr}`);
  }

  command(command: ChildCommand): void {
    this.#process.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** What the child sees of a parent that is gone. */
  endInput(): void {
    this.#process.stdin?.end();
  }

  /** kill -9, of this process only. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended();
  }

  /** Resolves when the process has ended by itself. */
  async ended(): Promise<void> {
    await until("the child has ended", () => !this.isRunning);
  }

  /** Fails where the process has crashed, complained to stderr or been warned by Node. */
  assertUnharmed(): void {
    assert.equal(this.#stderr, "");
    assert.equal(this.isRunning || this.exitCode === 0, true, `it ended with ${this.exitCode}`);
    assert.deepEqual(this.all("warning"), []);
  }
}

/**
 * Starts a child, and does not wait for its node.
 * @param wrapper command and arguments that run the child's
 */
export function spawnChild(
  t: TestContext,
  options: ChildOptions | readonly ChildOptions[],
  wrapper: readonly [string, ...string[]] | readonly [] = [],
): ChildNode {
  const [command, ...args] = [...wrapper, process.execPath, program, JSON.stringify(options)] as const;
  // Half of what a start costs is to compile the same sources again.
  const env = { ...process.env, NODE_COMPILE_CACHE: cache };
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env });
  const node = new ChildNode(child);
  t.after(async () => {
    if (node.isRunning) await node.kill();
  });
  return node;
}

/** Starts a child and waits until its node listens. */
export async function startChild(t: TestContext, options: ChildOptions): Promise<ChildNode> {
  const child = spawnChild(t, options);
  await child.told("listening");
  return child;
}
