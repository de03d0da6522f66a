// The routing table, with ids made up so that they fall into chosen buckets.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Contact } from "../../../src/dht/contact.ts";
import { hostGroup } from "../../../src/dht/contact-host.ts";
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

/** The nth contact of a quarter of that bucket, which the second and third bit of an id tell. */
function inQuarter(quarter: number, n: number, host?: string): Contact {
  const bytes = new Uint8Array(32).fill(0xa5);
  bytes[0] = 0x85 | (quarter << 5);
  bytes[1] = n;
  return contactOf(idOf(bytes), host);
}

/** The contact of a bucket of its own, the closer the larger n is. 0 to 31. */
function inOwnBucket(n: number, host?: string): Contact {
  const bytes = Uint8Array.from(selfBytes);
  bytes[n] = 0x5b;
  return contactOf(idOf(bytes), host);
}

function mostOfOneHost(contacts: readonly Contact[]): number {
  const counts = new Map<string, number>();
  for (const { addresses } of contacts) {
    const group = hostGroup(addresses[0]?.host ?? "");
    counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  return Math.max(0, ...counts.values());
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
  // Nobody is asked who has just answered.
  assert.equal(rig.table.seen(far(6)), "waiting");
  assert.deepEqual(rig.pinged, []);
  await rig.clock.advance(60_000);
  assert.equal(rig.table.seen(far(4)), "waiting");
  assert.equal(rig.table.seen(far(5)), "waiting");
  await rig.clock.advance(1000);
  // One ping for both: it was answered.
  assert.deepEqual(rig.pinged, hexOf(far(1)));
  assert.deepEqual(entriesOf(rig), hexOf(far(2), far(3), far(1)));
});

test("in a full bucket whoever comes from where there are few takes the place of one from where there are many, who waits", async () => {
  const rig = makeRig({ k: 8 });
  const { table } = rig;
  const crowd = [1, 2, 3, 4, 5].map((n) => inQuarter(0, n));
  const others = [inQuarter(1, 1), inQuarter(1, 2), inQuarter(2, 1)];
  for (const contact of [...crowd, ...others]) {
    assert.equal(table.seen(contact), "added");
    await rig.clock.advance(1);
  }
  const newcomer = inQuarter(3, 1);
  assert.ok(table.hasRoomFor(newcomer.id, 8) && !table.hasRoomFor(newcomer.id, 4), "only where it costs no connection");
  assert.equal(table.seen(newcomer), "added");
  assert.deepEqual(entriesOf(rig), hexOf(...crowd.slice(1), ...others, newcomer));
  assert.equal(table.size, 8);
  // Who gave way is the first to come back.
  table.remove(newcomer.id);
  assert.deepEqual(entriesOf(rig), hexOf(...crowd, ...others));
  table.seen(newcomer);
  // Four, two, one, one.
  assert.equal(table.seen(inQuarter(0, 6)), "waiting");
  assert.equal(table.seen(inQuarter(2, 2)), "added");
  assert.equal(table.seen(inQuarter(3, 2)), "added");
  // Two in each: whoever comes now would make it no more even.
  for (const quarter of [0, 1, 2, 3]) assert.equal(table.seen(inQuarter(quarter, 9)), "waiting");
  assert.equal(table.size, 8);
});

test("who would spread a bucket more evenly waits where its host has its share", () => {
  const rig = makeRig({ k: 8, maxPerHost: 5 });
  for (let n = 0; n < 8; n++) rig.table.seen(far(n, `10.0.0.${n % 2}`));
  assert.equal(rig.table.size, 8);
  assert.equal(rig.table.seen(inQuarter(3, 1, "10.0.0.0")), "added");
  assert.equal(rig.table.seen(inQuarter(3, 2, "10.0.0.1")), "added");
  for (let n = 3; n < 8; n++) rig.table.seen(inQuarter(3, n, "10.0.0.0"));
  const [{ entries } = { entries: [] }] = [...rig.table.buckets()];
  assert.equal(entries.length, 8);
  assert.ok(mostOfOneHost(entries.map(({ contact }) => contact)) <= 5);
});

