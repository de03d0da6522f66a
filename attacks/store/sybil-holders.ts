// Liars with ids near a record's key that say they keep it: honest holders must not drop it for their word.
import { randomBytes } from "node:crypto";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import { createNode } from "../../src/create-node.ts";
import { createImmutable } from "../../src/dht/record-codec.ts";
import { generateKeyPair, type KeyPair } from "../../src/identity/keys.ts";
import { compareDistance } from "../../src/identity/node-id.ts";
import type { Attack } from "../attack.ts";
import { introduce } from "../dialing/liar.ts";
import { acquainted, heldOf, hourOf } from "./records.ts";

const k = 4;
const honest = 4;
const sybils = 8;
const setup = { dht: { routing: { k }, replicationMs: 2000 } };

/** Keys whose ids are nearer to the target than any usual one: 64 tries for each. */
function keysNear(target: Uint8Array, count: number): KeyPair[] {
  const all = Array.from({ length: count * 64 }, () => generateKeyPair());
  return all.toSorted((a, b) => compareDistance(target, a.id.bytes, b.id.bytes)).slice(0, count);
}

export const sybilHolders: Attack = {
  name: "sybil-holders",
  does: "8 liars with the ids nearest to a record's key acknowledge every Store and keep nothing (k is 4).",
  promise: "4 honest holders keep a record until it expires or they need the room, whatever others claim.",
  spends: { megabytes: 5, connections: 40, seconds: 40 },
  nodes: Array.from({ length: honest }, () => setup),
  limits: { slowdown: 30, p99FloorMs: 250 },
  testScale: 0.5,
  async run(attacker) {
    await acquainted(attacker, attacker.nodes);
    const record = createImmutable(randomBytes(100));
    for (const node of attacker.nodes) {
      const peer = await attacker.peer({ node });
      await peer.client(DhtService).store({ record: hourOf(record) });
    }
    for (const keys of keysNear(record.key.bytes, sybils)) {
      const liar = await createNode({
        network: attacker.network,
        keys,
        discovery: false,
        dht: { isClient: true },
        api: false,
      });
      liar.serve(DhtService, {
        ping: ({ nonce }) => ({ nonce }),
        findNode: () => ({ contacts: [] }),
        findValue: () => ({ contacts: [], records: [hourOf(record)] }),
        store: () => ({}),
      });
      attacker.atEnd(() => liar.abort());
      for (const node of attacker.nodes) await introduce(liar, node);
    }
    await attacker.pause(attacker.scaledMs(15_000));
    const held = await Promise.all(attacker.nodes.map((node) => heldOf(attacker, node, [record.key])));
    attacker.check(
      "honest holders left",
      held.reduce((sum, count) => sum + count, 0),
      { least: honest },
    );
  },
};
