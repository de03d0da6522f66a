// `dswarm bench`: a quick measurement of small calls, from a node of its own to a peer or to a node in another process.

import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { createNode } from "../create-node.ts";
import type { DswarmNode } from "../node/node.ts";
import { systemClock } from "../util/clock.ts";
import { type AskFlags, withNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { type LocatedPeer, locatePeer } from "./locate-peer.ts";
import { MemberProcess } from "./member-process.ts";
import { checkPeerName, peerNamed } from "./peer-name.ts";
import { progressOn } from "./progress.ts";
import { codeOfStop, listenForStop } from "./stop-signal.ts";
import { type Column, tableLines } from "./table.ts";
import { seconds } from "./text.ts";

/** The flags of `bench`. */
export interface BenchFlags extends AskFlags {
  readonly seconds: number;
  readonly inFlight: number;
}

/** What one measurement showed, as `--json` prints it, a line each. */
interface Measured {
  readonly inFlight: number;
  readonly calls: number;
  readonly callsPerSecond: number;
  /** Milliseconds from call to answer that half, 90 %, 99 % and all of the calls took at most. */
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** The peer, and how to be done with it. */
interface Peer extends LocatedPeer {
  readonly close: () => Promise<void>;
}

const network = "bench";
const warmUpMs = 300;
const findTimeoutMs = 30_000;
// Bounds what is remembered: at most so many calls are kept of a measurement.
const maxSamples = 5_000_000;
const columns: readonly Column[] = [
  { head: "IN FLIGHT", right: true },
  { head: "CALLS/S", right: true },
  { head: "P50 MS", right: true },
  { head: "P90 MS", right: true, drop: 2 },
  { head: "P99 MS", right: true },
  { head: "MAX MS", right: true, drop: 1 },
];

/** Measures calls one after the other, then many at once. Returns the exit code. */
export async function bench(name: string | undefined, flags: BenchFlags, context: Context): Promise<number> {
  if (name !== undefined) checkPeerName(name);
  const { stdout, stderr } = context;
  const signal = listenForStop();
  const peer = name === undefined ? await startPeer() : await findPeer(name, flags, context, signal);
  try {
    await using node = await createNode({ network: peer.network, discovery: false, api: false });
    const measured: Measured[] = [];
    const tell = progressOn(stderr);
    if (!flags.json) stdout.line(stdout.paint("dim", `Calls of grpc.health.v1.Health/Check to ${peer.address}`));
    await measure(node, peer.address, flags.inFlight, warmUpMs, signal);
    for (const inFlight of new Set([1, flags.inFlight])) {
      tell(`${inFlight} in flight, ${seconds(flags.seconds * 1000)} …`);
      const result = await measure(node, peer.address, inFlight, flags.seconds * 1000, signal);
      if (signal.aborted) return codeOfStop(signal, exitCodes.interrupted);
      measured.push(result);
      if (flags.json) stdout.line(JSON.stringify(result));
    }
    if (!flags.json) for (const line of tableLines(columns, measured.map(rowOf), stdout)) stdout.line(line);
    return exitCodes.ok;
  } finally {
    await peer.close();
  }
}

/** A node in a process of its own, so that both ends do not share one core. */
async function startPeer(): Promise<Peer> {
  let address = "";
  const member = new MemberProcess({
    args: [`--network=${network}`, "--no-discovery"],
    clock: systemClock,
    onEvent: (event) => {
      if (event.event === "listening") address = event.address;
    },
    onLogLine: () => undefined,
    onDied: () => undefined,
  });
  await member.start();
  return { address, network, close: () => member.close() };
}

async function findPeer(name: string, flags: BenchFlags, context: Context, signal: AbortSignal): Promise<Peer> {
  return await withNode(flags, context, async (client) => {
    const located = await locatePeer(await peerNamed(name, client), client, { signal, timeoutMs: findTimeoutMs });
    return { ...located, close: () => Promise.resolve() };
  });
}

async function measure(
  node: DswarmNode,
  address: string,
  inFlight: number,
  durationMs: number,
  signal: AbortSignal,
): Promise<Measured> {
  const client = node.client(Health, address);
  const samples: number[] = [];
  let calls = 0;
  const startedAt = performance.now();
  const callUntilEnd = async (): Promise<void> => {
    for (let before = performance.now(); before - startedAt < durationMs && !signal.aborted; ) {
      await client.check({});
      const after = performance.now();
      calls += 1;
      if (samples.length < maxSamples) samples.push(after - before);
      before = after;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, callUntilEnd));
  const elapsedMs = performance.now() - startedAt;
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number): number => rounded(sorted[Math.ceil(share * sorted.length) - 1] ?? 0);
  return {
    inFlight,
    calls,
    callsPerSecond: Math.round((calls / elapsedMs) * 1000),
    p50Ms: at(0.5),
    p90Ms: at(0.9),
    p99Ms: at(0.99),
    maxMs: at(1),
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function rowOf({ inFlight, callsPerSecond, p50Ms, p90Ms, p99Ms, maxMs }: Measured): string[] {
  return [`${inFlight}`, `${callsPerSecond}`, ...[p50Ms, p90Ms, p99Ms, maxMs].map((ms) => ms.toFixed(3))];
}
