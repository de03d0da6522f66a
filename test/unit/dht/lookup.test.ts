// The lookup on networks in memory: what it finds, what it costs, and what the dead, the slow and the lying do to it.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Contact } from "../../../src/dht/contact.ts";
import type { LookupEvent } from "../../../src/dht/lookup-event.ts";
import { compareDistance, distance } from "../../../src/identity/node-id.ts";
import { answers, idsOf, LookupNetwork } from "./lookup-network.ts";

/** A network whose peers have full k-buckets, a target, and seeds of the node: some peers at random. */
function bucketNetwork(seed: number, count: number, k = 20) {
  const network = new LookupNetwork(seed, count);
  network.fillBuckets(k);
  const target = network.clock.randomBytes(32);
  const seeds = network.peers.slice(0, k).map(({ contact }) => contact);
  return { network, target, seeds };
}

/** An id that shares its first `bits` bits with the target and not the next. */
function idNear(network: LookupNetwork, target: Uint8Array, bits: number): Uint8Array {
  const id = network.clock.randomBytes(32);
  for (let bit = 0; bit <= bits; bit++) {
    const mask = 0x80 >> (bit & 7);
    const wanted = ((target[bit >> 3] ?? 0) & mask) ^ (bit === bits ? mask : 0);
    id[bit >> 3] = ((id[bit >> 3] ?? 0) & ~mask) | wanted;
  }
  return id;
}

function hostOf({ addresses }: Contact): string | undefined {
  return addresses.at(-1)?.host;
}

function repeated(contact: Contact, times: number): Contact[] {
  return Array.from({ length: times }, () => contact);
}

test("finds the k closest of a thousand peers, with few queries and hops", async () => {
  const { network, seeds } = bucketNetwork(1, 1000);
  const rpcs: number[] = [];
  for (let i = 0; i < 20; i++) {
    const target = network.clock.randomBytes(32);
    const result = await network.lookup({ target, seeds });
    assert.deepEqual(idsOf(result.closest), idsOf(network.closest(target, 20)));
    assert.equal(result.end, "complete");
    assert.equal(result.failures, 0);
    assert(result.hops >= 1 && result.hops <= 6, `${result.hops} hops`);
    rpcs.push(result.rpcs);
  }
  const mean = rpcs.reduce((sum, n) => sum + n, 0) / rpcs.length;
  assert(mean < 30, `${mean} queries of which 20 cannot be saved`);
});

