import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { compareDistance, type NodeId } from "../../../src/identity/node-id.ts";
import { PeerBook } from "../../../src/node/peers.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const self = generateKeyPair().id;
const ids = Array.from({ length: 12 }, () => generateKeyPair().id);
const [a, b, c] = ids as [NodeId, NodeId, NodeId];
const at = (port: number) => ({ host: "127.0.0.1", port });

function newBook(maxPeers = 100): { readonly book: PeerBook; readonly clock: VirtualClock } {
  const clock = new VirtualClock();
  return { book: new PeerBook(self, clock, maxPeers), clock };
}

function ports(book: PeerBook, id: NodeId): number[] | undefined {
  return book.get(id)?.addresses.map(({ port }) => port);
}

test("a peer is new once", () => {
  const { book } = newBook();
  assert.equal(book.announced(a, [at(1)]), true);
  assert.equal(book.announced(a, [at(2)]), false);
  assert.equal(book.connected(a, undefined), false);
  assert.equal(book.named(b, at(1)), true);
  assert.equal(book.connected(c, undefined), true);
  assert.equal(book.size, 3);
  assert.deepEqual(
    [a, b, c].map((id) => book.get(id)?.origin),
    ["announce", "bootstrap", "inbound"],
  );
});

test("the node itself is never a peer", () => {
  const { book } = newBook();
  assert.equal(book.announced(self, [at(1)]), false);
  assert.equal(book.named(self, at(1)), false);
  assert.equal(book.connected(self, at(1)), false);
  assert.equal(book.size, 0);
});

test("a peer is known as long as it announces itself, is connected, or is named", () => {
  const { book } = newBook();
  book.announced(a, [at(1)]);
  book.connected(a, undefined);
  assert.equal(book.unannounced(a, false), false);
  assert.equal(book.disconnected(a), true);
  assert.equal(book.get(a), undefined);

  book.connected(b, undefined);
  book.announced(b, [at(1)]);
  assert.equal(book.disconnected(b), false);
  assert.equal(book.unannounced(b, false), true);

  book.named(c, at(1));
  book.announced(c, [at(2)]);
  book.connected(c, undefined);
  assert.equal(book.disconnected(c), false);
  assert.equal(book.unannounced(c, true), false);
  assert.deepEqual(ports(book, c), [1]);
});

test("a peer that took leave is forgotten though it is still connected", () => {
  const { book } = newBook();
  book.announced(a, [at(1)]);
  book.connected(a, undefined);
  assert.equal(book.unannounced(a, true), true);
  assert.equal(book.disconnected(a), false);
  assert.equal(book.connected(a, undefined), true);
});

test("what is said of strangers changes nothing", () => {
  const { book } = newBook();
  assert.equal(book.unannounced(a, true), false);
  assert.equal(book.disconnected(a), false);
  book.heard(a, 1);
  assert.equal(book.size, 0);
});

test("the address that a handshake has proven comes first, and a candidate never replaces it", () => {
  const { book } = newBook();
  book.announced(a, [at(1), at(2)]);
  assert.equal(book.get(a)?.verified, false);
  book.connected(a, at(2));
  assert.equal(book.get(a)?.verified, true);
  assert.deepEqual(ports(book, a), [2, 1]);
  book.announced(a, [at(3)]);
  assert.deepEqual(ports(book, a), [2, 3]);
  book.named(a, at(4));
  assert.deepEqual(ports(book, a), [2, 4, 3]);
  // It dialed us: from which port says nothing.
  book.connected(a, undefined);
  assert.deepEqual(ports(book, a), [2, 4, 3]);
  book.connected(a, at(3));
  assert.deepEqual(ports(book, a), [3, 4]);
});

test("a peer has few addresses, the newest named ones before those it announces", () => {
  const { book } = newBook();
  const announced = [11, 12, 13, 14, 15, 16, 17].map(at);
  book.announced(a, announced);
  for (const port of [1, 2, 3, 2]) book.named(a, at(port));
  book.connected(a, at(9));
  assert.deepEqual(ports(book, a), [9, 2, 3, 11, 12, 13, 14, 15]);
});

