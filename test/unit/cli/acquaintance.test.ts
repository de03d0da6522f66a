// Noticing that all know all.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Acquaintance } from "../../../src/cli/acquaintance.ts";
import type { NodeEvent } from "../../../src/cli/events.ts";

function listening(id: string): NodeEvent {
  return { event: "listening", id, port: 1, url: "https://localhost:1", address: "" };
}
function peer(id: string, other: string): NodeEvent {
  return { event: "peer", id, peer: other, address: null };
}
function lost(id: string, other: string): NodeEvent {
  return { event: "peer_lost", id, peer: other, reason: "expired" };
}

test("says once that all know all, with the event that makes it so", () => {
  const acquaintance = new Acquaintance(2);
  const events = [listening("a"), peer("a", "x"), listening("b"), peer("a", "b"), peer("a", "b"), peer("b", "a")];
  assert.deepEqual(
    events.map((event) => acquaintance.note(event)),
    [false, false, false, false, false, true],
  );
  assert.equal(acquaintance.note(peer("b", "a")), false);
});

test("counts peers that were known before they listened", () => {
  const acquaintance = new Acquaintance(2);
  const results = [listening("a"), peer("a", "b"), listening("b"), peer("b", "a")].map((e) => acquaintance.note(e));
  assert.deepEqual(results, [false, false, false, true]);
});

test("a peer that is lost must be found again", () => {
  const acquaintance = new Acquaintance(2);
  for (const event of [listening("a"), listening("b"), peer("a", "b"), lost("a", "b"), peer("b", "a")]) {
    assert.equal(acquaintance.note(event), false);
  }
  assert.equal(acquaintance.note(peer("a", "b")), true);
});

test("does not wait for a node that is gone", () => {
  const acquaintance = new Acquaintance(3);
  for (const id of ["a", "b", "c"]) acquaintance.note(listening(id));
  for (const [id, other] of [
    ["a", "b"],
    ["b", "a"],
    ["a", "c"],
  ] as const) {
    assert.equal(acquaintance.note(peer(id, other)), false);
  }
  assert.equal(acquaintance.drop("c"), true);
  assert.equal(acquaintance.drop("b"), false);
});

test("one node alone knows nobody, and nothing is said", () => {
  const acquaintance = new Acquaintance(1);
  assert.equal(acquaintance.note(listening("a")), false);
  assert.equal(acquaintance.note(peer("a", "x")), false);
});

test("in any order of events it is said exactly at the last that is needed", () => {
  const ids = ["a", "b", "c", "d"];
  const pairs = ids.flatMap((a) => ids.filter((b) => b !== a).map((b) => peer(a, b)));
  fc.assert(
    fc.property(fc.shuffledSubarray(pairs, { minLength: pairs.length }), (shuffled) => {
      const acquaintance = new Acquaintance(ids.length);
      for (const id of ids) acquaintance.note(listening(id));
      const said = shuffled.map((event) => acquaintance.note(event));
      assert.equal(said.indexOf(true), shuffled.length - 1);
    }),
  );
});

test("waits for a node that is added, and for none that has not come up", () => {
  const acquaintance = new Acquaintance(2);
  for (const event of [listening("a"), listening("b"), peer("a", "b")]) acquaintance.note(event);
  acquaintance.expect(1);
  assert.equal(acquaintance.note(peer("b", "a")), false);
  assert.equal(acquaintance.note(listening("c")), false);
  for (const [id, other] of [
    ["a", "c"],
    ["b", "c"],
    ["c", "a"],
  ] as const) {
    assert.equal(acquaintance.note(peer(id, other)), false);
  }
  acquaintance.expect(1);
  acquaintance.expect(-1);
  assert.equal(acquaintance.note(peer("c", "b")), true);
});

test("a node that is stopped makes room for one that is added", () => {
  const acquaintance = new Acquaintance(3);
  for (const id of ["a", "b", "c"]) acquaintance.note(listening(id));
  assert.equal(acquaintance.drop("c"), false);
  acquaintance.expect(1);
  assert.equal(acquaintance.note(peer("a", "b")), false);
  assert.equal(acquaintance.note(peer("b", "a")), false);
  acquaintance.note(listening("d"));
  for (const [id, other] of [
    ["a", "d"],
    ["b", "d"],
    ["d", "a"],
  ] as const) {
    assert.equal(acquaintance.note(peer(id, other)), false);
  }
  assert.equal(acquaintance.note(peer("d", "b")), true);
});
