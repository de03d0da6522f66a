// Caps in all and for one address, and who gives way.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { type SlotHolder, Slots, type SlotsOptions } from "../../../src/channel/slots.ts";

interface Holder extends SlotHolder {
  readonly name: string;
  readonly isBusy?: boolean;
}

const local = (name: string): Holder => ({ name, share: "127.0.0.1", isLocal: true });
const remote = (share: string, name: string, isBusy = false): Holder => ({ name, share, isLocal: false, isBusy });

function make(options: Partial<SlotsOptions<Holder>>) {
  const evicted: string[] = [];
  const slots = new Slots<Holder>({
    max: 4,
    mayGiveWay: ({ isBusy }) => isBusy !== true,
    onEvicted: ({ name }) => evicted.push(name),
    ...options,
  });
  return { slots, evicted };
}

suite("slots", () => {
  test("an address over its share puts out its own oldest", () => {
    const { slots, evicted } = make({ maxPerAddress: 2 });
    for (const name of ["a1", "a2", "a3"]) assert.ok(slots.take(remote("a", name)));
    assert.deepEqual([evicted, slots.count], [["a1"], 2]);
  });

  test("an address over its share is refused where shares are strict", () => {
    const { slots, evicted } = make({ maxPerAddress: 2, isShareStrict: true });
    assert.deepEqual(
      ["a1", "a2", "a3"].map((name) => slots.take(remote("a", name))),
      [true, true, false],
    );
    assert.deepEqual(evicted, []);
  });

  test("where there is no room, the oldest gives way of the address that has most", () => {
    const { slots, evicted } = make({});
    for (const name of ["b1", "a1", "a2", "a3"]) slots.take(remote(name.slice(0, 1), name));
    assert.ok(slots.take(remote("c", "c1")));
    assert.ok(slots.take(remote("b", "b2")));
    assert.deepEqual([evicted, slots.count], [["a1", "a2"], 4]);
  });

  test("who may not give way keeps the slot, and where none may, the newcomer is refused", () => {
    const { slots, evicted } = make({ max: 2 });
    assert.ok(slots.take(remote("a", "a1", true)));
    assert.ok(slots.take(remote("a", "a2")));
    assert.ok(slots.take(remote("b", "b1", true)));
    assert.equal(slots.take(remote("c", "c1")), false);
    assert.deepEqual(evicted, ["a2"]);
  });

  test("with a lead, an address gives way only to one that has less by so many", () => {
    const { slots, evicted } = make({ minLead: 2 });
    for (const name of ["a1", "a2", "b1", "b2"]) slots.take(remote(name.slice(0, 1), name));
    assert.equal(slots.take(remote("a", "a3")), false);
    assert.equal(slots.take(remote("b", "b3")), false);
    assert.ok(slots.take(remote("c", "c1")));
    assert.deepEqual(evicted, ["a1"]);
  });

  test("the reserve is for this machine, whose slots in it are safe", () => {
    const { slots, evicted } = make({ reserve: 2 });
    for (let i = 0; i < 10; i++) assert.ok(slots.take(remote(`${i}`, `r${i}`)));
    assert.equal(slots.count, 2);
    for (const name of ["l1", "l2"]) assert.ok(slots.take(local(name)));
    for (let i = 10; i < 20; i++) assert.ok(slots.take(remote(`${i}`, `r${i}`)));
    assert.equal(slots.count, 4);
    assert.ok(evicted.every((name) => name.startsWith("r")));
    assert.ok(slots.take(local("l3")));
    assert.equal(slots.count, 4);
  });

  test("this machine may be free of the share of an address", () => {
    const { slots, evicted } = make({ maxPerAddress: 1, isLocalExempt: true });
    for (const name of ["l1", "l2", "l3", "l4"]) assert.ok(slots.take(local(name)));
    assert.deepEqual(evicted, []);
    assert.ok(slots.take(local("l5")));
    assert.deepEqual(evicted, ["l1"]);
  });

  test("what is given back twice, or was never taken, counts nothing", () => {
    const { slots } = make({ max: 1 });
    const holder = remote("a", "a1");
    slots.give(holder);
    assert.ok(slots.take(holder));
    slots.give(holder);
    slots.give(holder);
    assert.equal(slots.count, 0);
  });

  test("never holds more than it may, whatever comes and goes, and always has room for this machine", () => {
    const step = fc.record({ address: fc.integer({ min: 0, max: 4 }), leaves: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const held = new Set<Holder>();
        const slots: Slots<Holder> = new Slots({
          max: 6,
          maxPerAddress: 3,
          isLocalExempt: true,
          reserve: 2,
          mayGiveWay: () => true,
          onEvicted: (holder) => held.delete(holder),
        });
        for (const { address, leaves } of steps) {
          const holder = address === 0 ? local("l") : remote(`${address}`, "r");
          assert.ok(slots.take(holder));
          held.add(holder);
          const leaver = [...held][leaves];
          if (leaver !== undefined) {
            slots.give(leaver);
            held.delete(leaver);
          }
          assert.equal(slots.count, held.size);
          const remotes = [...held].filter(({ isLocal }) => !isLocal);
          assert.ok(held.size <= 6 && remotes.length <= 4);
          for (const { share } of remotes) assert.ok(remotes.filter((other) => other.share === share).length <= 3);
        }
      }),
    );
  });
});
