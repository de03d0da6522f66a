// Contacts that were heard of, and which of them are pinged when.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Candidates, type CandidatesInit } from "../../../src/dht/candidates.ts";
import type { Contact } from "../../../src/dht/contact.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { compareDistance, type NodeId } from "../../../src/identity/node-id.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const farLimit = 4;

/** Candidates of a node, whose pings end when the test says so. */
function rig({
  inTurn = (_: Contact, work) => work(),
  ...others
}: Partial<Pick<CandidatesInit, "inTurn" | "isReached" | "readiness">> = {}) {
  const self = generateKeyPair().id;
  const asked: Contact[] = [];
  const unwanted = new Set<NodeId>();
  const pending: ((answers: boolean) => void)[] = [];
  const clock = new VirtualClock(1);
  const candidates = new Candidates({
    self,
    clock,
    isWanted: ({ id }) => !unwanted.has(id),
    inTurn,
    ...others,
    ping(contact) {
      asked.push(contact);
      const { promise, resolve } = Promise.withResolvers<boolean>();
      pending.push(resolve);
      return promise;
    },
  });
  /** Ends the ping that began first. */
  const answer = async (answers = true): Promise<void> => {
    pending.shift()?.(answers);
    await new Promise(setImmediate);
  };
  return { self, clock, asked, unwanted, pending, candidates, answer };
}

function strangers(count: number): Contact[] {
  return Array.from({ length: count }, () => ({
    id: generateKeyPair().id,
    addresses: [{ host: "127.0.0.1", port: 4000 }],
  }));
}

