// The routing table, with ids made up so that they fall into chosen buckets.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Contact } from "../../../src/dht/contact.ts";
import { type RoutingOptions, resolveRoutingOptions, routingDefaults } from "../../../src/dht/params.ts";
import { RoutingTable } from "../../../src/dht/routing-table.ts";
import { compareDistance, NodeId, sharedBits } from "../../../src/identity/node-id.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const selfBytes = new Uint8Array(32).fill(0x5a);
const self = NodeId.fromBytes(selfBytes);

/** An id from 32 bytes; their last bits are changed where they are no key. */
function idOf(bytes: Uint8Array): NodeId {
  const canonical = Uint8Array.from(bytes);
  canonical[31] = (canonical[31] ?? 0) & 0x3f;
  canonical[16] = (canonical[16] ?? 0) | 1;
  return NodeId.fromBytes(canonical);
}

function contactOf(id: NodeId, host = "127.0.0.1"): Contact {
  return { id, addresses: [{ host, port: 4000 }] };
}

/** The nth contact of the bucket of ids that share no bit. */
function far(n: number, host?: string): Contact {
  const bytes = new Uint8Array(32).fill(0xa5);
  bytes[1] = n;
  return contactOf(idOf(bytes), host);
}

interface Rig {
  readonly table: RoutingTable;
  readonly clock: VirtualClock;
  /** Hex of the ids that were pinged. */
  readonly pinged: string[];
  /** Hex of the ids that answer. */
  readonly alive: Set<string>;
}

function makeRig(options: RoutingOptions = {}): Rig {
  const clock = new VirtualClock(7);
  const pinged: string[] = [];
  const alive = new Set<string>();
  const ping = async ({ id }: Contact): Promise<boolean> => {
    pinged.push(id.toHex());
    await new Promise<void>((resolve) => void clock.setTimeout(resolve, 10));
    return alive.has(id.toHex());
  };
  const table = new RoutingTable({ self, config: resolveRoutingOptions(options), clock, ping });
  return { table, clock, pinged, alive };
}

function entriesOf({ table }: Rig): string[] {
  return [...table.buckets()].flatMap(({ entries }) => entries.map(({ contact }) => contact.id.toHex()));
}

const hexOf = (...contacts: readonly Contact[]): string[] => contacts.map(({ id }) => id.toHex());

test("contacts stand in the bucket of the bits that they share, the one seen longest ago first", () => {
  const rig = makeRig();
  const near = Uint8Array.from(selfBytes);
  near[10] = 0x5b;
  assert.equal(rig.table.seen(far(1)), "added");
  assert.equal(rig.table.seen(far(2)), "added");
  assert.equal(rig.table.seen(contactOf(idOf(near))), "added");
  assert.equal(rig.table.seen(far(1, "10.0.0.1")), "updated");
  assert.equal(rig.table.seen(contactOf(self)), "refused");
  const buckets = [...rig.table.buckets()];
  assert.deepEqual(
    buckets.map(({ index, entries }) => [index, hexOf(...entries.map(({ contact }) => contact))]),
    [
      [0, hexOf(far(2), far(1))],
      [sharedBits(selfBytes, idOf(near).bytes), [idOf(near).toHex()]],
    ],
  );
  assert.equal(buckets[0]?.entries[1]?.contact.addresses[0]?.host, "10.0.0.1");
  assert.equal(rig.table.size, 3);
  assert.ok(rig.table.has(idOf(near)) && !rig.table.has(far(3).id));
});

test("a full bucket keeps those that answer, whoever else comes", async () => {
  const rig = makeRig({ k: 3 });
  for (const n of [1, 2, 3]) rig.table.seen(far(n));
  for (const contact of [far(1), far(2), far(3)]) rig.alive.add(contact.id.toHex());
  assert.equal(rig.table.seen(far(4)), "waiting");
  assert.equal(rig.table.seen(far(5)), "waiting");
  await rig.clock.advance(1000);
  // One ping for both: it was answered.
  assert.deepEqual(rig.pinged, hexOf(far(1)));
  assert.deepEqual(entriesOf(rig), hexOf(far(2), far(3), far(1)));
});

