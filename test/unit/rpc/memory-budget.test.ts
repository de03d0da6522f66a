// The budget alone: sums, shares at their edges, and who gives way when it is full.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { type ConnectionMemory, MemoryBudget, type MemoryLimits } from "../../../src/rpc/memory-budget.ts";
import type { DswarmError } from "../../../src/util/errors.ts";

const limits: MemoryLimits = { maxHeldBytes: 1000, maxHeldBytesPerAddress: 500, maxHeldBytesPerConnection: 300 };

/** A connection that ends when it is told to. */
class Holder {
  readonly memory: ConnectionMemory;
  ended: DswarmError | undefined;
  handlersRunOn = false;
  /** What is found to be unsent when it is measured. */
  unsent: number | undefined;

  constructor(budget: MemoryBudget, address: string) {
    this.memory = budget.open(address, this);
  }

  measureMemory(): void {
    if (this.unsent !== undefined) this.memory.setUnsent(this.unsent);
  }

  abort(reason: DswarmError): void {
    this.ended = reason;
    if (!this.handlersRunOn) this.memory.release(this.memory.receivedBytes);
    this.memory.close();
  }
}

/** Lets the budget enforce itself. */
function settle(): Promise<void> {
  return new Promise((go) => {
    setImmediate(go);
  });
}

