// 40 acknowledged records in a data directory, a crash, and what is left after starts under bad conditions.
import { randomBytes } from "node:crypto";
import { RecordKey } from "../../src/dht/record-key.ts";
import type { Attacker } from "../lib/attacker.ts";
import { NodeUnderAttack, ownerRequest } from "../lib/node-under-attack.ts";

/** Records of each run. */
const records = 40;

/** Has a node keep 40 records in a directory, crashes it, and returns their keys. */
export async function fillAndCrash(dataDir: string): Promise<RecordKey[]> {
  await using node = await NodeUnderAttack.start({ dataDir, discovery: false });
  const keys: RecordKey[] = [];
  for (let i = 0; i < records; i++) {
    const value = randomBytes(2000);
    const body = { value: value.toString("base64") };
    const { status, text } = await ownerRequest(node.facts.port, "/api/values", { method: "POST", body });
    if (status !== 200) throw new Error(`a value is refused: ${text}`);
    keys.push(RecordKey.ofValue(value));
  }
  return keys;
}

/** Starts a node under bad conditions; it may refuse, and is killed again if it does not. */
export async function startBadly(dataDir: string, conditions: { readonly descriptors?: number }): Promise<boolean> {
  try {
    await using node = await NodeUnderAttack.start({ dataDir, discovery: false, ...conditions });
    return node.ending === undefined;
  } catch {
    return false;
  }
}

/** Starts a node as it should be, and counts the records that are still there. */
export async function countAfterwards(dataDir: string, keys: readonly RecordKey[]): Promise<number> {
  await using node = await NodeUnderAttack.start({ dataDir, discovery: false });
  let found = 0;
  for (const key of keys) {
    const { status } = await ownerRequest(node.facts.port, `/api/values/${key.toHex()}`);
    if (status === 200) found += 1;
  }
  return found;
}

/** Checks that no start under bad conditions has cost a record. */
export function checkLeft(attacker: Attacker, left: readonly number[]): void {
  attacker.check("records left after the worst start", Math.min(...left), { least: records });
}
