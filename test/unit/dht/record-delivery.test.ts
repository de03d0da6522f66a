// Who is asked to keep a record, and who is to pass it on. The peers are functions: what they answer is what is tested here.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Contact } from "../../../src/dht/contact.ts";
import { RecordDelivery } from "../../../src/dht/record-delivery.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { compareDistance } from "../../../src/identity/node-id.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const patienceMs = 300;
const { signal } = new AbortController();

/** What a peer does with the record; those for whom it answers keep it. Undefined: it never answers. */
type Peer = (forwardTo: readonly Contact[]) => readonly Contact[] | Error | undefined;
const honest: Peer = (forwardTo) => forwardTo;

interface Asked {
  readonly contact: Contact;
  readonly forwardTo: readonly Contact[];
}

/** So many contacts, the closest to a target first, of whom some are connected, and a delivery to them. */
function rig(count: number, connected: readonly number[], peer: (index: number) => Peer = () => honest) {
  const target = generateKeyPair().id.bytes;
  const contacts = Array.from({ length: count }, (_, port): Contact => {
    return { id: generateKeyPair().id, addresses: [{ host: "127.0.0.1", port: port + 1 }] };
  }).sort((a, b) => compareDistance(target, a.id.bytes, b.id.bytes));
  const clock = new VirtualClock(1);
  const asked: Asked[] = [];
  const delivery = new RecordDelivery({
    target,
    clock,
    patienceMs: () => patienceMs,
    isDirect: (contact) => connected.includes(contacts.indexOf(contact)),
    store: (contact, forwardTo) => {
      asked.push({ contact, forwardTo });
      const answer = peer(contacts.indexOf(contact))(forwardTo);
      if (answer === undefined) return new Promise(() => {});
      if (answer instanceof Error) return Promise.reject(answer);
      return Promise.resolve(new Set(answer.map(({ id }) => id.toString())));
    },
  });
  return {
    clock,
    asked,
    delivery,
    contacts,
    toAll: () => Promise.allSettled(contacts.map((contact) => delivery.deliver(contact, signal))),
    indexes: (those: readonly Contact[]) => those.map((contact) => contacts.indexOf(contact)),
  };
}

const twenty = Array.from({ length: 20 }, (_, i) => i);

test("who is connected is asked, and passes the record on to all others, each to four at most", async () => {
  const connected = [2, 5, 6, 11, 17];
  const { toAll, asked, contacts, indexes, delivery } = rig(20, connected);
  assert.ok((await toAll()).every(({ status }) => status === "fulfilled"));
  assert.deepEqual(indexes(asked.map(({ contact }) => contact)), connected);
  const others = twenty.filter((i) => !connected.includes(i));
  assert.deepEqual(indexes(asked.flatMap(({ forwardTo }) => forwardTo)).toSorted(byNumber), others);
  for (const { forwardTo } of asked) assert.ok(forwardTo.length <= 4);
  assert.deepEqual(indexes(contacts.filter((contact) => delivery.isHearsay(contact))), others);
});

test("each is named to the closest to it of those that have room for one more", async () => {
  const { toAll, asked } = rig(7, [0, 1, 2, 3]);
  await toAll();
  const direct = asked.map(({ contact }) => contact);
  for (const { contact, forwardTo } of asked) {
    for (const { id } of forwardTo) {
      for (const other of direct) assert.ok(compareDistance(id.bytes, contact.id.bytes, other.id.bytes) <= 0);
    }
  }
});

test("where few are connected, the closest others are asked as well, so that four are in any case", async () => {
  const { toAll, asked, indexes } = rig(20, [19]);
  await toAll();
  assert.deepEqual(indexes(asked.map(({ contact }) => contact)).toSorted(byNumber), [0, 1, 2, 19]);
  assert.equal(asked.flatMap(({ forwardTo }) => forwardTo).length, 16);
});

test("without room for all, as few more as can pass it on to the rest are asked directly", async () => {
  const { toAll, asked } = rig(30, [0, 1, 2, 3]);
  await toAll();
  assert.equal(asked.length, 4 + 2);
  assert.equal(asked.flatMap(({ forwardTo }) => forwardTo).length, 16 + 8);
});

test("who does not keep it by the word of another is asked directly, and answers for himself", async () => {
  const refusal = new Error("no room");
  const { toAll, asked, contacts, delivery } = rig(10, [0, 1, 2, 3, 4], (index) => {
    if (index === 7) return () => refusal;
    return (forwardTo) => forwardTo.filter((contact) => contacts.indexOf(contact) !== 7);
  });
  const outcomes = await toAll();
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason : undefined)),
    Array.from({ length: 10 }, (_, i) => (i === 7 ? refusal : undefined)),
  );
  assert.deepEqual(asked.at(-1), { contact: contacts[7], forwardTo: [] });
  const seventh = contacts[7];
  assert.ok(seventh !== undefined && !delivery.isHearsay(seventh));
});

test("the others are asked directly when who was to pass it on refuses, or says nothing in time", async () => {
  for (const answer of [new Error("no room"), undefined]) {
    const { toAll, asked, clock, contacts, indexes } = rig(8, [0, 1, 2, 3], (index) => {
      return index < 4 ? () => answer : honest;
    });
    const outcomes = toAll();
    await clock.advance(patienceMs);
    const others = asked.filter(({ forwardTo }) => forwardTo.length === 0).map(({ contact }) => contact);
    assert.deepEqual(
      new Set([...indexes(others), 0, 1, 2, 3]),
      new Set(contacts.keys()),
      "all of the others are asked",
    );
    if (answer !== undefined) {
      const rejected = (await outcomes).flatMap(({ status }, i) => (status === "rejected" ? [i] : []));
      assert.deepEqual(rejected, [0, 1, 2, 3]);
    }
  }
});

test("who is named later goes the direct way, or by those named with him", async () => {
  const { delivery, contacts, asked } = rig(3, [0]);
  const [first, second, third] = contacts;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  await delivery.deliver(first, signal);
  await Promise.all([delivery.deliver(second, signal), delivery.deliver(third, signal)]);
  assert.deepEqual(
    asked.map(({ forwardTo }) => forwardTo.length),
    [0, 0, 0],
  );
});

function byNumber(a: number, b: number): number {
  return a - b;
}
