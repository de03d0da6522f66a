// Both ends dial each other at once: one connection remains, and no call is lost on the one that is given up.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { LogKeeper, startNode, until } from "./rig.ts";

const rounds = 25;
const callersAtOnce = 4;
/** Longer than a handshake takes here: in some rounds the dials cross, in others one comes after the other. */
const maxDelayMs = 12;
const drainTimeoutMs = 50;

/** Two nodes of which each knows the other's address, and streams that stay open until `release` resolves. */
async function startPair(t: TestContext, logger: LogKeeper, release: Promise<void>): Promise<[DswarmNode, DswarmNode]> {
  const start = async (): Promise<DswarmNode> => {
    const node = await startNode(t, { discovery: false, logger, rpc: { drainTimeoutMs } });
    node.serve(EchoService, {
      echo: ({ payload }) => ({ payload }),
      async *repeat({ payload }) {
        yield { payload, index: 0 };
        await release;
        yield { payload, index: 1 };
      },
    });
    return node;
  };
  return [await start(), await start()];
}

/** Calls without a pause while it may. Resolves with how often; rejects when one fails. */
async function keepCalling(from: DswarmNode, to: DswarmNode, mayGoOn: () => boolean): Promise<number> {
  const client = from.client(EchoService, to.address);
  for (let calls = 0; ; calls++) {
    if (!mayGoOn()) return calls;
    const payload = Uint8Array.of(calls);
    const answer = await client.echo({ payload });
    assert.ok(Buffer.from(payload).equals(answer.payload));
  }
}

async function readStream(from: DswarmNode, to: DswarmNode, onStarted: () => void): Promise<void> {
  let count = 0;
  for await (const { index } of from.client(EchoService, to.address).repeat({})) {
    assert.equal(index, count);
    count += 1;
    if (count === 1) onStarted();
  }
  assert.equal(count, 2);
}

const handshakes = (...nodes: readonly DswarmNode[]): number =>
  nodes.reduce((sum, { counters }) => sum + counters.get("handshake.ok"), 0);

test("calls and streams in both directions survive that both ends dial at once", async (t) => {
  const log = new LogKeeper();
  let calls = 0;
  let crossings = 0;
  for (let round = 0; round < rounds; round++) {
    const released = Promise.withResolvers<void>();
    const [a, b] = await startPair(t, log, released.promise);
    let mayGoOn = true;
    let streams = 0;
    const work: Promise<number | void>[] = [];
    const begin = (from: DswarmNode, to: DswarmNode): void => {
      for (let i = 0; i < callersAtOnce; i++) work.push(keepCalling(from, to, () => mayGoOn));
      work.push(readStream(from, to, () => (streams += 1)));
    };
    // More begin the moment that there is a connection, whoever dialed it, while the other may be on its way.
    const connected = Promise.all([once(a, "connected"), once(b, "connected")]);
    a.once("connected", () => begin(a, b));
    b.once("connected", () => begin(b, a));
    begin(a, b);
    await new Promise((go) => setTimeout(go, Math.random() * maxDelayMs));
    begin(b, a);
    await connected;
    await until("all streams are open", () => streams === 4);
    // A connection that is closed in the usual way would take its streams with it after that time.
    const drainedAt = performance.now() + 2 * drainTimeoutMs;
    await until("there was time to drain", () => performance.now() > drainedAt);
    mayGoOn = false;
    released.resolve();
    for (const count of await Promise.all(work)) calls += count ?? 0;
    assert.deepEqual([a.connections, b.connections], [1, 1]);
    crossings += handshakes(a, b) - 1;
    await Promise.all([a.close(), b.close()]);
  }
  assert.deepEqual(log.complaints, []);
  t.diagnostic(`${calls} calls; ${crossings} of ${rounds} rounds had two connections for a while`);
});
