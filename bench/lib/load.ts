// The client's side of a measurement: does one thing again and again for a while, and times each.
import { randomBytes } from "node:crypto";
import type { Load, LoadResult } from "./commands.ts";
import type { StackClient } from "./stack.ts";
import { percentile } from "./statistics.ts";

/** Latencies kept; of more, the last. A power of two. */
const latencyCapacity = 2 ** 20;
const messagesPerStream = 10_000;
const connectPayloadBytes = 32;

/** Bytes that do not compress. */
export function randomPayload(bytes: number): Uint8Array {
  return new Uint8Array(randomBytes(bytes));
}

/** Runs a load for so many milliseconds; what is under way then is finished and counts. */
export async function runLoad(client: StackClient, load: Load, ms: number): Promise<LoadResult> {
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const until = startedAt + ms;
  let count = 0;
  let sorted: Float64Array | undefined;
  if (load.kind === "stream") {
    count = await stream(client, randomPayload(load.payloadBytes), until);
  } else {
    const once = load.kind === "echo" ? echo(client, load.payloadBytes) : connect(client);
    const latencies = await repeat(once, load.concurrency, until);
    count = latencies.count;
    sorted = latencies.values;
  }
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  const result = { count, elapsedMs, cpuUs: user + system };
  if (sorted === undefined) return result;
  sorted.sort();
  return { ...result, p50Us: 1000 * percentile(sorted, 0.5), p99Us: 1000 * percentile(sorted, 0.99) };
}

async function stream(client: StackClient, payload: Uint8Array, until: number): Promise<number> {
  if (client.stream === undefined) throw new Error("the stack has no streams");
  let count = 0;
  while (performance.now() < until) {
    const received = await client.stream(messagesPerStream, payload);
    if (received !== messagesPerStream) throw new Error(`${received} of ${messagesPerStream} messages came`);
    count += received;
  }
  return count;
}

function echo(client: StackClient, payloadBytes: number): () => Promise<void> {
  const payload = randomPayload(payloadBytes);
  return async () => check(payload, await client.echo(payload));
}

function connect({ connect: open }: StackClient): () => Promise<void> {
  if (open === undefined) throw new Error("the stack opens no further connections");
  const payload = randomPayload(connectPayloadBytes);
  return async () => {
    const connection = await open();
    check(payload, await connection.echo(payload));
    await connection.close();
  };
}

/** Cheap enough for every call; a stack that mixes answers up is found by the last byte in time. */
function check(sent: Uint8Array, received: Uint8Array): void {
  if (received.length !== sent.length || received.at(-1) !== sent.at(-1)) throw new Error("the answer differs");
}

async function repeat(
  once: () => Promise<void>,
  concurrency: number,
  until: number,
): Promise<{ count: number; values: Float64Array }> {
  const values = new Float64Array(latencyCapacity);
  let count = 0;
  const worker = async (): Promise<void> => {
    let now = performance.now();
    while (now < until) {
      await once();
      const after = performance.now();
      values[count++ & (latencyCapacity - 1)] = after - now;
      now = after;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { count, values: values.subarray(0, Math.min(count, latencyCapacity)) };
}