describe("Candidates", () => {
  test("pings three at once, however many are offered, and each once", async () => {
    const { asked, pending, candidates, answer } = rig();
    const offered = strangers(40);
    for (const contact of [...offered, ...offered]) candidates.offer(contact, farLimit);
    while (pending.length > 0) {
      assert.equal(pending.length, Math.min(3, offered.length - asked.length + pending.length));
      await answer();
    }
    assert.equal(asked.length, offered.length);
    assert.equal(new Set(asked).size, offered.length);
  });

  test("pings one at once after one that does not answer, and three again when others do", async () => {
    const { asked, pending, candidates, answer } = rig();
    for (const contact of strangers(10)) candidates.offer(contact, farLimit);
    await answer(false);
    assert.equal(pending.length, 2);
    await answer(false);
    await answer(false);
    assert.equal(pending.length, 1);
    await answer();
    assert.equal(pending.length, 2);
    await answer();
    assert.equal(pending.length, 3);
    while (pending.length > 0) await answer();
    assert.equal(asked.length, 10);
  });

  test("asks who does not answer four times more, with growing pauses, unless it is not wanted any more", async () => {
    const { asked, clock, unwanted, pending, candidates, answer } = rig();
    const [silent, entered] = strangers(2);
    assert.ok(silent !== undefined && entered !== undefined);
    candidates.offer(silent, farLimit);
    candidates.offer(entered, farLimit);
    await answer(false);
    await answer(false);
    unwanted.add(entered.id);
    for (const pauseMs of [2000, 4000, 8000, 16_000]) {
      await clock.advance(pauseMs * 0.5 - 1);
      assert.equal(pending.length, 0);
      await clock.advance(pauseMs + 2);
      assert.equal(pending.length, 1);
      await answer(false);
    }
    await clock.advance(1_000_000);
    assert.equal(pending.length, 0);
    assert.deepEqual(
      asked.map(({ id }) => id === silent.id),
      [true, false, true, true, true, true],
    );
  });

  test("news of one that is to be asked again later has it asked now, and once", async () => {
    const { asked, clock, pending, candidates, answer } = rig();
    const [contact] = strangers(1);
    assert.ok(contact !== undefined);
    candidates.offer(contact, farLimit);
    await answer(false);
    candidates.offer(contact, farLimit);
    assert.equal(pending.length, 1);
    await answer();
    await clock.advance(1_000_000);
    assert.equal(asked.length, 2);
  });

  test("does not ping one for which others have left no place until its turn comes", async () => {
    const turns: (() => void)[] = [];
    const { asked, unwanted, pending, candidates, answer } = rig({
      async inTurn(_, work) {
        await new Promise<void>((come) => turns.push(come));
        return work();
      },
    });
    const [kept, dropped, next] = strangers(3);
    assert.ok(kept !== undefined && dropped !== undefined && next !== undefined);
    for (const contact of [kept, dropped, next]) candidates.offer(contact, farLimit);
    unwanted.add(dropped.id);
    while (turns.length > 0 || pending.length > 0) {
      turns.shift()?.();
      await new Promise(setImmediate);
      await answer();
    }
    assert.deepEqual(asked, [kept, next]);
  });

  test("takes the closest first of those that it is the first to ping", async () => {
    const { self, asked, candidates, answer, pending } = rig();
    // All places are taken, so that the others are waiting and there is a choice.
    for (const contact of strangers(3)) candidates.offer(contact, farLimit);
    for (const contact of strangers(30)) candidates.offer(contact, farLimit);
    while (pending.length > 0) await answer();
    const ordered = asked.slice(3).map(({ id }) => id);
    const descents = ordered.filter((id, i) => {
      const before = ordered[i - 1];
      return before !== undefined && compareDistance(self.bytes, before.bytes, id.bytes) > 0;
    });
    // Two runs, each from the closest to the farthest: those that it pings first, then those that are to ping it first.
    assert.ok(descents.length <= 1, `${descents.length} steps back`);
  });

  test("what is not wanted any more when its turn comes is not pinged", async () => {
    const { asked, unwanted, candidates, answer, pending } = rig();
    const offered = strangers(10);
    for (const contact of offered) candidates.offer(contact, farLimit);
    for (const { id } of offered) unwanted.add(id);
    while (pending.length > 0) await answer();
    assert.equal(asked.length, 3);
  });

  test("settles when the last has been pinged, and pings nobody once closed", async () => {
    const { asked, clock, candidates, answer, pending } = rig();
    for (const contact of strangers(5)) candidates.offer(contact, farLimit);
    let isSettled = false;
    const settled = candidates.settled().then(() => (isSettled = true));
    while (pending.length > 0) {
      assert.equal(isSettled, false);
      await answer();
    }
    await settled;
    const [late] = strangers(1);
    assert.ok(late !== undefined);
    candidates.offer(late, farLimit);
    await answer(false);
    candidates.close();
    for (const contact of strangers(5)) candidates.offer(contact, farLimit);
    await clock.advance(1_000_000);
    assert.equal(asked.length, 6);
  });

  test("a contact that is connected never waits behind claims that are not answered", async () => {
    const reached = strangers(1);
    const { asked, candidates, answer } = rig({ isReached: (contact) => reached.includes(contact) });
    for (const contact of strangers(40)) candidates.offer(contact, farLimit, "192.0.2.1 9");
    await answer(false);
    const before = asked.length;
    for (const contact of reached) candidates.offer(contact, farLimit, "called");
    assert.deepEqual(asked.slice(before), reached);
  });

  test("a source whose contacts do not answer takes no places from others", async () => {
    const { asked, candidates, answer } = rig();
    for (const contact of strangers(40)) candidates.offer(contact, farLimit, "192.0.2.1 9");
    await answer(false);
    await answer(false);
    await answer(false);
    const before = asked.length;
    const honest = strangers(2);
    for (const contact of honest) candidates.offer(contact, farLimit, "192.0.2.2 9");
    assert.deepEqual(asked.slice(before), honest);
  });

  test("a source is drawn soon, though a hundred others have contacts that never answer", async () => {
    const { asked, candidates, answer } = rig();
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 100; i++)
        for (const contact of strangers(1)) candidates.offer(contact, farLimit, `liar ${i}`);
      for (let i = 0; i < 100; i++) await answer(false);
    }
    for (let i = 0; i < 100; i++) for (const contact of strangers(2)) candidates.offer(contact, farLimit, `liar ${i}`);
    const before = asked.length;
    const [honest] = strangers(1);
    assert.ok(honest !== undefined);
    candidates.offer(honest, farLimit, "honest");
    for (let i = 0; i < 20 && !asked.includes(honest); i++) await answer(false);
    assert.ok(asked.includes(honest), `not among ${asked.length - before}`);
  });

  test("a ping that takes long gives its place to another, 32 at most", async () => {
    const { asked, clock, pending, candidates } = rig();
    for (const contact of strangers(100)) candidates.offer(contact, farLimit);
    await clock.advance(499);
    assert.equal(asked.length, 3);
    await clock.advance(1);
    assert.equal(asked.length, 6);
    await clock.advance(100_000);
    assert.equal(pending.length, 32);
  });

  test("what the limits do not allow waits, is not taken for silent, and keeps no other source waiting", async () => {
    const limited = strangers(10);
    let isOver = false;
    const { asked, clock, candidates, answer } = rig({
      readiness: (contact) => (limited.includes(contact) && !isOver ? "soon" : "now"),
    });
    for (const contact of limited) candidates.offer(contact, farLimit, "192.0.2.1 9");
    assert.equal(asked.length, 0);
    const others = strangers(2);
    for (const contact of others) candidates.offer(contact, farLimit, "192.0.2.2 9");
    await clock.advance(50);
    assert.equal(asked.length, 2);
    isOver = true;
    await clock.advance(50);
    assert.equal(asked.length, 3);
    while (asked.length < 12) await answer();
    assert.equal(new Set(asked).size, 12);
  });

  test("settles though others are offered all the while", async () => {
    const { candidates, answer } = rig();
    for (const contact of strangers(2)) candidates.offer(contact, farLimit);
    let isSettled = false;
    void candidates.settled().then(() => (isSettled = true));
    for (const contact of strangers(50)) candidates.offer(contact, farLimit);
    await answer();
    assert.equal(isSettled, false);
    await answer();
    assert.equal(isSettled, true);
  });
});
