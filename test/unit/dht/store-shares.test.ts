// Shares of a store, beside a model that adds all up each time.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { RecordEntry } from "../../../src/dht/record-entry.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { StoreShares } from "../../../src/dht/store-shares.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { compareDistance } from "../../../src/identity/node-id.ts";

const self = keyPairFromSeed(new Uint8Array(32).fill(1)).id;
const peers = [2, 3, 4].map((n) => keyPairFromSeed(new Uint8Array(32).fill(n)).id);
const weight = 100;

function sum(entries: readonly RecordEntry[]): number {
  return entries.reduce((all, { bytes }) => all + bytes + weight, 0);
}

function heaviest(entries: readonly RecordEntry[], groupOf: (entry: RecordEntry) => string): [RecordEntry[], number] {
  const groups = Map.groupBy(entries, groupOf);
  const [first] = [...groups.values()].sort((a, b) => sum(b) - sum(a));
  return [first ?? [], sum(first ?? [])];
}

function nameOf({ from, isForwarded }: RecordEntry): string {
  return `${String(from)} ${isForwarded}`;
}

test("shares are the sums of what is in them, and the farthest of the heaviest goes first", () => {
  const step = fc.record({
    isAdded: fc.constantFrom(true, true, false),
    n: fc.nat({ max: 15 }),
    peer: fc.option(fc.nat({ max: 2 }), { nil: undefined }),
    host: fc.constantFrom("a", "b"),
    isForwarded: fc.boolean(),
    bytes: fc.integer({ min: 1, max: 1000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const shares = new StoreShares(self, weight);
      const held = new Map<string, RecordEntry>();
      for (const { isAdded, n, peer, host, isForwarded, bytes } of steps) {
        const key = RecordKey.ofName(`${n}`);
        const before = held.get(key.toString());
        if (before !== undefined) shares.delete(before);
        held.delete(key.toString());
        if (isAdded) {
          const common = { id: key.toString(), key, kind: "immutable", sequence: 0n, signature: undefined } as const;
          const from = peer === undefined ? undefined : peers[peer];
          const rest = { provider: undefined, isGone: false, expiresAtMs: 1, receivedAt: 1, host, isForwarded };
          const entry: RecordEntry = { ...common, ...rest, from, bytes };
          held.set(entry.id, entry);
          shares.add(entry);
        }
        const counted = [...held.values()].filter((entry) => entry.from !== undefined);
        for (const entry of counted) {
          const same = counted.filter(
            (each) => each.from === entry.from && each.host === entry.host && each.isForwarded === entry.isForwarded,
          );
          const bytesOfAll = same.reduce((all, each) => all + each.bytes, 0);
          const { records, bytes: bytesOfShare } = shares.of(entry);
          assert.deepEqual([records, bytesOfShare], [same.length, bytesOfAll]);
        }
        const { first } = shares;
        assert.equal(first === undefined, counted.length === 0);
        if (first === undefined) continue;
        // Of equally heavy ones any may be the first.
        const ofHost = counted.filter((entry) => entry.host === first.host);
        assert.equal(sum(ofHost), heaviest(counted, (entry) => entry.host)[1]);
        const ofShare = ofHost.filter((entry) => nameOf(entry) === nameOf(first));
        assert.equal(sum(ofShare), heaviest(ofHost, nameOf)[1]);
        for (const { key: other } of ofShare) {
          assert.ok(compareDistance(self.bytes, other.bytes, first.key.bytes) <= 0);
        }
      }
    }),
  );
});