test("with full tables the result is the k closest alive", async () => {
  const settings = fc.record({
    seed: fc.nat(),
    count: fc.integer({ min: 1, max: 60 }),
    k: fc.integer({ min: 1, max: 25 }),
    alpha: fc.integer({ min: 1, max: 5 }),
    disjointPaths: fc.integer({ min: 1, max: 4 }),
    dead: fc.double({ min: 0, max: 0.9, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(settings, async ({ seed, count, dead, ...options }) => {
      const network = new LookupNetwork(seed, count);
      // The last one lives.
      for (const peer of network.peers.slice(1)) {
        if (network.clock.random() < dead) peer.delayMs = Infinity;
        else if (network.clock.random() < 0.1) peer.delayMs = 350;
      }
      network.introduceAll(answers);
      const target = network.clock.randomBytes(32);
      const seeds = network.peers.map(({ contact }) => contact);
      const result = await network.lookup({ target, seeds, maxRpcs: 1000, ...options });
      assert.deepEqual(idsOf(result.closest), idsOf(network.closest(target, options.k, answers)));
      assert.equal(new Set(idsOf(network.asked)).size, network.asked.length, "nobody is asked twice");
      assert.equal(result.rpcs, network.asked.length);
      await network.untilIdle();
      assert.equal(network.pending, 0, "no query is left");
    }),
    { numRuns: 60 },
  );
});

test("no seeds make an empty result at once", async () => {
  const network = new LookupNetwork(1, 0);
  const result = await network.lookup({ target: network.clock.randomBytes(32), seeds: [] });
  assert.deepEqual(result, {
    end: "complete",
    closest: [],
    found: [],
    closestWithout: undefined,
    hops: 0,
    rpcs: 0,
    failures: 0,
    elapsedMs: 0,
  });
});

test("where nobody answers the result is empty, after the hard timeout", async () => {
  const network = new LookupNetwork(1, 0);
  const seeds = [network.newContact(), network.newContact()];
  const result = await network.lookup({ target: network.clock.randomBytes(32), seeds });
  assert.deepEqual([result.closest, result.rpcs, result.failures], [[], 2, 2]);
  assert.equal(result.elapsedMs, 4000);
  await network.untilIdle();
  assert.equal(network.aborted, 2, "queries that have timed out are aborted once the lookup has ended");
});

test("others make up for the dead, every living one of the k closest is found", async () => {
  const { network, target, seeds } = bucketNetwork(2, 500);
  for (const peer of network.peers.slice(20)) {
    const fate = network.clock.random();
    if (fate < 0.15) peer.delayMs = Infinity;
    else peer.refuses = fate < 0.3;
  }
  const failed: unknown[] = [];
  const answered: string[] = [];
  const result = await network.lookup({
    target,
    seeds,
    onFailure: (_, error) => failed.push(error),
    onAnswer: ({ id }) => answered.push(id.toHex()),
  });
  const closest = network.closest(target, 20).filter((contact) => answers(network.peer(contact)));
  assert(closest.length < 20);
  assert.deepEqual(idsOf(result.closest).slice(0, closest.length), idsOf(closest));
  assert.equal(result.closest.length, 20);
  assert.equal(failed.length, result.failures);
  assert(failed.includes(undefined), "the dead time out");
  assert(failed.some((error) => error instanceof Error && error.message === "refused"));
  assert.equal(answered.length, result.rpcs - result.failures);
});

test("a slow peer gives its place to another, and its late answer counts", async () => {
  const network = new LookupNetwork(3, 30);
  network.introduceAll();
  const target = network.clock.randomBytes(32);
  const [slow, ...others] = network.closest(target, 30);
  assert(slow !== undefined);
  const slowPeer = network.peer(slow);
  assert(slowPeer !== undefined);
  slowPeer.delayMs = 1900;
  const events: LookupEvent[] = [];
  const result = await network.lookup({
    target,
    seeds: [slow, ...others],
    alpha: 1,
    k: 5,
    onEvent: (e) => events.push(e),
  });
  assert.deepEqual(idsOf(result.closest), idsOf(network.closest(target, 5)));
  assert.equal(result.failures, 0);
  const times = events.flatMap((event) => (event.type === "slow" ? [event.elapsedMs] : []));
  assert.deepEqual(times, [1000]);
  const late = events.find((event) => event.type === "answered" && event.contact === slow);
  assert.equal(late?.elapsedMs, 1900);
  const whileSlow = events.filter(({ type, elapsedMs }) => type === "answered" && elapsedMs < 1900);
  assert.equal(whileSlow.length, 5, "k others answer meanwhile");
});

test("dead peers among the closest do not hold up the others for longer than the soft timeout", async () => {
  const network = new LookupNetwork(4, 40);
  network.introduceAll();
  const target = network.clock.randomBytes(32);
  for (const contact of network.closest(target, 3)) {
    const peer = network.peer(contact);
    if (peer !== undefined) peer.delayMs = Infinity;
  }
  const answeredAt: number[] = [];
  const onAnswer = () => void answeredAt.push(network.clock.now());
  await network.lookup({ target, seeds: network.closest(target, 3), onAnswer });
  assert.deepEqual(answeredAt, [], "nothing is learnt from the dead");
  const { softMs } = network.timeouts;
  const startedAt = network.clock.now();
  await network.lookup({ target, seeds: network.closest(target, 4), onAnswer });
  assert.equal(answeredAt.length, 17);
  assert((answeredAt[0] ?? Infinity) - startedAt <= softMs + 100);
});

test("the dead among the closest, whom others make up for, hold up the end for twice the soft timeout and no longer", async () => {
  const { network, target, seeds } = bucketNetwork(20, 300);
  for (const contact of network.closest(target, 3)) {
    const peer = network.peer(contact);
    if (peer !== undefined) peer.delayMs = Infinity;
  }
  const events: LookupEvent[] = [];
  const failed: Contact[] = [];
  const result = await network.lookup({
    target,
    seeds: seeds.filter((contact) => answers(network.peer(contact))),
    onEvent: (event) => events.push(event),
    onFailure: (contact) => failed.push(contact),
  });
  assert.deepEqual(idsOf(result.closest), idsOf(network.closest(target, 20, answers)));
  assert.equal(result.end, "complete");
  assert.equal(failed.length, result.failures);
  assert(failed.length > 0);
  const timedOut = events.flatMap((event) => (event.type === "timed-out" ? [event] : []));
  for (const { contact, rttMs } of timedOut) {
    const slow = events.find((event) => event.type === "slow" && event.contact === contact);
    assert(slow?.type === "slow" && rttMs >= 2 * slow.rttMs - 1e-6);
  }
  const last = timedOut.at(-1);
  const lastSlow = events.findLast((event) => event.type === "slow" && event.contact === last?.contact);
  assert(last !== undefined && lastSlow?.type === "slow");
  assert(last.rttMs < 3 * lastSlow.rttMs, "the hard timeout is four times the soft one");
  assert.equal(last.elapsedMs, result.elapsedMs);
  await network.untilIdle();
  assert.equal(network.pending, 0);
});

test("a peer that is told with wrong addresses is asked at those that another tells", async () => {
  for (const failure of ["refuses", "silent"] as const) {
    const network = new LookupNetwork(21, 3);
    const [liar, honest, victim] = network.peers;
    assert(liar && honest && victim);
    const wrong = { id: victim.contact.id, addresses: [{ host: "192.0.2.1", port: 9 }] };
    liar.delayMs = 1;
    honest.delayMs = 90;
    liar.lie = () => [wrong];
    honest.lie = () => [victim.contact];
    network.misleading.set("192.0.2.1", failure);
    const failed: Contact[] = [];
    const answered: Contact[] = [];
    const result = await network.lookup({
      target: network.clock.randomBytes(32),
      seeds: [liar.contact, honest.contact],
      onFailure: (contact) => failed.push(contact),
      onAnswer: (contact) => answered.push(contact),
    });
    assert.equal(result.closest.length, 3);
    assert(result.closest.some(({ addresses }) => addresses[0] === victim.contact.addresses[0]));
    assert(answered.every(({ addresses }) => addresses[0]?.host === "127.0.0.1"));
    assert.deepEqual([result.rpcs, result.failures], [4, 1]);
    // A refusal comes before there is another address to ask, silence does not.
    assert.equal(failed.length, failure === "refuses" ? 1 : 0);
    await network.untilIdle();
    assert.equal(network.pending, 0);
  }
});

test("addresses that liars invent for a peer cost four queries at most, whatever they tell", async () => {
  const addresses = fc.array(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }), {
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(addresses, { minLength: 1, maxLength: 8 }), fc.nat(2), async (lies, paths) => {
      const network = new LookupNetwork(22, lies.length);
      const { id } = network.newContact();
      for (const [i, lie] of lies.entries()) {
        const peer = network.peers[i];
        if (peer === undefined) continue;
        peer.lie = () => lie.map((ports) => ({ id, addresses: ports.map((port) => ({ host: "192.0.2.1", port })) }));
      }
      network.misleading.set("192.0.2.1", "refuses");
      const seeds = network.peers.map(({ contact }) => contact);
      const failed: Contact[] = [];
      const onFailure = (contact: Contact) => failed.push(contact);
      const result = await network.lookup({ target: id.bytes, seeds, disjointPaths: paths + 1, onFailure });
      const asked = network.asked.filter((contact) => contact.id.equals(id));
      assert(asked.length <= 4);
      const each = asked.flatMap((contact) => contact.addresses.map(({ port }) => port));
      const distinct = asked.flatMap((contact) => [...new Set(contact.addresses.map(({ port }) => port))]);
      assert(each.length <= 16);
      assert.equal(new Set(distinct).size, distinct.length, "no address is asked twice");
      const last = failed.at(-1);
      if (asked.length > 0) assert.deepEqual(new Set(last?.addresses.map(({ port }) => port)), new Set(each));
      assert.equal(result.closest.length, lies.length);
      assert.equal(result.rpcs, lies.length + asked.length);
      await network.untilIdle();
      assert.equal(network.pending, 0);
    }),
    { numRuns: 100 },
  );
});

test("rejections free their place at once", async () => {
  const network = new LookupNetwork(5, 60);
  network.introduceAll(({ refuses }) => !refuses);
  for (const peer of network.peers.slice(0, 50)) peer.refuses = true;
  const target = network.clock.randomBytes(32);
  const result = await network.lookup({ target, seeds: network.peers.map(({ contact }) => contact), k: 4 });
  assert(result.elapsedMs < 500);
  assert.deepEqual(idsOf(result.closest), idsOf(network.closest(target, 4, ({ refuses }) => !refuses)));
});

test("invented contacts that nobody answers for do not hide those that are there", async () => {
  const { network, target, seeds } = bucketNetwork(6, 300);
  for (const peer of network.peers.slice(0, 5)) {
    peer.lie = () => Array.from({ length: 20 }, (_, i) => network.contactAt(idNear(network, target, 60 + i)));
  }
  const result = await network.lookup({ target, seeds });
  assert.deepEqual(idsOf(result.closest), idsOf(network.closest(target, 20)));
  assert.equal(result.failures, result.rpcs - network.asked.filter((contact) => network.peer(contact)).length);
});

test("an answer that names the node itself, its sender or known contacts again and again teaches nothing", async () => {
  const network = new LookupNetwork(7, 3);
  const [first, second, third] = network.peers;
  assert(first && second && third);
  const self = { id: network.self, addresses: first.contact.addresses };
  first.lie = () => [...repeated(self, 5), ...repeated(first.contact, 5), ...repeated(second.contact, 5)];
  second.lie = () => [...repeated(third.contact, 20)];
  third.lie = () => repeated(self, 20);
  const learnt: number[] = [];
  const result = await network.lookup({
    target: self.id.bytes,
    seeds: [self, first.contact],
    onEvent: (event) => event.type === "answered" && learnt.push(event.learnt.length),
  });
  assert.equal(result.rpcs, 3);
  assert.equal(result.closest.length, 3);
  assert.deepEqual(learnt, [1, 1, 0]);
});

test("of an answer with more than 1.5 k contacts the rest is ignored", async () => {
  const network = new LookupNetwork(8, 60);
  const [first, ...others] = network.peers;
  assert(first !== undefined);
  first.lie = () => others.map(({ contact }) => contact);
  const learnt: number[] = [];
  const result = await network.lookup({
    target: network.clock.randomBytes(32),
    seeds: [first.contact],
    k: 7,
    onEvent: (event) => event.type === "answered" && learnt.push(event.learnt.length),
  });
  assert.equal(learnt[0], 11);
  assert(result.rpcs <= 12);
});

test("contacts that are ever closer, and answer, cost maxRpcs queries and no more", async () => {
  for (const maxRpcs of [undefined, 1, 50]) {
    const network = new LookupNetwork(9, 1);
    const target = network.clock.randomBytes(32);
    let bits = 0;
    const lie = (): Contact[] =>
      Array.from({ length: 20 }, () => {
        bits = Math.min(bits + 1, 250);
        const peer = network.add(network.contactAt(idNear(network, target, bits)), 1);
        peer.lie = lie;
        return peer.contact;
      });
    const [first] = network.peers;
    assert(first !== undefined);
    first.lie = lie;
    const result = await network.lookup({ target, seeds: [first.contact], k: 300, maxRpcs });
    assert.equal(result.end, "exhausted");
    assert.equal(result.rpcs, maxRpcs ?? 200);
    assert.equal(network.asked.length, result.rpcs);
    assert.equal(result.closest.length, result.rpcs);
    assert.equal(network.clock.step(), false);
  }
});

test("of the k closest those that are connected are asked first, and the result is the same", async () => {
  const { network, target, seeds } = bucketNetwork(24, 300);
  const byDistance = idsOf(seeds.toSorted((a, b) => compareDistance(target, a.id.bytes, b.id.bytes)));
  for (const connected of [[], [1, 3, 4], [5], [6, 12, 19], [0, 1, 2], [20, 21, 22]]) {
    network.asked.length = 0;
    const isConnected = ({ id }: Contact) => connected.includes(byDistance.indexOf(id.toHex().slice(0, 16)));
    const result = await network.lookup({ target, seeds, isConnected });
    const near = connected.filter((place) => place < 20);
    const first = [...near, ...[0, 1, 2].filter((place) => !near.includes(place))].slice(0, 3);
    const asked = idsOf(network.asked.slice(0, 3)).map((id) => byDistance.indexOf(id));
    assert.deepEqual(asked, first);
    assert.deepEqual(idsOf(result.closest), idsOf(network.closest(target, 20)));
  }
});

test("one after the other is asked as long as that is quick: the first that has the value spares the others", async () => {
  const network = new LookupNetwork(25, 30);
  network.introduceAll();
  const target = network.clock.randomBytes(32);
  const seeds = network.closest(target, 20);
  const holders = seeds.map((contact) => network.peer(contact)).filter((peer) => peer !== undefined);
  for (const holder of holders) [holder.delayMs, holder.value] = [1, "it"];
  const get = async (options: { readonly serialMs?: number; readonly disjointPaths?: number }) => {
    network.asked.length = 0;
    const startedAt = network.clock.now();
    const askedAtMs: number[] = [];
    const result = await network.lookup({
      target,
      seeds,
      accept: () => "stop",
      onEvent: ({ type }) => type === "asked" && askedAtMs.push(network.clock.now() - startedAt),
      ...options,
    });
    await network.untilIdle();
    assert.equal(result.found[0]?.value, "it");
    return askedAtMs;
  };
  assert.deepEqual(await get({ serialMs: 10 }), [0]);
  assert.deepEqual(await get({}), [0, 0, 0]);
  assert.deepEqual(await get({ serialMs: 10, disjointPaths: 2 }), [0, 0, 0, 0, 0, 0]);
  // Those asked first do not have it: after three of them as many as may be are asked at once.
  for (const holder of holders.slice(0, 4)) holder.value = undefined;
  assert.deepEqual(await get({ serialMs: 10 }), [0, 1, 2, 3, 3, 3, 4]);
  // One of them takes long.
  if (holders[1] !== undefined) holders[1].delayMs = 500;
  assert.deepEqual(await get({ serialMs: 10 }), [0, 1, 10, 10, 11, 11]);
});

test("a signal ends the lookup and its queries with its reason, and no timer is left", async () => {
  for (const atMs of [0, 5, 60, 150, 1500]) {
    const { network, target, seeds } = bucketNetwork(10, 200);
    for (const peer of network.peers.slice(0, 19)) peer.delayMs = Infinity;
    const controller = new AbortController();
    const reason = new Error("no longer wanted");
    network.clock.setTimeout(() => controller.abort(reason), atMs);
    const events: LookupEvent[] = [];
    const done = network.lookup({ target, seeds, signal: controller.signal, onEvent: (event) => events.push(event) });
    await assert.rejects(done, reason);
    assert.equal(network.clock.now(), atMs);
    assert(network.aborted >= 3);
    assert.equal(network.clock.step(), false);
    const count = events.length;
    await network.clock.advance(10_000);
    assert.equal(events.length, count, "nothing happens afterwards");
  }
});

test("a signal that has aborted before asks nobody", async () => {
  const { network, target, seeds } = bucketNetwork(11, 50);
  const reason = new Error("too late");
  await assert.rejects(network.lookup({ target, seeds, signal: AbortSignal.abort(reason) }), reason);
  assert.equal(network.asked.length, 0);
});

test("queries that go on when a value has ended the lookup are bounded in time, and end with its signal", async () => {
  for (const abortAfterMs of [Infinity, 1]) {
    const network = new LookupNetwork(23, 3);
    const [quick, ...dead] = network.peers;
    assert(quick);
    quick.value = "a value";
    for (const peer of dead) peer.delayMs = Infinity;
    const controller = new AbortController();
    const seeds = network.peers.map(({ contact }) => contact);
    const target = network.clock.randomBytes(32);
    const result = await network.lookup({ target, seeds, accept: () => "stop", signal: controller.signal });
    assert.deepEqual([result.end, network.pending], ["stopped", 2]);
    network.clock.setTimeout(() => controller.abort(new Error("closing")), abortAfterMs);
    const { hardMs } = network.timeouts;
    const afterMs = await network.untilIdle();
    assert.equal(afterMs, abortAfterMs === Infinity ? hardMs : abortAfterMs);
    assert.deepEqual([network.pending, network.aborted], [0, 2]);
  }
});

test("a finished lookup leaves nothing on the signal", async () => {
  const { network, target, seeds } = bucketNetwork(12, 50);
  const controller = new AbortController();
  await network.lookup({ target, seeds, signal: controller.signal });
  const { aborted } = network;
  controller.abort(new Error("nobody listens"));
  assert.equal(network.aborted, aborted);
});

test("a value that is accepted ends the lookup and names the closest without it", async () => {
  const { network, target, seeds } = bucketNetwork(13, 500);
  const holders = network.closest(target, 20).slice(3);
  for (const contact of holders) {
    const peer = network.peer(contact);
    if (peer !== undefined) peer.value = `of ${contact.id.toHex()}`;
  }
  const answered: Contact[] = [];
  const result = await network.lookup({
    target,
    seeds,
    accept: () => "stop",
    onAnswer: (contact) => answered.push(contact),
  });
  assert.equal(result.end, "stopped");
  const [found, ...more] = result.found;
  assert(found !== undefined && more.length === 0);
  assert.equal(found.value, `of ${found.from.id.toHex()}`);
  assert(result.rpcs < 20);
  const without = answered
    .filter((contact) => contact !== found.from)
    .toSorted((a, b) => compareDistance(target, a.id.bytes, b.id.bytes));
  assert.equal(result.closestWithout, without[0]);
  assert(network.pending > 0, "open queries go on");
  await network.untilIdle();
  assert.deepEqual([network.pending, network.aborted], [0, 0]);
});

test("values that are not accepted, or for which nobody asks, are collected", async () => {
  const { network, target, seeds } = bucketNetwork(14, 100);
  const [first, , third] = network.closest(target, 3);
  assert(first && third);
  for (const contact of [first, third]) {
    const peer = network.peer(contact);
    if (peer !== undefined) peer.value = "a value";
  }
  for (const accept of [undefined, () => "continue" as const]) {
    const result = await network.lookup({ target, seeds, accept });
    assert.equal(result.end, "complete");
    assert.deepEqual(new Set(result.found.map(({ from }) => from)), new Set([first, third]));
    assert.equal(result.closestWithout, result.closest[1]);
    assert.equal(result.closest.length, 20);
  }
});

test("disjoint paths find the k closest and ask nobody twice", async () => {
  const { network, target, seeds } = bucketNetwork(15, 500);
  const result = await network.lookup({ target, seeds, disjointPaths: 3 });
  assert.deepEqual(idsOf(result.closest), idsOf(network.closest(target, 20)));
  assert.equal(new Set(idsOf(network.asked)).size, network.asked.length);
});

test("disjoint paths reach the closest where a liar holds up a single one", async () => {
  const { network, target, seeds } = bucketNetwork(16, 300);
  // The seed that is asked first leads into an endless chain of its own peers.
  const [liar] = seeds.toSorted((a, b) => compareDistance(target, a.id.bytes, b.id.bytes));
  assert(liar !== undefined);
  let bits = 30;
  const lie = (): Contact[] =>
    Array.from({ length: 20 }, () => {
      bits = Math.min(bits + 1, 250);
      const peer = network.add(network.contactAt(idNear(network, target, bits)), 1);
      peer.lie = lie;
      return peer.contact;
    });
  const liarPeer = network.peer(liar);
  assert(liarPeer !== undefined);
  liarPeer.lie = lie;
  const honest = network.closest(target, 10, (peer) => peer.lie === undefined);
  const run = async (disjointPaths: number) => {
    const answered: Contact[] = [];
    const onAnswer = (contact: Contact) => answered.push(contact);
    await network.lookup({ target, seeds, disjointPaths, onAnswer, maxRpcs: 120 });
    return honest.filter((contact) => answered.includes(contact)).length;
  };
  assert((await run(1)) < 10);
  assert.equal(await run(4), 10);
});

test("events tell each step with distance, hop and time", async () => {
  const { network, target, seeds } = bucketNetwork(17, 300);
  const [first] = network.closest(target, 1);
  assert(first !== undefined);
  const peer = network.peer(first);
  if (peer !== undefined) peer.value = "a value";
  const events: LookupEvent[] = [];
  const result = await network.lookup({ target, seeds, onEvent: (event) => events.push(event) });
  const last = events.at(-1);
  assert.deepEqual(last, {
    type: "ended",
    end: "complete",
    elapsedMs: result.elapsedMs,
    hops: result.hops,
    rpcs: result.rpcs,
    failures: 0,
  });
  assert.equal(events.filter(({ type }) => type === "asked").length, result.rpcs);
  const found = events.findIndex(({ type }) => type === "found");
  const [answered, foundEvent] = [events[found - 1], events[found]];
  assert(answered?.type === "answered" && foundEvent?.type === "found");
  assert.equal(foundEvent.contact, first);
  assert.equal(answered.contact, first);
  assert.equal(answered.hop, result.hops);
  assert(Math.abs(answered.rttMs - (peer?.delayMs ?? 0)) < 1e-6);
  const apart = BigInt(`0x${Buffer.from(distance(target, first.id.bytes)).toString("hex")}`);
  assert.equal(answered.distanceBits, apart.toString(2).length);
  for (const event of events) {
    if (event.type !== "answered") continue;
    for (const contact of event.learnt) {
      const asked = events.find((other) => other.type === "asked" && other.contact === contact);
      if (asked?.type === "asked") assert.equal(asked.hop, event.hop + 1);
    }
  }
});

test("what a callback throws rejects the lookup", async () => {
  const fault = new Error("of the caller");
  const throws = () => {
    throw fault;
  };
  for (const callback of ["onAnswer", "onFailure", "onEvent", "accept"] as const) {
    const { network, target, seeds } = bucketNetwork(18, 60);
    const [first, second] = network.closest(target, 2).map((contact) => network.peer(contact));
    assert(first && second);
    first.refuses = true;
    second.value = "a value";
    await assert.rejects(network.lookup({ target, seeds, [callback]: throws }), fault);
    assert.equal(network.clock.step(), false);
  }
});

test("numbers out of their range and targets that are not 32 bytes are refused", async () => {
  const network = new LookupNetwork(19, 1);
  const target = network.clock.randomBytes(32);
  const wrong = [{ k: 0 }, { alpha: 0 }, { alpha: 1.5 }, { maxRpcs: 0 }, { disjointPaths: 0 }, { disjointPaths: 17 }];
  for (const options of [...wrong, { target: new Uint8Array(20) }]) {
    await assert.rejects(network.lookup({ target, seeds: [], ...options }), RangeError);
  }
});

test("of one host so many are asked as long as there are others, by whatever other addresses they go, and the rest after them", async () => {
  const network = new LookupNetwork(41, 0);
  const target = network.clock.randomBytes(32);
  const at = (bits: number, ...hosts: readonly string[]): Contact => {
    const { id } = network.contactAt(idNear(network, target, bits));
    const contact = { id, addresses: hosts.map((host) => ({ host, port: 1 })) };
    network.add(contact, 20);
    return contact;
  };
  const crowd = Array.from({ length: 12 }, (_, i) => at(40 - i, `10.1.0.${i}`, "10.0.0.1"));
  const others = Array.from({ length: 6 }, (_, i) => at(20 - i, `10.2.0.${i}`));
  network.introduceAll();
  const seeds = [...crowd, ...others];
  const few = await network.lookup({ target, seeds, k: 5, maxPerHost: 2 });
  assert.deepEqual(few.closest.map(hostOf), ["10.0.0.1", "10.0.0.1", "10.2.0.0", "10.2.0.1", "10.2.0.2"]);
  assert.equal(few.end, "complete");
  assert.equal(network.asked.filter((contact) => hostOf(contact) === "10.0.0.1").length, 2);
  // With too few others the places are not left empty.
  const all = await network.lookup({ target, seeds, k: 10, maxPerHost: 2 });
  assert.equal(all.closest.length, 10);
  const unbounded = await network.lookup({ target, seeds, k: 5 });
  assert.deepEqual(new Set(unbounded.closest.map(hostOf)), new Set(["10.0.0.1"]));
  await assert.rejects(network.lookup({ target, seeds, maxPerHost: 0 }), RangeError);
});

test("those of a host that fail make room for others of it", async () => {
  const network = new LookupNetwork(42, 0);
  const target = network.clock.randomBytes(32);
  const peers = Array.from({ length: 8 }, (_, i) =>
    network.add(network.contactAt(idNear(network, target, 30 - i)), 20),
  );
  for (const peer of peers.slice(0, 4)) peer.refuses = true;
  network.introduceAll();
  const { closest } = await network.lookup({ target, seeds: network.closest(target, 8), k: 2, maxPerHost: 2 });
  assert.deepEqual(idsOf(closest), idsOf(network.closest(target, 2, answers)));
});