suite("the memory budget", () => {
  test("is over a connection's share at its edge, and over an address' share for all connections from there", () => {
    const budget = new MemoryBudget(limits);
    const [one, two, other] = ["a", "a", "b"].map((address) => new Holder(budget, address).memory);
    assert.ok(one && two && other);
    one.hold(299);
    assert.equal(one.isOverShare, false);
    one.hold(1);
    assert.deepEqual([one.isOverShare, two.isOverShare], [true, false]);
    two.hold(199);
    assert.equal(two.isOverShare, false);
    two.hold(1);
    assert.deepEqual([two.isOverShare, other.isOverShare], [true, false]);
    two.release(1);
    assert.equal(two.isOverShare, false);
    one.release(1);
    assert.equal(one.isOverShare, false);
  });

  test("holds calls back from a third of a connection's share on that is unsent, and refuses none for it", () => {
    const { memory } = new Holder(new MemoryBudget(limits), "a");
    memory.setUnsent(99);
    assert.equal(memory.isUnsentFull, false);
    memory.setUnsent(100);
    assert.deepEqual([memory.isUnsentFull, memory.isOverShare], [true, false]);
    memory.setUnsent(900);
    assert.equal(memory.isOverShare, false);
  });

  test("is tight from half of it on, with what this program has not read", () => {
    const budget = new MemoryBudget(limits);
    const { memory } = new Holder(budget, "a");
    memory.addUnread(300);
    memory.hold(199);
    assert.equal(budget.isTight, false);
    memory.hold(1);
    assert.equal(budget.isTight, true);
    assert.equal(budget.isUnreadFull, false);
    memory.addUnread(949);
    assert.equal(budget.isUnreadFull, false);
    // A quarter more than the limit of what peers make the node hold.
    memory.addUnread(1);
    assert.equal(budget.isUnreadFull, true);
  });

  test("ends nothing at its limit, and above it the connection that holds most, until it is within it", async () => {
    const budget = new MemoryBudget(limits);
    const holders = ["a", "a", "b", "b"].map((address) => new Holder(budget, address));
    const [a1, a2, b1, b2] = holders;
    assert.ok(a1 && a2 && b1 && b2);
    a1.memory.hold(300);
    a2.memory.hold(250);
    b1.memory.hold(350);
    b2.memory.setUnsent(100);
    await settle();
    assert.equal(budget.heldBytes, 1000);
    assert.deepEqual(
      holders.filter(({ ended }) => ended !== undefined),
      [],
    );
    b2.memory.setUnsent(101);
    await settle();
    // The address that holds most pays, not the connection that does.
    assert.deepEqual(
      holders.map(({ ended }) => ended?.code),
      ["memory_exhausted", undefined, undefined, undefined],
    );
    assert.equal(budget.heldBytes, 701);
    b1.memory.hold(900);
    await settle();
    assert.deepEqual(
      holders.map(({ ended }) => ended?.code),
      ["memory_exhausted", undefined, "memory_exhausted", undefined],
    );
    assert.equal(budget.heldBytes, 351);
  });

  test("ends nobody for what the sockets have taken meanwhile", async () => {
    const budget = new MemoryBudget(limits);
    const holder = new Holder(budget, "a");
    holder.unsent = 10;
    holder.memory.setUnsent(2000);
    await settle();
    assert.equal(holder.ended, undefined);
    assert.equal(budget.heldBytes, 10);
  });

  test("ends nobody for what this program has not read", async () => {
    const budget = new MemoryBudget(limits);
    const holder = new Holder(budget, "a");
    holder.memory.addUnread(5000);
    await settle();
    assert.equal(holder.ended, undefined);
    holder.memory.close();
    assert.equal(budget.unreadBytes, 0);
  });

  test("refuses calls, and spares the other connections, where handlers hold what there is and run on", async () => {
    const budget = new MemoryBudget(limits);
    const holders = ["a", "b", "c"].map((address) => new Holder(budget, address));
    const [slow, large, small] = holders;
    assert.ok(slow && large && small);
    slow.handlersRunOn = true;
    slow.memory.hold(800);
    large.memory.hold(290);
    small.memory.hold(210);
    await settle();
    // What is left of open connections is no more than half.
    assert.deepEqual(
      holders.map(({ ended }) => ended?.code),
      ["memory_exhausted", undefined, undefined],
    );
    assert.equal(budget.heldBytes, 1300);
    assert.equal(small.memory.isOverShare, true);
    small.memory.hold(1);
    await settle();
    assert.deepEqual(
      holders.map(({ ended }) => ended?.code),
      ["memory_exhausted", "memory_exhausted", undefined],
    );
    slow.memory.release(800);
    assert.equal(small.memory.isOverShare, false);
    assert.equal(budget.heldBytes, 211);
  });

  test("counts what handlers hold after the end of their connection, and takes nobody else's connection for that", async () => {
    const budget = new MemoryBudget(limits);
    const [gone, other] = [new Holder(budget, "a"), new Holder(budget, "a")];
    gone.memory.hold(480);
    gone.memory.setBuffered(20);
    gone.memory.close();
    assert.equal(budget.heldBytes, 480);
    other.memory.hold(20);
    assert.equal(other.memory.isOverShare, true, "who leaves and comes back has not more for it");
    gone.memory.setBuffered(20);
    gone.memory.setUnsent(20);
    gone.memory.addUnread(20);
    assert.equal(budget.heldBytes, 500);
    gone.memory.release(480);
    assert.equal(other.memory.isOverShare, false);
    other.memory.close();
    other.memory.release(20);
    assert.deepEqual([budget.heldBytes, budget.unreadBytes], [0, 0]);
    await settle();
  });

  test("is the sum of its parts, whatever comes and goes", async () => {
    const bytes = fc.nat(400);
    const action = fc.record({
      at: fc.nat(9),
      kind: fc.constantFrom("hold", "message", "release", "buffered", "unsent", "unread", "close", "wait" as const),
      bytes,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 200, size: "max" }), async (actions) => {
        const budget = new MemoryBudget(limits);
        const holders = Array.from({ length: 10 }, (_, i) => new Holder(budget, `a${i % 3}`));
        const held = new Map<Holder, number[]>(holders.map((holder) => [holder, []]));
        const isOpen = new Set(holders.map(({ memory }) => memory));
        const sum = (of: (memory: ConnectionMemory) => number): number =>
          holders.reduce((total, one) => total + of(one.memory), 0);
        for (const { at, kind, bytes: n } of actions) {
          const holder = holders[at];
          assert.ok(holder);
          const { memory } = holder;
          // Every other one has handlers that run on.
          holder.handlersRunOn = at % 2 === 0;
          if (kind === "hold") {
            memory.hold(n);
            held.get(holder)?.push(n);
          } else if (kind === "message") {
            memory.holdMessage(n);
            memory.holdMessage(-n);
          } else if (kind === "release") {
            memory.release(holder.ended === undefined || holder.handlersRunOn ? (held.get(holder)?.pop() ?? 0) : 0);
          } else if (kind === "buffered") memory.setBuffered(n);
          else if (kind === "unsent") memory.setUnsent(n);
          else if (kind === "unread") memory.addUnread(n);
          else if (kind === "close") {
            memory.close();
            isOpen.delete(memory);
          } else {
            await settle();
            for (const one of holders) if (one.ended !== undefined) isOpen.delete(one.memory);
            const open = sum((one) => (isOpen.has(one) ? one.heldBytes : 0));
            assert.ok(budget.heldBytes <= limits.maxHeldBytes || open <= limits.maxHeldBytes / 2);
          }
          for (const one of holders) if (one.ended !== undefined) isOpen.delete(one.memory);
          assert.equal(
            budget.heldBytes,
            sum((one) => one.heldBytes),
          );
          assert.equal(
            budget.unreadBytes,
            sum((one) => one.unreadBytes),
          );
          assert.equal(
            sum((one) => one.messageBytes),
            0,
          );
        }
        for (const holder of holders) {
          holder.memory.close();
          holder.memory.release(holder.memory.receivedBytes);
        }
        assert.deepEqual([budget.heldBytes, budget.unreadBytes], [0, 0]);
      }),
      { numRuns: 200 },
    );
  });
});
