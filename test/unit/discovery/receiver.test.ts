import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AnnounceContent, encodeAnnounce, networkIdOf } from "../../../src/discovery/announce.ts";
import { type DiscoveryOptions, resolveDiscoveryOptions } from "../../../src/discovery/options.ts";
import { type Listener, Receiver } from "../../../src/discovery/receiver.ts";
import { generateKeyPair, type KeyPair } from "../../../src/identity/keys.ts";
import { Counters } from "../../../src/util/counters.ts";
import { type LogFields, silentLogger } from "../../../src/util/log.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const start = 1_600_000_000_000;
const ours = networkIdOf(new Uint8Array(32).fill(1));
const theirs = networkIdOf(new Uint8Array(32).fill(2));
const source = { address: "127.0.0.1", port: 25_519 };

function packetOf(keys: KeyPair, change: Partial<AnnounceContent> = {}, networkId = ours): Uint8Array {
  const content = { port: 4000, addresses: [], certificateSha256: undefined, epochMs: start, leaving: false };
  return encodeAnnounce({ ...content, ...change }, networkId, keys);
}

/** One whose signature is not of its key. */
function forgedPacket(): Uint8Array {
  const packet = packetOf(generateKeyPair());
  packet[packet.length - 1] = (packet[packet.length - 1] ?? 0) ^ 1;
  return packet;
}

class Node implements Listener {
  readonly keys = generateKeyPair();
  readonly id = this.keys.id;
  readonly counters: Counters;
  readonly errors: LogFields[] = [];
  readonly logger = { ...silentLogger, error: (fields: LogFields) => this.errors.push(fields) };
  readonly news: string[] = [];
  newcomers = 0;

  constructor(counters = new Counters()) {
    this.counters = counters;
  }

  onPeer({ id, isNew }: { id: { toString(): string }; isNew: boolean }): void {
    this.news.push(`${isNew ? "new" : "changed"} ${id.toString()}`);
  }

  onLeave(id: { toString(): string }, reason: string): void {
    this.news.push(`${reason} ${id.toString()}`);
  }

  onNewcomer(): void {
    this.newcomers += 1;
  }
}

class Rig {
  readonly clock = new VirtualClock(1, start);
  readonly receiver: Receiver;

  constructor(options: DiscoveryOptions = {}) {
    this.receiver = new Receiver(resolveDiscoveryOptions(options), this.clock);
  }

  async join(node: Node, networkId = ours): Promise<() => void> {
    const membership = this.receiver.join(networkId, node);
    await settled(this.clock);
    return () => membership.leave();
  }

  async take(packet: Uint8Array, from = source): Promise<void> {
    this.receiver.receive(packet, from);
    await settled(this.clock);
  }
}

/** After the work that the event loop's next turn brings. */
async function settled(clock: VirtualClock): Promise<void> {
  await clock.advance(0);
}

