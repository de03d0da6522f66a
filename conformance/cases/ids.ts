// Ids, keys and addresses as text: the vectors of test/vectors/ids.json.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type CaseContext, group } from "../case.ts";

interface Vector {
  readonly name: string;
  readonly kind: string;
  readonly text: string;
  readonly seed: string;
  readonly bytes: string;
  readonly key: string;
  readonly host: string;
  readonly port: number;
  readonly error?: string;
}

function vectors(kind: string, isGood: boolean): Vector[] {
  const path = new URL("../../test/vectors/ids.json", import.meta.url);
  const { cases }: { cases: Vector[] } = JSON.parse(readFileSync(path, "utf8"));
  return cases.filter((each) => each.kind === kind && (each.error === undefined) === isGood);
}

function base64OfHex(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}

async function refused(context: CaseContext, command: string, kind: string): Promise<void> {
  for (const { name, text, error } of vectors(kind, false)) {
    assert.equal(await context.fails(command, { text }), error, name);
  }
}

/** Cases of ids and addresses. */
export const idCases = group("ids", ["ids"], {
  "text-forms": async ({ program }) => {
    for (const { name, text, bytes } of vectors("node_id", true)) {
      assert.equal((await program.request("parseId", { text }))["id"], base64OfHex(bytes), name);
    }
  },
  refused: (context) => refused(context, "parseId", "node_id"),
  addresses: async ({ program }) => {
    for (const { name, text, key, host, port } of vectors("address", true)) {
      const address = await program.request("parseAddress", { text });
      assert.deepEqual({ ...address }, { id: base64OfHex(key), host, port }, name);
    }
  },
  "refused-addresses": (context) => refused(context, "parseAddress", "address"),
  "key-of-seed": async ({ program }) => {
    for (const { name, seed, bytes } of vectors("key_pair", true)) {
      assert.equal((await program.request("keyOfSeed", { seed: base64OfHex(seed) }))["id"], base64OfHex(bytes), name);
    }
  },
});
