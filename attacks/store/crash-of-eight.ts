// Most holders crash at once, newcomers join, then the last old ones crash, too.
import { randomBytes } from "node:crypto";
import { RecordKey } from "../../src/dht/record-key.ts";
import type { Attack } from "../attack.ts";
import type { NodeUnderAttack } from "../lib/node-under-attack.ts";
import { acquainted, heldOf } from "./records.ts";

const old = 10;
const survivors = 2;
const newcomers = 3;
const values = 30;
const patienceMs = 60_000;

export const crashOfEight: Attack = {
  name: "crash-of-eight",
  does: "10 processes hold 30 values; 8 are killed and 3 join; 60 s later the other two are killed.",
  promise: "Each newcomer holds 30 of 30 within 60 s, and all are found when the last old ones are gone.",
  spends: { megabytes: 1, connections: 0, seconds: 240 },
  nodes: [],
  hasWitnesses: false,
  testScale: 0,
  async run(attacker) {
    const nodes: NodeUnderAttack[] = [];
    while (nodes.length < old) nodes.push(await attacker.startNode());
    await acquainted(
      attacker,
      nodes.map(({ facts }) => facts),
      60_000,
    );
    const keys: RecordKey[] = [];
    for (let i = 0; i < values; i++) {
      const value = randomBytes(100);
      keys.push(RecordKey.ofValue(value));
      // All by one that will be killed, so that no publisher brings them back.
      const publisher = nodes[old - 1]?.facts;
      const body = { value: value.toString("base64") };
      await attacker.ownerJson("/api/values", { method: "POST", body }, publisher);
    }
    await Promise.all(nodes.slice(survivors).map((node) => node.kill()));
    const joined: NodeUnderAttack[] = [];
    while (joined.length < newcomers) joined.push(await attacker.startNode());
    const counts = (): Promise<number[]> => Promise.all(joined.map(({ facts }) => heldOf(attacker, facts, keys)));
    await attacker.until(async () => Math.min(...(await counts())) === values, patienceMs);
    attacker.check("values at the poorest newcomer", Math.min(...(await counts())), { least: values });
    await Promise.all(nodes.slice(0, survivors).map((node) => node.kill()));
    let found = 0;
    for (const key of keys) {
      const { status } = await attacker.owner(`/api/values/${key.toHex()}`, {}, joined[0]?.facts);
      if (status === 200) found += 1;
    }
    attacker.check("values found at last", found, { least: values });
  },
};
