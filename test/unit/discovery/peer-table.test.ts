import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Announce } from "../../../src/discovery/announce.ts";
import { type DiscoveryOptions, resolveDiscoveryOptions } from "../../../src/discovery/options.ts";
import { type DiscoveredPeer, PeerTable } from "../../../src/discovery/peer-table.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import type { NodeId } from "../../../src/identity/node-id.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const start = 1_600_000_000_000;
const dayMs = 86_400_000;
const [alice, bob, carol] = [generateKeyPair().id, generateKeyPair().id, generateKeyPair().id];

function announceOf(id: NodeId, change: Partial<Announce> = {}): Announce {
  const networkId = "0011223344556677";
  return {
    id,
    networkId,
    port: 4000,
    addresses: [],
    certificateSha256: undefined,
    epochMs: start,
    leaving: false,
    ...change,
  };
}

class Rig {
  readonly clock = new VirtualClock(1, start);
  readonly news: string[] = [];
  readonly table: PeerTable;
  last: DiscoveredPeer | undefined;

  constructor(options: DiscoveryOptions = {}, isOwn?: (id: NodeId) => boolean) {
    const events = {
      onPeer: (peer: DiscoveredPeer): void => {
        this.last = peer;
        this.news.push(`${nameOf(peer.id)} ${peer.isNew ? "new" : "changed"}`);
      },
      onLeave: (id: NodeId, reason: string): void => void this.news.push(`${nameOf(id)} ${reason}`),
    };
    this.table = new PeerTable(resolveDiscoveryOptions(options), this.clock, events, isOwn);
  }

  /** What the receiver does with a sound announce. */
  take(announce: Announce, address = "127.0.0.1", port = 25_519): string {
    const objection = this.table.judge(announce);
    if (objection !== undefined) return objection;
    const { hasDisplaced } = this.table.learn(announce, packetOf(announce), { address, port });
    return hasDisplaced ? "displaced" : "learned";
  }

  hear(announce: Announce, address = "127.0.0.1"): NodeId | undefined {
    return this.table.hear(packetOf(announce), { address, port: 25_519 });
  }

  hosts(): string[] {
    return this.last?.addresses.map(({ host }) => host) ?? [];
  }

  listed(): string[] {
    return this.last?.listed.map(({ host }) => host) ?? [];
  }
}

function nameOf(id: NodeId): string {
  return id.equals(alice) ? "alice" : id.equals(bob) ? "bob" : "other";
}

function packetOf({ id, epochMs }: Announce): string {
  return `${id.toString()} ${epochMs}`;
}

