// The witnesses of an attack: an honest peer that calls the node, and its owner who asks whether it is well.

import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { createNode } from "../../src/create-node.ts";
import type { DswarmNode } from "../../src/node/node.ts";
import { type NodeFacts, ownerRequest } from "./node-under-attack.ts";

/** Observations of the witnesses in one phase. */
export interface Seen {
  readonly calls: number;
  readonly failedCalls: number;
  readonly requests: number;
  readonly failedRequests: number;
  /** Milliseconds below which 99 of 100 calls took. A failed call counts as long as it took. */
  readonly p99Ms: number;
  /** The longest of the owner's requests. */
  readonly ownerMs: number;
  /** Why calls and requests failed, each reason once. Bounded by `maxReasons`. */
  readonly reasons: readonly string[];
}

const callPauseMs = 10;
const requestPauseMs = 200;
const patienceMs = 60_000;
const callers = 2;
const largeBytes = 20_000;
const maxReasons = 3;

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** An honest peer and the owner of one node. */
export class Witnesses implements AsyncDisposable {
  readonly #node: DswarmNode;
  readonly #target: NodeFacts;

  private constructor(node: DswarmNode, target: NodeFacts) {
    this.#node = node;
    this.#target = target;
  }

  /** Starts the honest peer, and lets it call once. */
  static async start(target: NodeFacts, network: string): Promise<Witnesses> {
    const node = await createNode({ network, discovery: false, dht: { isClient: true }, api: false });
    await node.client(EchoService, target.address).echo({ payload: new Uint8Array(32) });
    return new Witnesses(node, target);
  }

  /** Calls and asks until the phase is over, which it resolves with. */
  async watch<T>(phase: Promise<T>): Promise<{ readonly seen: Seen; readonly result: T }> {
    const over = new AbortController();
    const [callMs, requestMs]: [number[], number[]] = [[], []];
    const reasons = new Set<string>();
    const failed = { calls: 0, requests: 0 };
    const repeat = async (kind: keyof typeof failed, times: number[], pauseMs: number, act: () => Promise<unknown>) => {
      while (!over.signal.aborted) {
        const startedAt = performance.now();
        try {
          await act();
        } catch (error) {
          failed[kind] += 1;
          if (reasons.size < maxReasons) reasons.add(error instanceof Error ? error.message : String(error));
        }
        times.push(performance.now() - startedAt);
        await new Promise((go) => setTimeout(go, pauseMs));
      }
    };
    let count = 0;
    const client = this.#node.client(EchoService, this.#target.address);
    const call = (): Promise<unknown> => {
      const payload = new Uint8Array(count++ % 10 === 9 ? largeBytes : 32);
      return client.echo({ payload }, { timeoutMs: patienceMs });
    };
    const ask = async (): Promise<void> => {
      const { status } = await ownerRequest(this.#target.port, "/healthz", { ms: patienceMs });
      if (status !== 200) throw new Error(`/healthz answers ${status}`);
    };
    const loops = Array.from({ length: callers }, () => repeat("calls", callMs, callPauseMs, call));
    loops.push(repeat("requests", requestMs, requestPauseMs, ask));
    try {
      const result = await phase;
      return { result, seen: await this.#seen(over, loops, callMs, requestMs, failed, reasons) };
    } finally {
      over.abort();
      await Promise.all(loops);
    }
  }

  async #seen(
    over: AbortController,
    loops: readonly Promise<void>[],
    callMs: readonly number[],
    requestMs: readonly number[],
    failed: { readonly calls: number; readonly requests: number },
    reasons: ReadonlySet<string>,
  ): Promise<Seen> {
    over.abort();
    await Promise.all(loops);
    return {
      calls: callMs.length,
      failedCalls: failed.calls,
      requests: requestMs.length,
      failedRequests: failed.requests,
      p99Ms: percentile(callMs, 0.99),
      ownerMs: Math.max(...requestMs),
      reasons: [...reasons],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node.abort();
  }
}