test("in a full bucket the one that answers no ping gives way to the newcomer seen last, a ping a newcomer", async () => {
  const rig = makeRig({ k: 3 });
  for (const n of [1, 2, 3]) rig.table.seen(far(n));
  await rig.clock.advance(60_000);
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
  for (const n of [1, 2]) rig.table.seen(far(n));
  await rig.clock.advance(60_000);
  rig.table.seen(far(3));
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

test("a ping in vain says nothing of a contact that has moved meanwhile", async () => {
  const rig = makeRig({ k: 2 });
  for (const n of [1, 2]) rig.table.seen(far(n));
  await rig.clock.advance(60_000);
  rig.table.seen(far(3));
  rig.table.seen(far(1, "10.0.0.9"));
  await rig.clock.advance(1000);
  assert.deepEqual(rig.pinged, hexOf(far(1)));
  assert.deepEqual(hexOf(...rig.table.closest(far(1).id.bytes, 1)), hexOf(far(1)));
});

test("misses in a row make a contact go: early where another waits, late where none does; an answer forgives them", () => {
  const { maxMisses, maxMissesAlone } = routingDefaults;
  const rig = makeRig({ k: 2 });
  rig.table.seen(far(1));
  for (let i = 1; i < maxMissesAlone; i++) rig.table.missed(far(1).id);
  assert.equal(rig.table.size, 1);
  rig.table.seen(far(1));
  for (let i = 1; i < maxMissesAlone; i++) rig.table.missed(far(1).id);
  assert.equal(rig.table.size, 1);
  rig.table.missed(far(1).id);
  assert.equal(rig.table.size, 0);
  for (const n of [1, 2, 3]) rig.table.seen(far(n));
  for (let i = 1; i < maxMisses; i++) rig.table.missed(far(1).id);
  assert.deepEqual(entriesOf(rig), hexOf(far(1), far(2)));
  rig.table.missed(far(1).id);
  assert.deepEqual(entriesOf(rig), hexOf(far(2), far(3)));
  for (const n of [2, 3]) rig.table.remove(far(n).id);
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

test("one host has a bounded part of the table, of which it gets no more by moving or by waiting", () => {
  const rig = makeRig({ k: 2, maxPerHostInTable: 2 });
  assert.equal(rig.table.seen(inOwnBucket(3, "10.0.0.1")), "added");
  assert.equal(rig.table.seen(far(1, "10.0.0.1")), "added");
  assert.equal(rig.table.seen(inOwnBucket(5, "10.0.0.1")), "refused");
  assert.equal(rig.table.seen(far(2, "10.0.0.2")), "added");
  assert.equal(rig.table.seen(far(2, "10.0.0.1")), "updated");
  assert.equal(rig.table.seen(far(3, "10.0.0.2")), "waiting");
  assert.equal(rig.table.seen(inOwnBucket(7, "10.0.0.2")), "added");
  // The one that waits has no room left when its turn comes.
  rig.table.remove(far(1).id);
  assert.deepEqual(entriesOf(rig).slice(0, 1), hexOf(far(2)));
  assert.ok(!rig.table.has(far(3).id));
  // Those that go make room.
  assert.equal(rig.table.seen(inOwnBucket(5, "10.0.0.1")), "added");
  // One network of IPv6 is one host.
  const wide = makeRig({ maxPerHostInTable: 1 });
  assert.equal(wide.table.seen(far(1, "2001:db8::1")), "added");
  assert.equal(wide.table.seen(inOwnBucket(5, "2001:db8::2")), "refused");
});

test("one that is dead stays where the newcomer's host has its share", () => {
  const rig = makeRig({ k: 2, maxPerHost: 1 });
  rig.table.seen(far(1, "10.0.0.1"));
  rig.table.seen(far(2, "10.0.0.2"));
  for (let i = 0; i < routingDefaults.maxMisses; i++) rig.table.missed(far(1).id);
  assert.equal(rig.table.seen(far(3, "10.0.0.2")), "refused");
  assert.deepEqual(entriesOf(rig), hexOf(far(1), far(2)));
  // It makes room for its own host.
  assert.equal(rig.table.seen(far(3, "10.0.0.1")), "added");
  assert.deepEqual(entriesOf(rig), hexOf(far(2), far(3)));
});

test("silence at addresses that a contact does not have is no miss of it", () => {
  const rig = makeRig({ k: 1, maxMisses: 1, maxMissesAlone: 1 });
  const wrong = [
    { host: "192.0.2.1", port: 4000 },
    { host: "10.0.0.1", port: 4001 },
  ];
  rig.table.seen(far(1, "10.0.0.1"));
  rig.table.seen(far(2, "10.0.0.1"));
  for (const contact of [far(1), far(2)]) rig.table.missed(contact.id, wrong);
  assert.deepEqual(entriesOf(rig), hexOf(far(1)));
  rig.table.missed(far(1).id, [...wrong, { host: "10.0.0.1", port: 4000 }]);
  assert.deepEqual(entriesOf(rig), hexOf(far(2)), "nor was the one that waits gone");
  rig.table.missed(far(2).id);
  assert.equal(rig.table.size, 0);
});

test("entries keep a smoothed round trip", () => {
  const rig = makeRig({ k: 1 });
  const rtt = (): number | undefined => [...rig.table.buckets()][0]?.entries[0]?.rttMs;
  rig.table.seen(far(1));
  assert.equal(rtt(), undefined);
  rig.table.seen(far(1), 80);
  assert.equal(rtt(), 80);
  rig.table.seen(far(1), 160);
  assert.equal(rtt(), 90);
  rig.table.seen(far(1));
  rig.table.missed(far(1).id);
  assert.equal(rtt(), 90);
  // A replacement brings its own.
  rig.table.seen(far(2), 7);
  rig.table.seen(far(2));
  rig.table.remove(far(1).id);
  assert.equal(rtt(), 7);
});

test("there is room for a contact where it would become an entry, and not again", () => {
  const { table } = makeRig({ k: 2 });
  assert.ok(!table.hasRoomFor(self, 2));
  assert.ok(table.hasRoomFor(far(1).id, 2));
  table.seen(far(1));
  assert.ok(!table.hasRoomFor(far(1).id, 2));
  table.seen(far(2));
  assert.ok(!table.hasRoomFor(far(3).id, 2));
  // One that was silent is asked whether it is back, and when it is dead leaves its place to others.
  const alone = makeRig({ k: 1 });
  alone.table.seen(far(1));
  alone.table.missed(far(1).id);
  assert.ok(alone.table.hasRoomFor(far(1).id, 1) && !alone.table.hasRoomFor(far(2).id, 1));
  for (let i = 1; i < routingDefaults.maxMisses; i++) alone.table.missed(far(1).id);
  assert.ok(alone.table.hasRoomFor(far(1).id, 1) && alone.table.hasRoomFor(far(2).id, 1));
});

test("of a far range there is room for those of the k closest, entered or about to enter, and for few others", () => {
  const { table } = makeRig({ k: 3 });
  const [a, b, c, d] = [1, 2, 3, 4]
    .map((n) => far(n))
    .sort((x, y) => compareDistance(self.bytes, x.id.bytes, y.id.bytes));
  assert.ok(a && b && c && d);
  for (const contact of [b, c]) table.seen(contact);
  assert.ok(table.hasRoomFor(d.id, 1), "only two are closer");
  assert.ok(!table.hasRoomFor(d.id, 1, { closer: 1, beside: 0 }));
  assert.ok(table.hasRoomFor(a.id, 1, { closer: 1, beside: 0 }));
});

test("lookups begin with those that were silent only where there are too few others; what is saved has both, those in front that answered", () => {
  const { table } = makeRig();
  for (const n of [1, 2, 3, 4]) table.seen(far(n));
  for (const n of [1, 3]) table.missed(far(n).id);
  const target = far(1).id.bytes;
  const order = (...ns: number[]) => hexOf(...ns.map((n) => far(n)));
  const [near = 0, next = 0] = [2, 4].sort((a, b) => compareDistance(target, far(a).id.bytes, far(b).id.bytes));
  assert.deepEqual(hexOf(...table.seeds(target, 1)), order(near));
  assert.deepEqual(hexOf(...table.seeds(target, 3)), order(near, next, 1));
  assert.deepEqual(hexOf(...table.seeds(target, 9)), order(near, next, 1, 3));
  assert.deepEqual(hexOf(...table.closest(target, 9)), order(near, next));
  const bySelf = (a: number, b: number) => compareDistance(selfBytes, far(a).id.bytes, far(b).id.bytes);
  assert.deepEqual(hexOf(...table.snapshot()), order(...[2, 4].sort(bySelf), ...[1, 3].sort(bySelf)));
});

test("who was silent is told to nobody until it has answered again", () => {
  const { table } = makeRig();
  const [asker, other, third] = [far(1), far(2), inOwnBucket(9)];
  for (const contact of [asker, other, third]) table.seen(contact);
  const told = () => hexOf(...table.tell(other.id.bytes, 9, asker.id));
  assert.deepEqual(told(), hexOf(other, third));
  table.missed(other.id);
  assert.deepEqual(told(), hexOf(third));
  table.missed(third.id);
  assert.deepEqual(told(), []);
  table.seen(other);
  assert.deepEqual(told(), hexOf(other));
});

test("of those that are told, or would be had they answered, the one tried longest ago is pinged, one at a time, after a quarter of an hour", async () => {
  const rig = makeRig();
  const { table, clock, alive, pinged } = rig;
  const quarterMs = 900_000;
  const target = far(1).id.bytes;
  const byDistance = [1, 2, 3, 4].map((n) => far(n)).sort((a, b) => compareDistance(target, a.id.bytes, b.id.bytes));
  const [first, second, third, fourth] = byDistance;
  assert.ok(first && second && third && fourth);
  for (const contact of [fourth, third, first, second]) {
    table.seen(contact);
    alive.add(contact.id.toHex());
    await clock.advance(1000);
  }
  alive.delete(third.id.toHex());
  const tell = () => hexOf(...table.tell(target, 3, self));
  await clock.advance(quarterMs - 3001);
  tell();
  assert.deepEqual(pinged, [], "third was seen just short of that ago, and fourth is not told");
  await clock.advance(1);
  for (let i = 0; i < 3; i++) assert.deepEqual(tell(), hexOf(first, second, third));
  assert.deepEqual(pinged, hexOf(third));
  await clock.advance(1000);
  // Now fourth is told instead, as the oldest of all.
  for (const expected of [fourth, first, second]) {
    assert.deepEqual(tell(), hexOf(first, second, fourth));
    await clock.advance(1000);
    assert.deepEqual(pinged.splice(0).at(-1), expected.id.toHex());
  }
  tell();
  assert.deepEqual(pinged, []);
  // A quarter of an hour later it is asked again, and has come back.
  alive.add(third.id.toHex());
  await clock.advance(quarterMs - 3000);
  tell();
  await clock.advance(1000);
  assert.deepEqual(pinged, hexOf(third));
  assert.deepEqual(tell(), hexOf(first, second, third));
});

test("under any sequence of events the bounds hold, and what is closest is so of all that answered last", async () => {
  const hosts = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1", "2001:db8::2"];
  // Ids of five buckets, and the own one.
  const ids = Array.from({ length: 60 }, (_, n) => {
    const bytes = Uint8Array.from(selfBytes);
    const first = 0x80 >>> (n % 5);
    // What follows the bit that tells the bucket tells the part of its range.
    if (n > 0) bytes[3] = 0x5a ^ first ^ ((n * 29) & (first - 1));
    if (n > 0) bytes[9] = n;
    return n > 0 ? idOf(bytes) : self;
  });
  const event = fc.record({
    what: fc.constantFrom("seen", "seen", "seen", "seen", "missed", "missed", "remove", "wait"),
    n: fc.nat(ids.length - 1),
    host: fc.constantFrom(...hosts),
    isAlive: fc.boolean(),
    rttMs: fc.option(fc.double({ min: 0, max: 5000, noNaN: true }), { nil: undefined }),
  });
  const settings = fc.record({
    k: fc.integer({ min: 1, max: 8 }),
    maxPerHost: fc.integer({ min: 1, max: 6 }),
    maxPerHostInTable: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 9 })),
    maxMisses: fc.integer({ min: 1, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(settings, fc.array(event, { maxLength: 150 }), fc.nat(59), async (options, events, targetAt) => {
      const rig = makeRig(options);
      const { table } = rig;
      const capped = options.maxPerHost < options.k || options.maxPerHostInTable < Infinity;
      for (const { what, n, host, isAlive, rttMs } of events) {
        const id = ids[n] ?? self;
        if (isAlive) rig.alive.add(id.toHex());
        else rig.alive.delete(id.toHex());
        const hasRoom = table.hasRoomFor(id, options.k);
        if (what === "seen") {
          const placement = table.seen(contactOf(id, host), rttMs);
          if (placement === "added") assert.ok(hasRoom);
          if (hasRoom && !capped) assert.ok(placement === "added" || placement === "updated");
          if (placement === "added" || placement === "updated") {
            assert.ok(table.has(id) && !table.hasRoomFor(id, options.k));
          }
        } else if (what === "missed") table.missed(id);
        else if (what === "remove") table.remove(id);
        else await rig.clock.advance(15);
        const entries = [...table.buckets()].flatMap((bucket) => bucket.entries);
        const contacts = entries.map(({ contact }) => contact);
        assert.equal(table.size, entries.length);
        assert.equal(new Set(hexOf(...contacts)).size, entries.length);
        assert.ok(!table.has(self));
        for (const bucket of table.buckets()) {
          assert.ok(bucket.entries.length <= options.k);
          assert.ok(mostOfOneHost(bucket.entries.map(({ contact }) => contact)) <= options.maxPerHost);
        }
        assert.ok(mostOfOneHost(contacts) <= options.maxPerHostInTable);
        const target = (ids[targetAt] ?? self).bytes;
        const sorted = (isGood: boolean, to: Uint8Array): Contact[] =>
          entries
            .filter(({ misses }) => (misses === 0) === isGood)
            .map(({ contact }) => contact)
            .sort((a, b) => compareDistance(to, a.id.bytes, b.id.bytes));
        assert.deepEqual(table.closest(target, 100), sorted(true, target));
        const others = sorted(true, target).filter((contact) => !contact.id.equals(id));
        assert.deepEqual(table.tell(target, 3, id), others.slice(0, 3));
        assert.deepEqual(table.seeds(target, 4), [...sorted(true, target), ...sorted(false, target)].slice(0, 4));
        assert.deepEqual(table.snapshot(), [...sorted(true, selfBytes), ...sorted(false, selfBytes)]);
      }
      await rig.clock.advance(1000);
    }),
    { numRuns: 100 },
  );
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
  assert.deepEqual(resolveRoutingOptions(), {
    ...routingDefaults,
    maxPerHost: routingDefaults.k,
    maxPerHostInTable: Infinity,
  });
  assert.equal(resolveRoutingOptions({ k: 8 }).maxPerHost, 8);
  for (const options of [
    { k: 0 },
    { k: 1025 },
    { k: 1.5 },
    { maxPerHost: 0 },
    { maxMissesAlone: 2 },
    { refreshMs: 0 },
    { maxPerHost: Infinity },
    { maxPerHostInTable: 0 },
    { maxPerHostInTable: -Infinity },
    { alpha: 0 },
    { alpha: 65 },
    { disjointPaths: 17 },
  ]) {
    assert.throws(() => resolveRoutingOptions(options), RangeError, JSON.stringify(options));
  }
});
