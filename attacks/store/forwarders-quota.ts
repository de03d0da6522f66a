// Records that a node passes on for others must not use up the room of its own records at its neighbours.
import { randomBytes } from "node:crypto";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import { createImmutable } from "../../src/dht/record-codec.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { NodeId } from "../../src/identity/node-id.ts";
import type { Attack } from "../attack.ts";
import { acquainted, heldOf, hourOf } from "./records.ts";

const maxPeerRecords = 200;
const honest = 10;
const store = { maxPeerRecords };

export const forwardersQuota: Attack = {
  name: "forwarders-quota",
  does: "2 throwaway keys let a node pass on records to its neighbours (200 a peer are allowed there) until they refuse.",
  promise: "Forwarded records have a share of their own: the node's own `put` still gets its replicas.",
  spends: { megabytes: 3, connections: 2, seconds: 40 },
  nodes: [{ dht: { store } }, { dht: { store } }, { dht: { store } }],
  limits: { slowdown: 30, p99FloorMs: 250 },
  testScale: 1,
  async run(attacker) {
    await acquainted(attacker, attacker.nodes);
    const [first, ...others] = attacker.nodes;
    if (first === undefined) throw new Error("nodes belong to this attack");
    const forwardTo = others.map(({ id }) => NodeId.parse(id).bytes);
    for (let key = 0; key < 2; key++) {
      const client = (await attacker.peer()).client(DhtService);
      for (let i = 0; i < maxPeerRecords && !attacker.isOver; i += 16) {
        const calls = Array.from({ length: 16 }, () =>
          client.store({ record: hourOf(createImmutable(randomBytes(40))), forwardTo }),
        );
        await Promise.allSettled(calls);
        attacker.count(16 * 200);
      }
    }
    const keys: RecordKey[] = [];
    for (let i = 0; i < honest; i++) {
      const value = randomBytes(40);
      keys.push(RecordKey.ofValue(value));
      await attacker.owner("/api/values", { method: "POST", body: { value: value.toString("base64") } });
    }
    const held = await Promise.all(others.map((node) => heldOf(attacker, node, keys)));
    attacker.check("own records at both neighbours", Math.min(...held), { least: honest });
  },
};