test("in a full bucket the one that answers no ping gives way to the newcomer seen last, a ping a newcomer", async () => {
  const rig = makeRig({ k: 3 });
  for (const n of [1, 2, 3]) rig.table.seen(far(n));
  for (const n of [4, 5, 6]) {
    rig.table.seen(far(n));
    await rig.clock.advance(1000);
  }
  assert.deepEqual(rig.pinged, hexOf(far(1), far(1), far(1)));
  assert.deepEqual(entriesOf(rig), hexOf(far(2), far(3), far(6)));
  assert.equal(rig.table.size, 3);
});

test("what comes while a contact is pinged counts: new addresses stay, and who left stays away", async () => {
  const rig = makeRig({ k: 2 });
  for (const n of [1, 2]) rig.alive.add(far(n).id.toHex());
  for (const n of [1, 2, 3]) rig.table.seen(far(n));
  rig.table.seen(far(1, "10.0.0.9"));
  await rig.clock.advance(1000);
  const hosts = [...rig.table.buckets()].flatMap(({ entries }) =>
    entries.map(({ contact }) => contact.addresses[0]?.host),
  );
  assert.deepEqual(hosts, ["127.0.0.1", "10.0.0.9"]);
  rig.table.seen(far(4));
  rig.table.remove(far(2).id);
  await rig.clock.advance(1000);
  assert.deepEqual(entriesOf(rig), hexOf(far(1), far(4)));
});

test("misses in a row make a contact go: early where another waits, late where none does; an answer forgives them", () => {
  const { maxMisses, maxMissesAlone } = routingDefaults;
  const rig = makeRig({ k: 2 });
  rig.table.seen(far(1));
  for (let i = 1; i < maxMisses; i++) rig.table.missed(far(1).id);
  assert.equal(rig.table.closest(selfBytes, 9).length, 1);
  rig.table.missed(far(1).id);
  // Kept, and not handed out.
  assert.equal(rig.table.size, 1);
  assert.deepEqual(rig.table.closest(selfBytes, 9), []);
  rig.table.seen(far(1));
  assert.equal(rig.table.closest(selfBytes, 9).length, 1);
  for (let i = 0; i < maxMissesAlone; i++) rig.table.missed(far(1).id);
  assert.equal(rig.table.size, 0);
  rig.table.missed(far(1).id);
  rig.table.remove(far(9).id);
  assert.equal(rig.table.size, 0);
});

test("one that is dead leaves its place in a full bucket at once", () => {
  const rig = makeRig({ k: 2 });
  rig.table.seen(far(1));
  rig.table.seen(far(2));
  for (let i = 0; i < routingDefaults.maxMisses; i++) rig.table.missed(far(2).id);
  assert.equal(rig.table.seen(far(3)), "added");
  assert.deepEqual(entriesOf(rig), hexOf(far(1), far(3)));
});

test("who takes leave is replaced at once", () => {
  const rig = makeRig({ k: 2 });
  for (const n of [1, 2, 3]) rig.table.seen(far(n));
  rig.table.remove(far(1).id);
  assert.deepEqual(entriesOf(rig), hexOf(far(2), far(3)));
  // A replacement may leave too.
  rig.table.seen(far(4));
  rig.table.remove(far(4).id);
  rig.table.remove(far(2).id);
  assert.deepEqual(entriesOf(rig), hexOf(far(3)));
});

test("one host has a bounded part of a bucket", () => {
  const rig = makeRig({ maxPerHost: 2 });
  assert.equal(rig.table.seen(far(1, "10.0.0.1")), "added");
  assert.equal(rig.table.seen(far(2, "10.0.0.1")), "added");
  assert.equal(rig.table.seen(far(3, "10.0.0.1")), "refused");
  assert.equal(rig.table.seen(far(3, "10.0.0.2")), "added");
  assert.equal(rig.table.seen(far(1, "10.0.0.1")), "updated");
  // Nor does it get more by moving.
  assert.equal(rig.table.seen(far(3, "10.0.0.1")), "updated");
  const hosts = [...rig.table.buckets()].flatMap(({ entries }) =>
    entries.map(({ contact }) => contact.addresses[0]?.host),
  );
  assert.deepEqual(hosts, ["10.0.0.1", "10.0.0.1", "10.0.0.2"]);
});

test("replacements take no host beyond its part either", () => {
  const rig = makeRig({ k: 3, maxPerHost: 2 });
  for (const n of [1, 2]) rig.table.seen(far(n, "10.0.0.1"));
  rig.table.seen(far(3, "10.0.0.2"));
  assert.equal(rig.table.seen(far(4, "10.0.0.2")), "waiting");
  assert.equal(rig.table.seen(far(5, "10.0.0.2")), "waiting");
  assert.equal(rig.table.seen(far(6, "10.0.0.2")), "refused");
  rig.table.remove(far(1).id);
  rig.table.remove(far(2).id);
  assert.deepEqual(entriesOf(rig), hexOf(far(3), far(5)));
});

