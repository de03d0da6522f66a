// A few throwaway keys fill the store of a node, each within its own quota.

import { randomBytes } from "node:crypto";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import { createImmutable } from "../../src/dht/record-codec.ts";
import type { Attack } from "../attack.ts";
import { heldOf, hourOf } from "./records.ts";

// An eighth of a store for each key, as with the defaults; the store is smaller, so that the attack takes seconds.
const maxRecords = 4096;
const maxPeerRecords = 512;
const keys = 9;
const honest = 40;

export const fullStore: Attack = {
  name: "full-store",
  does: "9 keys fill a store (of 4,096 records, 512 a key) with records at any distance; then an honest peer stores 40.",
  promise: "A full store makes room: it keeps what an honest peer stores.",
  spends: { megabytes: 5, connections: 10, seconds: 40 },
  nodes: [{ dht: { store: { maxRecords, maxPeerRecords } } }],
  limits: { slowdown: 30, p99FloorMs: 250 },
  testScale: 1,
  async run(attacker) {
    const store = async (count: number): Promise<ReturnType<typeof createImmutable>["key"][]> => {
      const client = (await attacker.peer()).client(DhtService);
      const records = Array.from({ length: count }, () => createImmutable(randomBytes(40)));
      for (let i = 0; i < count; i += 32) {
        const some = records.slice(i, i + 32);
        await Promise.allSettled(some.map((record) => client.store({ record: hourOf(record) })));
        attacker.count(some.length * 100);
      }
      return records.map(({ key }) => key);
    };
    for (let i = 0; i < keys; i++) await store(maxPeerRecords);
    const wanted = await store(honest);
    attacker.check("honest records kept", await heldOf(attacker, attacker.node, wanted), { least: honest });
  },
};
