// No attack but an honest program, which must not deadlock: readers of a stream that call the same peer for every message.

import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { createNode } from "../../src/create-node.ts";
import type { Attack } from "../attack.ts";

const readers = 40;
const messages = 100;
const messageBytes = 60_000;
const echoBytes = 100_000;
/** Without any message for so long, it is a deadlock. */
const deadlockMs = 30_000;

export const fortyReaders: Attack = {
  name: "forty-readers",
  does: "40 readers of streams of 60,000-byte messages await an echo of 100 kB on the same peer for every message.",
  promise: "Credit of the connection never depends on whether a stream is read: the program finishes.",
  spends: { megabytes: 3000, connections: 1, seconds: 600 },
  limits: { slowdown: 100, p99FloorMs: 3000, ownerMs: 3000 },
  testScale: 0.1,
  async run(attacker) {
    await using node = await createNode({ network: attacker.network, discovery: false, dht: { isClient: true } });
    const client = node.client(EchoService, attacker.node.address);
    const { signal } = attacker;
    const [payload, asked] = [new Uint8Array(messageBytes), new Uint8Array(echoBytes)];
    const count = attacker.scaled(messages);
    const progress = { read: 0, at: performance.now() };
    const one = async (): Promise<void> => {
      for await (const _ of client.repeat({ payload, count }, { signal })) {
        await client.echo({ payload: asked }, { signal });
        attacker.count(echoBytes);
        progress.read += 1;
        progress.at = performance.now();
      }
    };
    const all = Promise.allSettled(Array.from({ length: readers }, one));
    const isDone = (): boolean =>
      progress.read >= readers * count || performance.now() - progress.at > deadlockMs || attacker.isOver;
    await attacker.until(isDone, 600_000);
    attacker.check("messages read", progress.read, { least: readers * count });
    await node.abort();
    await all;
  },
};
