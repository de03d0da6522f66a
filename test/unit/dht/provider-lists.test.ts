// Whom a search names as providers, where peers answer different lists.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProviderLists } from "../../../src/dht/provider-lists.ts";
import type { ProviderRecord } from "../../../src/dht/record.ts";
import { createProvider } from "../../../src/dht/record-codec.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";

const key = RecordKey.ofName("a service");

function recordOf(n: number, sequence = 1n, isWithdrawn = false): ProviderRecord {
  const keys = keyPairFromSeed(new Uint8Array(32).fill(n));
  return createProvider({ keys, key, addresses: [{ host: "127.0.0.1", port: n }], sequence, isWithdrawn });
}

function portsOf(records: readonly ProviderRecord[]): (number | undefined)[] {
  return records.map(({ provider }) => provider.addresses[0]?.port);
}

test("answers take turns, so that one with many strangers does not push out the others", () => {
  const lists = new ProviderLists();
  lists.add(Array.from({ length: 64 }, (_, n) => recordOf(n + 100)));
  lists.add([recordOf(1), recordOf(2)]);
  lists.add([recordOf(2), recordOf(3)]);
  assert.deepEqual(portsOf(lists.take(6)), [100, 1, 2, 101, 3, 102]);
  assert.equal(lists.take(1000).length, 67);
  assert.equal(lists.size, 67);
});

test("the newest word of a provider counts, whoever tells it", () => {
  const lists = new ProviderLists();
  lists.add([recordOf(1), recordOf(2)]);
  lists.add([recordOf(1, 3n, true), recordOf(2, 0n, true)]);
  assert.deepEqual(portsOf(lists.take(64)), [2]);
  lists.add([recordOf(1, 4n)]);
  assert.deepEqual(portsOf(lists.take(64)), [1, 2]);
  assert.deepEqual(lists.take(0), []);
});