test("strangers that announce themselves are refused past maxPeers until others are gone", () => {
  const { book } = newBook(2);
  assert.equal(book.announced(a, [at(1)]), true);
  assert.equal(book.announced(b, [at(1)]), true);
  assert.equal(book.announced(c, [at(1)]), false);
  assert.equal(book.get(c), undefined);
  // Those that are known are still heard.
  book.announced(a, [at(2)]);
  assert.deepEqual(ports(book, a), [2]);
  book.unannounced(a, false);
  assert.equal(book.announced(c, [at(1)]), true);
});

test("peers that connect, or are named, take no room from those that announce themselves", () => {
  const { book } = newBook(2);
  for (const id of ids.slice(4)) book.connected(id, undefined);
  book.named(c, at(1));
  assert.equal(book.announced(a, [at(1)]), true);
  assert.equal(book.announced(b, [at(1)]), true);
  assert.equal(book.size, ids.length - 4 + 3);
});

test("of peers known by name alone, the one named longest ago makes room past maxPeers", () => {
  const { book } = newBook(2);
  book.named(a, at(1));
  book.named(b, at(1));
  book.named(a, at(2));
  book.named(c, at(1));
  assert.equal(book.get(b), undefined);
  assert.ok(book.get(a) && book.get(c));
  // A connection keeps one known; without it, it counts again.
  book.connected(a, at(2));
  for (const id of ids.slice(4)) book.named(id, at(1));
  assert.equal(book.size, 3);
  assert.ok(book.get(a));
  book.disconnected(a);
  assert.equal(book.size, 2);
  assert.ok(book.get(a));
});

test("announces, handshakes and pings are signs of life, a name is none", async () => {
  const { book, clock } = newBook();
  const lastHeardAt = (): number | undefined => book.get(a)?.lastHeardAt;
  book.named(a, at(1));
  assert.equal(lastHeardAt(), 0);
  await clock.advance(10);
  book.named(a, at(2));
  assert.equal(lastHeardAt(), 0);
  book.announced(a, [at(1)]);
  assert.equal(lastHeardAt(), 10);
  await clock.advance(10);
  book.connected(a, undefined);
  assert.equal(lastHeardAt(), 20);
  await clock.advance(10);
  book.heard(a, 1.5);
  assert.equal(lastHeardAt(), 30);
  assert.equal(book.get(a)?.rttMs, 1.5);
});

test("closest gives the peers by their XOR distance to the node, or to a key", () => {
  const { book } = newBook();
  for (const id of ids) book.announced(id, [at(1)]);
  for (const target of [undefined, a.bytes, generateKeyPair().id.bytes]) {
    const order = [...ids].sort((x, y) => compareDistance(target ?? self.bytes, x.bytes, y.bytes));
    assert.deepEqual(
      book.closest(target).map(({ id }) => id.toString()),
      order.map(String),
    );
    assert.deepEqual(
      book.closest(target, 3).map(({ id }) => id.toString()),
      order.slice(0, 3).map(String),
    );
  }
  assert.deepEqual(book.closest(a.bytes, 0), []);
});

test("whatever happens, a peer is known while something holds it, and the bounds hold", () => {
  const maxPeers = 3;
  const step = fc.record({
    who: fc.integer({ min: 0, max: ids.length - 1 }),
    what: fc.constantFrom("announced", "unannounced", "left", "connected", "disconnected", "named"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { book } = newBook(maxPeers);
      const announced = new Set<NodeId>();
      const connected = new Set<NodeId>();
      const named = new Set<NodeId>();
      for (const { who, what } of steps) {
        const id = ids[who] ?? a;
        if (what === "announced") {
          book.announced(id, [at(1)]);
          if (announced.size < maxPeers) announced.add(id);
        } else if (what === "unannounced" || what === "left") {
          book.unannounced(id, what === "left");
          announced.delete(id);
          if (what === "left") connected.delete(id);
        } else if (what === "connected") {
          book.connected(id, undefined);
          connected.add(id);
        } else if (what === "disconnected") {
          book.disconnected(id);
          connected.delete(id);
        } else {
          book.named(id, at(1));
          named.add(id);
        }
        for (const each of ids) {
          const isHeld = announced.has(each) || connected.has(each);
          if (isHeld) assert.ok(book.get(each));
          else if (!named.has(each)) assert.equal(book.get(each), undefined);
        }
        const byNameAlone = ids.filter((each) => book.get(each) && !announced.has(each) && !connected.has(each));
        assert.ok(byNameAlone.length <= maxPeers);
      }
    }),
  );
});