describe("Receiver", () => {
  it("tells every node of a network of a peer, and no other", async () => {
    const rig = new Rig();
    const [alice, bob, carol, peer] = [new Node(), new Node(), new Node(), new Node()];
    const leaves = [await rig.join(alice), await rig.join(bob), await rig.join(carol, theirs)];
    await rig.take(packetOf(peer.keys));
    assert.deepEqual(alice.news, [`new ${peer.id.toString()}`]);
    assert.deepEqual(bob.news, [`new ${peer.id.toString()}`]);
    assert.deepEqual(carol.news, []);
    assert.deepEqual([alice.newcomers, bob.newcomers, carol.newcomers], [1, 1, 0]);
    for (const leave of leaves) leave();
  });

  it("tells a node that joins late of the peers known already, once", async () => {
    const rig = new Rig();
    const [alice, bob] = [new Node(), new Node()];
    const [known, late] = [generateKeyPair(), generateKeyPair()];
    const leaveAlice = await rig.join(alice);
    await rig.take(packetOf(known));
    const membership = rig.receiver.join(ours, bob);
    assert.equal(membership.size(), 1);
    rig.receiver.receive(packetOf(late), source);
    assert.deepEqual(bob.news, [], "not before join has returned");
    await settled(rig.clock);
    assert.deepEqual(bob.news, [`new ${known.id.toString()}`, `new ${late.id.toString()}`]);
    membership.leave();
    leaveAlice();
  });

  it("counts what nodes of the process send as their own, and tells their siblings", async () => {
    const rig = new Rig();
    const [alice, bob] = [new Node(), new Node()];
    const leaves = [await rig.join(alice), await rig.join(bob)];
    await rig.take(packetOf(alice.keys));
    await rig.take(packetOf(alice.keys));
    assert.deepEqual(alice.news, []);
    assert.deepEqual(bob.news, [`new ${alice.id.toString()}`]);
    assert.equal(bob.newcomers, 0, "a sibling knows all that this process knows");
    assert.deepEqual(bob.counters.snapshot(), { "announce.dropped.own": 2 });
    for (const leave of leaves) leave();
  });

  it("verifies an unchanged packet once", async () => {
    const rig = new Rig({ maxNewPerSecond: 1 });
    const alice = new Node();
    const leave = await rig.join(alice);
    const packet = packetOf(generateKeyPair());
    for (let i = 0; i < 100; i++) await rig.take(packet);
    assert.deepEqual(alice.counters.snapshot(), { "announce.accepted": 1, "announce.unchanged": 99 });
    assert.equal(alice.newcomers, 1);
    leave();
  });

  it("hurries for a peer that has changed, which may have restarted", async () => {
    const rig = new Rig();
    const alice = new Node();
    const leave = await rig.join(alice);
    const keys = generateKeyPair();
    await rig.take(packetOf(keys));
    await rig.take(packetOf(keys, { epochMs: start + 1 }));
    await rig.take(packetOf(keys, { epochMs: start + 2, leaving: true }));
    assert.deepEqual(alice.news, [
      `new ${keys.id.toString()}`,
      `changed ${keys.id.toString()}`,
      `left ${keys.id.toString()}`,
    ]);
    assert.equal(alice.newcomers, 2);
    leave();
  });

  it("verifies no more signatures than an address may ask for, in turn of its ports, and hears known peers meanwhile", async () => {
    const rig = new Rig({ maxNewPerSecond: 1 });
    const alice = new Node();
    const leave = await rig.join(alice);
    const known = packetOf(generateKeyPair());
    await rig.take(known);
    for (let i = 0; i < 2000; i++) rig.receiver.receive(forgedPacket(), source);
    await settled(rig.clock);
    assert.equal(alice.counters.get("announce.dropped.signature"), 39, "ten seconds' worth at once");
    assert.equal(alice.counters.get("announce.dropped.rate"), 2000 - 39 - 1024, "what waits is bounded");
    await rig.take(known);
    assert.equal(alice.counters.get("announce.unchanged"), 1);
    await rig.take(packetOf(generateKeyPair()), { address: "127.0.0.1", port: 9 });
    await rig.take(packetOf(generateKeyPair()), { address: "192.0.2.1", port: 9 });
    await rig.clock.advance(50);
    await settled(rig.clock);
    assert.equal(alice.counters.get("announce.accepted"), 2, "another address has tokens of its own");
    await rig.clock.advance(550);
    await settled(rig.clock);
    assert.equal(alice.counters.get("announce.accepted"), 3, "another port has the second turn");
    assert.equal(alice.counters.get("announce.dropped.signature"), 40);
    leave();
    assert.equal(rig.clock.step(), false, "what waits is forgotten");
  });

  it("spends no verification on garbage, other networks, stale packets, and strangers where all peers are its own", async () => {
    const rig = new Rig({ maxNewPerSecond: 1, maxPeers: 1 });
    const alice = new Node();
    const leave = await rig.join(alice);
    await rig.take(packetOf(alice.keys));
    for (let i = 0; i < 20; i++) {
      await rig.take(new Uint8Array(i));
      await rig.take(new Uint8Array(1000));
      await rig.take(packetOf(alice.keys, {}, theirs));
      await rig.take(packetOf(alice.keys, { epochMs: start - i - 1 }));
      await rig.take(packetOf(generateKeyPair()));
    }
    assert.deepEqual(alice.counters.snapshot(), {
      "announce.dropped.full": 20,
      "announce.dropped.network": 20,
      "announce.dropped.own": 1,
      "announce.dropped.size": 20,
      "announce.dropped.stale": 20,
      "announce.dropped.structure": 20,
    });
    leave();
  });

  it("lets an honest newcomer in behind a flood of signed strangers from thousands of ports", async () => {
    const rig = new Rig({ maxPeers: 64 });
    const alice = new Node();
    const leave = await rig.join(alice);
    const friend = generateKeyPair();
    await rig.take(packetOf(friend));
    const membership = rig.receiver.join(ours, new Node());
    membership.setProven(friend.id, true);
    let port = 1024;
    const flood = (count: number): void => {
      for (let i = 0; i < count; i++) {
        rig.receiver.receive(packetOf(generateKeyPair()), { address: "127.0.0.1", port: port++ });
      }
    };
    flood(4100);
    const newcomer = generateKeyPair();
    const announce = packetOf(newcomer);
    let announces = 0;
    while (!alice.news.includes(`new ${newcomer.id.toString()}`)) {
      assert.ok(announces < 5, "it is not heard");
      rig.receiver.receive(announce, source);
      announces += 1;
      flood(100);
      await rig.clock.advance(2500);
      await settled(rig.clock);
    }
    assert.equal(membership.size(), 64);
    assert.ok(!alice.news.includes(`expired ${friend.id.toString()}`), "the proven peer stays");
    assert.equal(membership.paceSize(), 8, "strangers do not set the pace");
    assert.ok(alice.counters.get("announce.displaced") > 3900);
    membership.leave();
    leave();
  });

  it("counts once for nodes that share their counters, and for each that does not", async () => {
    const rig = new Rig();
    const shared = new Counters();
    const nodes = [new Node(shared), new Node(shared), new Node()];
    const leaves = await Promise.all(nodes.map((node) => rig.join(node)));
    await rig.take(new Uint8Array(3));
    assert.equal(shared.get("announce.dropped.structure"), 1);
    assert.equal(nodes[2]?.counters.get("announce.dropped.structure"), 1);
    for (const leave of leaves) leave();
  });

  it("forgets silent peers without being asked", async () => {
    const rig = new Rig();
    const alice = new Node();
    const leave = await rig.join(alice);
    const keys = generateKeyPair();
    await rig.take(packetOf(keys));
    await rig.clock.advance(20_000);
    assert.deepEqual(alice.news, [`new ${keys.id.toString()}`, `expired ${keys.id.toString()}`]);
    leave();
    assert.equal(rig.clock.step(), false);
  });

  it("takes nobody for silent after it has slept itself", async () => {
    const clock = new SleepyClock(1, start);
    const receiver = new Receiver(resolveDiscoveryOptions(), clock);
    const alice = new Node();
    const membership = receiver.join(ours, alice);
    await settled(clock);
    const packet = packetOf(generateKeyPair());
    receiver.receive(packet, source);
    clock.sleptMs = 60_000;
    await clock.advance(2500);
    receiver.receive(packet, source);
    await clock.advance(5000);
    assert.equal(alice.news.length, 1);
    membership.leave();
  });

  it("survives a handler that throws, and tells the others", async () => {
    const rig = new Rig();
    const [alice, bob] = [new Node(), new Node()];
    alice.onPeer = () => {
      throw new Error("a fault");
    };
    const leaves = [await rig.join(alice), await rig.join(bob)];
    await rig.take(packetOf(generateKeyPair()));
    assert.equal(alice.errors[0]?.["error"], "a fault");
    assert.equal(bob.news.length, 1);
    for (const leave of leaves) leave();
  });

  it("tells a node nothing once it has left", async () => {
    const rig = new Rig();
    const [alice, bob] = [new Node(), new Node()];
    const leaves = [await rig.join(alice), await rig.join(bob)];
    leaves[0]?.();
    const early = rig.receiver.join(ours, alice);
    early.leave();
    await rig.take(packetOf(generateKeyPair()));
    assert.deepEqual(alice.news, []);
    assert.equal(bob.news.length, 1);
    leaves[1]?.();
  });

  it("drops what comes for a network that its last node has left", async () => {
    const rig = new Rig();
    const [alice, carol] = [new Node(), new Node()];
    const leaveCarol = await rig.join(carol, theirs);
    const leave = await rig.join(alice);
    await rig.take(packetOf(generateKeyPair()));
    leave();
    await rig.take(packetOf(generateKeyPair()));
    assert.equal(carol.counters.get("announce.dropped.network"), 1);
    leaveCarol();
  });
});

class SleepyClock extends VirtualClock {
  sleptMs = 0;

  override now(): number {
    return super.now() + this.sleptMs;
  }
}
