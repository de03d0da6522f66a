// One attack from its beginning to its end: nodes of its own, a quiet run, the attack, and the verdict.

import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type Attack, type Limits, usualLimits } from "../attack.ts";
import type { AttackOrder, Check } from "./attacker.ts";
import { Child } from "./child-process.ts";
import { type NodeSetup, NodeUnderAttack, type Suffered } from "./node-under-attack.ts";
import { type AttackResult, performAttack } from "./perform-attack.ts";
import { type Seen, Witnesses } from "./witnesses.ts";

/** How an attack is run. */
export interface RunOptions {
  /** Part of the whole attack, up to 1. */
  readonly scale: number;
  /** Milliseconds of the quiet run. */
  readonly quietMs: number;
  /** Whether the attacker is a process of its own; only then are the witnesses' times worth anything. */
  readonly isAttackerApart: boolean;
  /** Options for every node besides those of the attack. @default none */
  readonly setup?: NodeSetup;
}

/** The report of an attack. */
export interface Report {
  readonly name: string;
  readonly does: string;
  readonly limits: Limits;
  readonly spent: AttackResult["spent"];
  /** Figures of the node that suffered most, and of the quiet run before. */
  readonly suffered: Omit<Suffered, "contacts"> & { readonly grownMiB: number; readonly quietStallMs: number };
  /** Undefined for attacks without witnesses. */
  readonly seen: Seen | undefined;
  readonly quiet: Seen | undefined;
  readonly checks: readonly Check[];
  /** Limits that are not held, each as a sentence part. */
  readonly faults: readonly string[];
  /** Those that do not depend on the machine's speed. */
  readonly countedFaults: readonly string[];
}

const execArgv = ["--disable-warning=ExperimentalWarning"];
const graceMs = 90_000;
const warmUpMs = 500;

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

function largest(values: readonly number[]): number {
  return Math.max(0, ...values);
}

function worst(all: readonly Suffered[], quiet: readonly Suffered[]): Report["suffered"] {
  return {
    peakMiB: largest(all.map(({ peakMiB }) => peakMiB)),
    grownMiB: largest(all.map(({ peakMiB }, i) => peakMiB - (quiet[i]?.peakMiB ?? 0))),
    stallMs: largest(all.map(({ stallMs }) => stallMs)),
    heldBytes: largest(all.map(({ heldBytes }) => heldBytes)),
    quietStallMs: largest(quiet.map(({ stallMs }) => stallMs)),
  };
}

/** Pushes a text where a limit is not held. */
function judge(
  limits: Limits,
  suffered: Report["suffered"],
  quiet: Seen | undefined,
  seen: Seen | undefined,
  checks: readonly Check[],
): { faults: string[]; countedFaults: string[] } {
  const countedFaults: string[] = [];
  const timedFaults: string[] = [];
  const { grownMiB, stallMs } = suffered;
  if (grownMiB > limits.grownMiB) countedFaults.push(`grew by ${Math.round(grownMiB)} MiB`);
  if (stallMs > limits.stallMs) timedFaults.push(`stalled for ${Math.round(stallMs)} ms`);
  if (seen !== undefined && quiet !== undefined) {
    const failed = seen.failedCalls + seen.failedRequests;
    if (failed > limits.failed) countedFaults.push(`${failed} honest calls failed (${seen.reasons.join("; ")})`);
    if (seen.ownerMs > limits.ownerMs) timedFaults.push(`the owner waited ${Math.round(seen.ownerMs)} ms`);
    if (seen.p99Ms > Math.max(limits.p99FloorMs, quiet.p99Ms * limits.slowdown)) {
      timedFaults.push(`p99 ${seen.p99Ms.toFixed(1)} ms, quiet ${quiet.p99Ms.toFixed(1)} ms`);
    }
  }
  for (const { what, value, limit, held, isTimed } of checks) {
    if (!held) (isTimed ? timedFaults : countedFaults).push(`${what}: ${value}, limit ${limit}`);
  }
  return { faults: [...countedFaults, ...timedFaults], countedFaults };
}

/** Runs an attack. @throws Error where it could not be made */
export async function runAttack(
  attack: Attack,
  { scale, quietMs, isAttackerApart, setup: more }: RunOptions,
): Promise<Report> {
  await using stack = new AsyncDisposableStack();
  const network = `attack-${randomBytes(6).toString("hex")}`;
  const udpPort = await freeUdpPort();
  const nodes: NodeUnderAttack[] = [];
  for (const setup of attack.nodes ?? [{}]) {
    const common = { network, discovery: { udpPort, intervalMs: 1000 }, ...more };
    nodes.push(stack.use(await NodeUnderAttack.start({ ...common, ...setup })));
  }
  const attacker = isAttackerApart ? stack.use(new Child("attacker-process.ts", [], execArgv)) : undefined;
  await attacker?.tell("ready");
  const [first] = nodes;
  const isWatched = (attack.hasWitnesses ?? true) && first !== undefined;
  const witnesses = isWatched ? stack.use(await Witnesses.start(first.facts, network)) : undefined;
  const watch = async <T>(phase: () => Promise<T>): Promise<{ seen: Seen | undefined; result: T }> => {
    await Promise.all(nodes.map((node) => node.reset()));
    return witnesses === undefined ? { seen: undefined, result: await phase() } : witnesses.watch(phase());
  };
  await watch(() => new Promise((go) => setTimeout(go, Math.min(warmUpMs, quietMs))));
  const { seen: quiet } = await watch(() => new Promise((go) => setTimeout(go, quietMs)));
  const sufferedQuietly = await Promise.all(nodes.map((node) => node.suffered()));
  const order: AttackOrder = { attack: attack.name, nodes: nodes.map(({ facts }) => facts), network, udpPort, scale };
  const patienceMs = attack.spends.seconds * 1000 + graceMs;
  const { seen, result } = await watch(() =>
    attacker === undefined
      ? performAttack(attack, order)
      : (attacker.tell("run", order, patienceMs) as Promise<AttackResult>),
  );
  const suffered = worst(await Promise.all(nodes.map((node) => node.suffered())), sufferedQuietly);
  const limits = { ...usualLimits, ...attack.limits };
  const { name, does } = attack;
  const verdict = judge(limits, suffered, quiet, seen, result.checks);
  const gone = nodes.flatMap(({ ending }) => (ending === undefined ? [] : [`a node is gone: ${ending}`]));
  return {
    name,
    does,
    limits,
    spent: result.spent,
    suffered,
    seen,
    quiet,
    checks: result.checks,
    faults: [...gone, ...verdict.faults],
    countedFaults: [...gone, ...verdict.countedFaults],
  };
}