describe("PeerTable", () => {
  it("tells of a new peer once, and of a changed one again", () => {
    const rig = new Rig();
    const first = announceOf(alice);
    assert.equal(rig.take(first), "learned");
    assert.ok(rig.hear(first)?.equals(alice));
    assert.equal(rig.take(announceOf(alice, { epochMs: start + 1, port: 5000 })), "learned");
    assert.deepEqual(rig.news, ["alice new", "alice changed"]);
    assert.deepEqual(rig.last?.addresses, [{ host: "127.0.0.1", port: 5000 }]);
    assert.equal(rig.hear(first), undefined, "the older packet is not known any more");
  });

  it("drops an equal or smaller epoch", () => {
    const rig = new Rig();
    rig.take(announceOf(alice));
    assert.equal(rig.take(announceOf(alice, { port: 5000 })), "stale");
    assert.equal(rig.take(announceOf(alice, { epochMs: start - 1 })), "stale");
    assert.equal(rig.take(announceOf(alice, { epochMs: start - 1, leaving: true })), "stale");
    assert.deepEqual(rig.news, ["alice new"]);
  });

  it("takes a right epoch in place of one more than a day ahead, and not the other way round", () => {
    const rig = new Rig();
    rig.take(announceOf(alice, { epochMs: start + 10 * dayMs }));
    assert.equal(
      rig.take(announceOf(alice, { epochMs: start + 11 * dayMs })),
      "learned",
      "both ahead: the larger wins",
    );
    assert.equal(rig.take(announceOf(alice, { epochMs: start + 10 * dayMs })), "stale");
    assert.equal(rig.take(announceOf(alice, { epochMs: start })), "learned");
    assert.equal(rig.take(announceOf(alice, { epochMs: start + 12 * dayMs })), "stale");
    assert.equal(rig.take(announceOf(alice, { epochMs: start + dayMs })), "learned", "a day is no fault yet");
  });

  it("forgets a peer that leaves at once, and late packets do not bring it back", async () => {
    const rig = new Rig();
    rig.take(announceOf(alice));
    assert.equal(rig.take(announceOf(alice, { epochMs: start + 5, leaving: true })), "learned");
    assert.equal(rig.table.size, 0);
    assert.equal(rig.hear(announceOf(alice)), undefined);
    assert.equal(rig.take(announceOf(alice)), "stale");
    assert.equal(rig.take(announceOf(alice, { epochMs: start + 5, leaving: true })), "stale");
    assert.equal(rig.take(announceOf(alice, { epochMs: start + 6 })), "learned", "a restart has a larger epoch");
    assert.deepEqual(rig.news, ["alice new", "alice left", "alice new"]);
  });

  it("forgets the epoch of one who left after the time of silence", async () => {
    const rig = new Rig();
    rig.take(announceOf(alice, { epochMs: start + 5 }));
    rig.take(announceOf(alice, { epochMs: start + 6, leaving: true }));
    await rig.clock.advance(17_499);
    assert.equal(rig.take(announceOf(alice)), "stale");
    await rig.clock.advance(1);
    assert.equal(rig.take(announceOf(alice)), "learned");
  });

  it("has no use for the leave of a stranger", () => {
    assert.equal(new Rig().take(announceOf(alice, { leaving: true })), "stale");
  });

  it("forgets a peer silent for three and a half intervals", async () => {
    const rig = new Rig();
    const announce = announceOf(alice);
    rig.take(announce);
    await rig.clock.advance(10_000);
    rig.hear(announce);
    assert.equal(rig.table.lastHeardMs(alice), 10_000);
    await rig.clock.advance(17_499);
    rig.table.sweep();
    assert.deepEqual(rig.news, ["alice new"]);
    await rig.clock.advance(1);
    rig.table.sweep();
    assert.deepEqual(rig.news, ["alice new", "alice expired"]);
    assert.equal(rig.table.lastHeardMs(alice), undefined);
    assert.equal(rig.take(announce), "learned", "its epoch is forgotten with it");
  });

  it("waits longer in a larger swarm, by its size now or when the peer was last heard", async () => {
    const rig = new Rig({ maxPacketsPerSecond: 1, intervalMs: 1000 });
    const others = Array.from({ length: 9 }, () => announceOf(generateKeyPair().id));
    for (const announce of others) rig.take(announce);
    rig.take(announceOf(alice));
    for (const { id } of others) rig.take(announceOf(id, { epochMs: start + 1, leaving: true }));
    assert.equal(rig.table.size, 1);
    await rig.clock.advance(34_999);
    rig.table.sweep();
    assert.equal(rig.table.size, 1, "ten peers announce every 10 s");
    await rig.clock.advance(1);
    rig.table.sweep();
    assert.equal(rig.table.size, 0);
  });

  it("lets a stranger in for another one that is unproven, of the source that has most, silent for longest", async () => {
    const rig = new Rig({ maxPeers: 4 });
    const [first, second, third] = [announceOf(alice), announceOf(carol), announceOf(generateKeyPair().id)];
    for (const announce of [first, second, third]) rig.take(announce, "127.0.0.1", 1);
    rig.take(announceOf(bob), "127.0.0.1", 2);
    rig.hear(first);
    assert.equal(rig.take(announceOf(generateKeyPair().id), "127.0.0.1", 3), "displaced");
    assert.equal(rig.table.size, 4);
    assert.equal(rig.table.lastHeardMs(carol), undefined, "the port that has three gives way, not the one with one");
    assert.equal(rig.hear(second), undefined);
    assert.ok(rig.hear(first));
  });

  it("never lets a proven peer give way to a stranger, and keeps an eighth of its room for strangers", () => {
    const rig = new Rig({ maxPeers: 8 });
    const proven = Array.from({ length: 8 }, () => announceOf(generateKeyPair().id));
    for (const announce of proven) {
      rig.take(announce);
      rig.table.setProven(announce.id, true);
    }
    for (let i = 0; i < 100; i++) assert.equal(rig.take(announceOf(generateKeyPair().id)), "displaced");
    const kept = proven.filter(({ id }) => rig.table.lastHeardMs(id) !== undefined);
    assert.equal(kept.length, 7);
    const [one] = kept;
    assert.ok(one);
    assert.equal(rig.take({ ...one, epochMs: start + 1 }), "learned", "a change leaves it proven");
    rig.take(announceOf(generateKeyPair().id));
    assert.notEqual(rig.table.lastHeardMs(one.id), undefined);
    rig.table.setProven(one.id, false);
    for (let i = 0; i < 2; i++) rig.take(announceOf(generateKeyPair().id), "127.0.0.1", 9);
    assert.equal(rig.table.lastHeardMs(one.id), undefined, "it is a stranger again");
  });

  it("refuses strangers where all of its peers are of this process", () => {
    const rig = new Rig({ maxPeers: 2 }, () => true);
    rig.take(announceOf(alice));
    rig.take(announceOf(bob));
    assert.equal(rig.take(announceOf(carol)), "full");
    assert.equal(rig.take(announceOf(alice, { epochMs: start + 1 })), "learned");
  });

  it("lets eight peers count for the pace for each that is proven", () => {
    const rig = new Rig();
    for (let i = 0; i < 30; i++) rig.take(announceOf(generateKeyPair().id));
    assert.equal(rig.table.paceSize, 0);
    rig.take(announceOf(alice));
    rig.table.setProven(alice, true);
    assert.equal(rig.table.paceSize, 8);
    for (let i = 0; i < 3; i++) {
      const { id } = announceOf(generateKeyPair().id);
      rig.take(announceOf(id));
      rig.table.setProven(id, true);
    }
    assert.equal(rig.table.paceSize, 32);
    rig.take(announceOf(bob));
    rig.table.setProven(bob, true);
    assert.equal(rig.table.paceSize, 35, "no more than are heard");
  });

  it("remembers the epoch of a proven peer that left, whatever strangers say and leave", () => {
    const rig = new Rig({ maxPeers: 8 });
    rig.take(announceOf(alice));
    rig.table.setProven(alice, true);
    rig.take(announceOf(alice, { epochMs: start + 5, leaving: true }));
    for (let i = 0; i < 100; i++) {
      const { id } = announceOf(generateKeyPair().id);
      rig.take(announceOf(id));
      rig.take(announceOf(id, { epochMs: start + 1, leaving: true }));
    }
    assert.equal(rig.take(announceOf(alice)), "stale");
  });

  it("names the source address, and apart from it the listed ones, each once", () => {
    const rig = new Rig();
    rig.take(announceOf(alice, { addresses: ["192.0.2.9", "192.0.2.1", "192.0.2.9"] }), "192.0.2.1");
    assert.deepEqual(rig.hosts(), ["192.0.2.1"]);
    assert.deepEqual(rig.listed(), ["192.0.2.9"]);
  });

  it("names loopback last of the source addresses, as no other machine can use it", () => {
    const rig = new Rig();
    const announce = announceOf(alice);
    rig.take(announce, "127.0.0.1");
    rig.hear(announce, "192.0.2.1");
    assert.deepEqual(rig.hosts(), ["192.0.2.1", "127.0.0.1"]);
  });

  it("takes loopback addresses only from loopback", () => {
    const rig = new Rig();
    const addresses = ["127.0.0.1", "::1", "::ffff:127.0.0.9", "2001:db8::1"];
    rig.take(announceOf(alice, { addresses }), "192.0.2.1");
    assert.deepEqual([rig.hosts(), rig.listed()], [["192.0.2.1"], ["2001:db8::1"]]);
    rig.take(announceOf(bob, { addresses }), "127.0.0.1");
    assert.deepEqual([rig.hosts(), rig.listed()], [addresses.slice(0, 3), ["2001:db8::1"]]);
  });

  it("tells of further source addresses, at most four, of which the one silent for longest gives way", async () => {
    const rig = new Rig();
    const announce = announceOf(alice);
    rig.take(announce, "192.0.2.1");
    for (let i = 2; i <= 4; i++) rig.hear(announce, `192.0.2.${i}`);
    assert.deepEqual(rig.hosts(), ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]);
    rig.hear(announce, "192.0.2.1");
    rig.hear(announce, "192.0.2.5");
    assert.deepEqual(new Set(rig.hosts()), new Set(["192.0.2.1", "192.0.2.3", "192.0.2.4", "192.0.2.5"]));
    assert.equal(rig.news.length, 5);
    await rig.clock.advance(17_000);
    rig.hear(announce, "192.0.2.3");
    await rig.clock.advance(500);
    rig.table.sweep();
    assert.deepEqual(rig.hosts(), ["192.0.2.3"]);
    assert.deepEqual(rig.news.slice(5), ["alice changed"]);
  });

  it("starts anew with source addresses when the content changes", () => {
    const rig = new Rig();
    rig.take(announceOf(alice), "192.0.2.66");
    rig.take(announceOf(alice, { epochMs: start + 1 }), "192.0.2.1");
    assert.deepEqual(rig.hosts(), ["192.0.2.1"]);
  });
});
