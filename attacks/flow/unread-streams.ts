// Streams that a peer opens and does not read, beside others on the same connection.

import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { createNode } from "../../src/create-node.ts";
import type { Attack } from "../attack.ts";
import type { Attacker } from "../lib/attacker.ts";

const echoBytes = 100_000;
const rounds = 20;
const patienceMs = 15_000;

async function run(attacker: Attacker, unread: number, messageBytes: number): Promise<void> {
  await using node = await createNode({ network: attacker.network, discovery: false, dht: { isClient: true } });
  const client = node.client(EchoService, attacker.node.address);
  const { signal } = attacker;
  const over = new AbortController();
  // Begun, so that the first message is asked for, and never gone on with.
  for (let i = 0; i < unread; i++) {
    const stream = client.repeat({ payload: new Uint8Array(messageBytes), count: 100_000 }, { signal: over.signal });
    void stream[Symbol.asyncIterator]()
      .next()
      .catch(() => undefined);
  }
  await attacker.pause(attacker.scaledMs(2000));
  let answered = 0;
  const count = attacker.scaled(rounds);
  for (let i = 0; i < count && !signal.aborted; i++) {
    try {
      for await (const _ of client.repeat({ payload: new Uint8Array(1), count: 1 }, { timeoutMs: patienceMs })) {
        answered += 0.5;
      }
      await client.echo({ payload: new Uint8Array(echoBytes) }, { timeoutMs: patienceMs });
      attacker.count(echoBytes);
      answered += 0.5;
    } catch {
      break;
    }
  }
  attacker.check("calls beside them answered", answered * 2, { least: count * 2 });
  over.abort();
  await node.abort();
}

const promise = "Streams that nobody reads hold up no other call of their connection.";
const limits = { slowdown: 100, p99FloorMs: 1000, ownerMs: 1000 };

export const unreadStreams: Attack = {
  name: "unread-streams",
  does: "36 streams of 60,000-byte messages stay unread; beside them the same peer opens small streams and echoes 100 kB.",
  promise,
  spends: { megabytes: 100, connections: 1, seconds: 40 },
  limits,
  testScale: 0.25,
  run: (attacker) => run(attacker, 36, 60_000),
};

export const thousandUnreadStreams: Attack = {
  name: "unread-streams-1000",
  does: "1,000 streams of 1,000-byte messages stay unread in the same way.",
  promise,
  spends: { megabytes: 100, connections: 1, seconds: 60 },
  limits,
  testScale: 0.25,
  // With larger ones, the messages that handlers wait to send are more than the share of a peer, whose calls are refused then.
  run: (attacker) => run(attacker, 1000, 1000),
};