const anyId = fc.tuple(fc.nat(255), fc.uint8Array({ minLength: 32, maxLength: 32 })).map(([shared, random]) => {
  // Half of them near the own id, whose buckets random ids never reach.
  const at = shared >>> 4;
  const bytes = Uint8Array.from(random);
  bytes.set(selfBytes.subarray(0, at));
  return idOf(bytes);
});

test("the closest of all buckets are found, whatever the target", () => {
  const targets = fc.oneof(
    fc.uint8Array({ minLength: 32, maxLength: 32 }),
    anyId.map((id) => id.bytes),
  );
  fc.assert(
    fc.property(fc.array(anyId, { maxLength: 120 }), targets, fc.integer({ min: 1, max: 30 }), (ids, target, count) => {
      const rig = makeRig({ k: 1000, maxPerHost: 1000 });
      for (const id of ids) rig.table.seen(contactOf(id));
      const all = new Map(ids.filter((id) => !id.equals(self)).map((id) => [id.toHex(), id]));
      assert.equal(rig.table.size, all.size);
      const sorted = [...all.values()].sort((a, b) => compareDistance(target, a.bytes, b.bytes));
      const expected = sorted.slice(0, count).map((id) => id.toHex());
      assert.deepEqual(hexOf(...rig.table.closest(target, count)), expected);
      const [first] = sorted;
      if (first === undefined) return;
      const others = sorted.slice(1, count + 1).map((id) => id.toHex());
      assert.deepEqual(hexOf(...rig.table.closest(target, count, first)), others);
    }),
  );
});

test("whatever happens, buckets are bounded, hold nobody twice, and the size is right", async () => {
  const event = fc.tuple(fc.constantFrom("seen", "seen", "seen", "missed", "remove", "wait"), fc.nat(12), fc.boolean());
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 120 }), async (events) => {
      const rig = makeRig({ k: 3 });
      for (const [what, n, isAlive] of events) {
        const { id } = far(n);
        if (isAlive) rig.alive.add(id.toHex());
        else rig.alive.delete(id.toHex());
        if (what === "seen") rig.table.seen(far(n));
        else if (what === "missed") rig.table.missed(id);
        else if (what === "remove") rig.table.remove(id);
        else await rig.clock.advance(15);
        const entries = entriesOf(rig);
        assert.ok(entries.length <= 3);
        assert.equal(new Set(entries).size, entries.length);
        assert.equal(rig.table.size, entries.length);
        if (what === "seen" && entries.length < 3) assert.ok(rig.table.has(id));
        if (what === "remove") assert.ok(!rig.table.has(id));
      }
      await rig.clock.advance(1000);
      assert.ok(rig.table.size <= 3);
    }),
    { numRuns: 60 },
  );
});

test("a random key shares just the bits that it is to share", () => {
  const { table } = makeRig();
  for (let shared = 0; shared < 256; shared++) assert.equal(sharedBits(selfBytes, table.randomKey(shared)), shared);
});

test("buckets are due for a refresh when there was no lookup in their range for long", async () => {
  const rig = makeRig();
  rig.table.seen(far(1));
  assert.deepEqual(rig.table.refreshTargets(), []);
  await rig.clock.advance(routingDefaults.refreshMs);
  const [target, ...others] = rig.table.refreshTargets();
  assert.ok(target !== undefined && others.length === 0);
  assert.equal(sharedBits(selfBytes, target), 0);
  rig.table.lookedUp(target);
  assert.deepEqual(rig.table.refreshTargets(), []);
});

test("settings out of their range are refused", () => {
  assert.deepEqual(resolveRoutingOptions(), { ...routingDefaults, maxPerHost: routingDefaults.k });
  assert.equal(resolveRoutingOptions({ k: 8 }).maxPerHost, 8);
  for (const options of [
    { k: 0 },
    { k: 1025 },
    { k: 1.5 },
    { maxPerHost: 0 },
    { maxMissesAlone: 2 },
    { refreshMs: 0 },
  ]) {
    assert.throws(() => resolveRoutingOptions(options), RangeError, JSON.stringify(options));
  }
});
