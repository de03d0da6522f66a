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

  constructor(options: DiscoveryOptions = {}) {
    this.table = new PeerTable(resolveDiscoveryOptions(options), this.clock, {
      onPeer: (peer) => {
        this.last = peer;
        this.news.push(`${nameOf(peer.id)} ${peer.isNew ? "new" : "changed"}`);
      },
      onLeave: (id, reason) => this.news.push(`${nameOf(id)} ${reason}`),
    });
  }

  /** What the receiver does with a sound announce. */
  take(announce: Announce, source = "127.0.0.1"): string {
    const objection = this.table.judge(announce);
    if (objection !== undefined) return objection;
    this.table.learn(announce, packetOf(announce), source);
    return "learned";
  }

  hosts(): string[] {
    return this.last?.addresses.map(({ host }) => host) ?? [];
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
    assert.ok(rig.table.hear(packetOf(first), "127.0.0.1")?.equals(alice));
    assert.equal(rig.take(announceOf(alice, { epochMs: start + 1, port: 5000 })), "learned");
    assert.deepEqual(rig.news, ["alice new", "alice changed"]);
    assert.deepEqual(rig.last?.addresses, [{ host: "127.0.0.1", port: 5000 }]);
    assert.equal(rig.table.hear(packetOf(first), "127.0.0.1"), undefined, "the older packet is not known any more");
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
    assert.equal(rig.table.hear(packetOf(announceOf(alice)), "127.0.0.1"), undefined);
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
    rig.table.hear(packetOf(announce), "127.0.0.1");
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

  it("refuses strangers when full, not the peers it has", () => {
    const rig = new Rig({ maxPeers: 2 });
    rig.take(announceOf(alice));
    rig.take(announceOf(bob));
    assert.equal(rig.take(announceOf(carol)), "full");
    assert.equal(rig.take(announceOf(alice, { epochMs: start + 1 })), "learned");
    assert.equal(rig.take(announceOf(bob, { epochMs: start + 1, leaving: true })), "learned");
    assert.equal(rig.take(announceOf(carol)), "learned");
    assert.equal(rig.table.size, 2);
  });

  it("names the source address first, then the listed ones, each once", () => {
    const rig = new Rig();
    rig.take(announceOf(alice, { addresses: ["192.0.2.9", "192.0.2.1", "192.0.2.9"] }), "192.0.2.1");
    assert.deepEqual(rig.hosts(), ["192.0.2.1", "192.0.2.9"]);
  });

  it("names loopback last of the source addresses, as no other machine can use it", () => {
    const rig = new Rig();
    const announce = announceOf(alice);
    rig.take(announce, "127.0.0.1");
    rig.table.hear(packetOf(announce), "192.0.2.1");
    assert.deepEqual(rig.hosts(), ["192.0.2.1", "127.0.0.1"]);
  });

  it("takes loopback addresses only from loopback", () => {
    const rig = new Rig();
    const addresses = ["127.0.0.1", "::1", "::ffff:127.0.0.9", "2001:db8::1"];
    rig.take(announceOf(alice, { addresses }), "192.0.2.1");
    assert.deepEqual(rig.hosts(), ["192.0.2.1", "2001:db8::1"]);
    rig.take(announceOf(bob, { addresses }), "127.0.0.1");
    assert.deepEqual(rig.hosts(), addresses);
  });

  it("tells of further source addresses, at most four, until they are silent", async () => {
    const rig = new Rig();
    const announce = announceOf(alice);
    rig.take(announce, "192.0.2.1");
    for (let i = 1; i <= 6; i++) rig.table.hear(packetOf(announce), `192.0.2.${i}`);
    assert.deepEqual(rig.hosts(), ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]);
    assert.equal(rig.news.length, 4);
    await rig.clock.advance(17_000);
    rig.table.hear(packetOf(announce), "192.0.2.3");
    await rig.clock.advance(500);
    rig.table.sweep();
    assert.deepEqual(rig.hosts(), ["192.0.2.3"]);
    assert.deepEqual(rig.news.slice(4), ["alice changed"]);
  });

  it("starts anew with source addresses when the content changes", () => {
    const rig = new Rig();
    rig.take(announceOf(alice), "192.0.2.66");
    rig.take(announceOf(alice, { epochMs: start + 1 }), "192.0.2.1");
    assert.deepEqual(rig.hosts(), ["192.0.2.1"]);
  });
});
