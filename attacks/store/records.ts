// Records as attackers and honest peers store them, and a look at what a node holds.
import { create } from "@bufbuild/protobuf";
import { type Record as RecordMessage, RecordSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import type { DhtRecord } from "../../src/dht/record.ts";
import { createProvider, recordToMessage } from "../../src/dht/record-codec.ts";
import type { RecordKey } from "../../src/dht/record-key.ts";
import type { KeyPair } from "../../src/identity/keys.ts";
import type { Attacker } from "../lib/attacker.ts";
import type { NodeFacts } from "../lib/node-under-attack.ts";

/** An hour, as the message of a Store. */
export function hourOf(record: DhtRecord): RecordMessage {
  return create(RecordSchema, recordToMessage(record, 3600));
}

/** The genuine record of a provider that is at a port where nobody listens. */
export function deadProvider(keys: KeyPair, key: RecordKey): DhtRecord {
  return createProvider({ keys, key, addresses: [{ host: "127.0.0.1", port: 9 }], sequence: 1n });
}

/** How many of the keys a node itself holds a record of. */
export async function heldOf(attacker: Attacker, node: NodeFacts, keys: readonly RecordKey[]): Promise<number> {
  const wanted = new Set(keys.map(String));
  const found = new Set<string>();
  let after = "";
  for (let page = 0; page < 100; page++) {
    const path = `/api/records?limit=1000&after=${encodeURIComponent(after)}`;
    const answer = await attacker.ownerJson<{ records?: { key: string }[]; next?: string }>(path, {}, node);
    for (const { key } of answer.records ?? []) if (wanted.has(key)) found.add(key);
    if (!answer.next) break;
    after = answer.next;
  }
  return found.size;
}

/** Waits until every node has pinged, and so can call, all others. */
export async function acquainted(attacker: Attacker, nodes: readonly NodeFacts[], ms = 20_000): Promise<void> {
  const know = async (node: NodeFacts): Promise<boolean> => {
    const { text } = await attacker.owner("/api/buckets", {}, node);
    return nodes.every(({ id }) => id === node.id || text.includes(id));
  };
  const all = async (): Promise<boolean> => (await Promise.all(nodes.map(know))).every(Boolean);
  if (!(await attacker.until(all, ms))) throw new Error("the nodes do not find one another");
}
