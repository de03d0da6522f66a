// A call runs once at most when its provider is killed in the midst of it: provider processes are killed with SIGKILL before, in and after
// the handler, and replaced, while calls of `node.client(Service)` go on. Whatever is chosen at random follows from the seed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { dswarmErrorOf } from "../../../src/util/errors.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { ChildNode } from "./child-node.ts";
import { encodeOrder, type ProviderOrder } from "./provider-order.ts";
import { startNode, until } from "./rig.ts";

const seed = 20;
const kills = 36;
const leastProviders = 3;
const providersAtOnce = 5;
const besides = 6;
/** How a provider is killed; the first: while it is frozen, with calls that it has not read. */
const ways = ["frozen", "wait", "run and wait", "run and go", "answer and go"] as const;

const program = fileURLToPath(new URL("provider-process.ts", import.meta.url));
const cache = fileURLToPath(new URL("../../../node_modules/.cache/node-compile", import.meta.url));

/** What became of the calls, by number. */
interface Outcomes {
  readonly answered: Map<number, string>;
  readonly failed: Map<number, string>;
}

/** Provider processes that come and go. */
class Providers {
  readonly all: ChildNode[] = [];
  readonly #bootstrap: string;
  readonly #runs: string;
  readonly #random: () => number;
  #started = 0;

  constructor(t: TestContext, bootstrap: string, runs: string, random: () => number) {
    this.#bootstrap = bootstrap;
    this.#runs = runs;
    this.#random = random;
    t.after(() => Promise.all(this.all.map(async (child) => child.isRunning && child.kill())));
  }

  /** Those that provide now. */
  get living(): ChildNode[] {
    return this.running.filter((child) => child.all("listening").length > 0);
  }

  get running(): ChildNode[] {
    return this.all.filter(({ isRunning }) => isRunning);
  }

  get killed(): number {
    return this.all.length - this.running.length;
  }

  /** Starts as many as are missing. A third of them are such that were there before, with the same key. */
  async replace(): Promise<void> {
    while (this.running.length < providersAtOnce) {
      const isOld = this.#started > providersAtOnce && this.#random() < 1 / 3;
      this.#start(isOld ? this.#started - providersAtOnce : this.#started);
      this.#started += 1;
    }
    await until("enough provide", () => this.living.length >= leastProviders);
  }

  #start(number: number): void {
    const keySeed = Buffer.alloc(32, `provider ${number} of ${seed} `).toString("hex");
    const child = spawn(process.execPath, [program, this.#bootstrap, this.#runs, keySeed], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
    });
    this.all.push(new ChildNode(child));
  }
}

test(`no call runs twice when providers are killed in the midst of calls, ${kills} times (seed ${seed})`, async (t) => {
  const clock = new VirtualClock(seed);
  const random = () => clock.random();
  const directory = await mkdtemp(join(tmpdir(), "dswarm-killed-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const runs = join(directory, "runs");
  await writeFile(runs, "");
  const caller = await startNode(t, { discovery: false });
  const providers = new Providers(t, caller.address, runs, random);
  const client = caller.client(EchoService);
  const outcomes: Outcomes = { answered: new Map(), failed: new Map() };
  let calls = 0;

  const call = async (order: ProviderOrder): Promise<void> => {
    const number = calls++;
    try {
      outcomes.answered.set(number, await make(client, number, order));
    } catch (error) {
      assert.ok(error instanceof ConnectError, String(error));
      assert.equal(error.code, Code.Unavailable, String(error));
      outcomes.failed.set(number, dswarmErrorOf(error)?.code ?? assert.fail(`no code: ${String(error)}`));
    }
  };

  await providers.replace();
  await until("a provider is found", async () => {
    await call("answer");
    return outcomes.answered.size > 0;
  });
  for (let round = 0; providers.killed < kills; round++) {
    assert.ok(round < 2 * kills, `${providers.killed} killed in ${round} rounds`);
    const way = ways[round % ways.length] ?? assert.fail();
    const number = calls;
    const before = providers.running;
    const inFlight: Promise<void>[] = [];
    let victim: ChildNode | undefined;
    if (way === "frozen") {
      const { living } = providers;
      victim = living[Math.floor(random() * living.length)] ?? assert.fail("none provides");
      process.kill(victim.pid, "SIGSTOP");
    } else {
      inFlight.push(call(way));
    }
    while (inFlight.length <= besides) inFlight.push(call("answer"));
    if (way !== "frozen") victim = await whoTakes(before, number, way, outcomes);
    // Calls that are made while it goes.
    for (let i = 0; i < besides; i++) inFlight.push(call("answer"));
    await victim?.kill();
    await Promise.all(inFlight);
    await runsOf(runs);
    await providers.replace();
  }

  const ran = await runsOf(runs);
  assert.equal(outcomes.answered.size + outcomes.failed.size, calls);
  for (const number of outcomes.answered.keys()) assert.ok(ran.has(number), `call ${number} was answered`);
  // The test is worth something: calls were hit before and after they ran, and most were answered, by many processes.
  const hitLate = [...outcomes.failed.keys()].filter((number) => ran.has(number)).length;
  const hitEarly = outcomes.failed.size - hitLate;
  const told = `${providers.killed} killed, ${calls} calls, ${hitEarly} failed before they ran and ${hitLate} after that`;
  t.diagnostic(told);
  assert.ok(hitLate >= kills / 4 && hitEarly >= kills / 8, told);
  assert.ok(outcomes.answered.size > calls / 2, told);
  assert.ok(new Set(outcomes.answered.values()).size > kills / 4, told);
});

/** The calls that providers have run. Fails where one of them ran twice. */
async function runsOf(path: string): Promise<ReadonlySet<number>> {
  const ran = new Set<number>();
  for (const line of (await readFile(path, "utf8")).trimEnd().split("\n")) {
    assert.ok(!ran.has(Number(line)), `call ${line} ran twice`);
    ran.add(Number(line));
  }
  return ran;
}

/** Makes a call of one of three kinds. Resolves with the id of whoever answers, where the answer says that. */
async function make(client: Client<typeof EchoService>, number: number, order: ProviderOrder): Promise<string> {
  const payload = encodeOrder(number, order);
  // Only a fault makes it take so long: a call that is made again waits with nobody to kill.
  const options = order === "wait" || order === "run and wait" ? { timeoutMs: 20_000 } : {};
  if (number % 3 === 0) return hex((await client.echo({ payload }, options)).payload);
  if (number % 3 === 1) {
    for await (const answer of client.repeat({ payload, count: 1 }, options)) return hex(answer.payload);
    return assert.fail("a stream without an answer");
  }
  await client.collect(only({ payload }), options);
  return "";
}

/** The process that a call has gone to, once it waits to be killed or has ended. Undefined where the call was not taken, or was answered. */
async function whoTakes(
  children: readonly ChildNode[],
  call: number,
  way: ProviderOrder,
  { answered, failed }: Outcomes,
): Promise<ChildNode | undefined> {
  const isTaking = (child: ChildNode): boolean => child.all("waits").some((event) => event["call"] === call);
  const isGone = (): boolean => children.some(({ isRunning }) => !isRunning);
  await until("a provider takes the call", () => {
    if (way === "answer and go" && answered.has(call)) return isGone();
    return children.some(isTaking) || isGone() || failed.has(call) || answered.has(call);
  });
  return children.find(isTaking);
}

async function* only<T>(message: T): AsyncIterable<T> {
  yield message;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
