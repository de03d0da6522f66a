import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, it } from "node:test";
import { type AnnounceContent, encodeAnnounce, networkIdOf } from "../../../src/discovery/announce.ts";
import { createDiscovery } from "../../../src/discovery/discovery.ts";
import { generateKeyPair, type KeyPair } from "../../../src/identity/keys.ts";
import { dswarmErrorOf } from "../../../src/util/errors.ts";
import { freeUdpPort, networkKey, Sender, TestNode, until, untilAllKnown } from "./rig.ts";

function packetOf(keys: KeyPair, change: Partial<AnnounceContent> = {}, key = networkKey): Uint8Array {
  const content = { port: 5000, addresses: [], certificateSha256: undefined, epochMs: Date.now(), leaving: false };
  return encodeAnnounce({ ...content, ...change }, networkIdOf(key), keys);
}

async function closeAll(nodes: readonly TestNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.close()));
}

describe("discovery on loopback", () => {
  it("lets two nodes of a process find each other, with what they announce", async (t) => {
    const udpPort = await freeUdpPort();
    const certificateSha256 = new Uint8Array(32).fill(5);
    const alice = await TestNode.start(t, { udpPort }, { port: 4001, addresses: ["192.0.2.7"], certificateSha256 });
    const bob = await TestNode.start(t, { udpPort }, { port: 4002 });
    await untilAllKnown([alice, bob]);
    const peer = bob.peer(alice.keys.id);
    assert.deepEqual(peer?.addresses, [{ host: "127.0.0.1", port: 4001 }]);
    assert.deepEqual(peer.listed, [{ host: "192.0.2.7", port: 4001 }]);
    assert.deepEqual(peer.certificateSha256, certificateSha256);
    assert.ok(peer.isNew);
    assert.deepEqual(alice.peer(bob.keys.id)?.addresses, [{ host: "127.0.0.1", port: 4002 }]);
    assert.equal(alice.peer(bob.keys.id)?.certificateSha256, undefined);
    assert.equal(alice.peers.has(alice.id), false);
    assert.equal(alice.discovery.size, 2);
    assert.ok((alice.discovery.lastHeardMs(bob.keys.id) ?? 0) > 0);
  });

  it("lets ten nodes of a process find each other", async (t) => {
    const udpPort = await freeUdpPort();
    const nodes = await Promise.all(Array.from({ length: 10 }, () => TestNode.start(t, { udpPort })));
    await untilAllKnown(nodes);
  });

  it("lets nodes on sockets of their own find each other, whenever they start", async (t) => {
    const udpPort = await freeUdpPort();
    const nodes: TestNode[] = [];
    for (let i = 0; i < 10; i++) {
      // Other settings, another socket.
      nodes.push(await TestNode.start(t, { udpPort, maxPeers: 100 + i }));
      await untilAllKnown(nodes);
    }
  });

  it("tells of changed content, under a larger epoch", async (t) => {
    const udpPort = await freeUdpPort();
    const [alice, bob] = [await TestNode.start(t, { udpPort }), await TestNode.start(t, { udpPort, maxPeers: 9 })];
    await untilAllKnown([alice, bob]);
    const before = bob.peer(alice.keys.id)?.epochMs ?? 0;
    alice.discovery.update({ port: 4444, addresses: [], certificateSha256: undefined });
    await until(() => bob.peer(alice.keys.id)?.addresses[0]?.port === 4444);
    assert.equal(bob.peer(alice.keys.id)?.isNew, false);
    assert.ok((bob.peer(alice.keys.id)?.epochMs ?? 0) > before);
    assert.throws(() => alice.discovery.update({ port: 0, addresses: [], certificateSha256: undefined }), RangeError);
  });

  it("forgets a node that leaves at once", async (t) => {
    const udpPort = await freeUdpPort();
    const [alice, bob] = [await TestNode.start(t, { udpPort }), await TestNode.start(t, { udpPort, maxPeers: 9 })];
    await untilAllKnown([alice, bob]);
    await bob.close();
    await until(() => alice.left.length > 0);
    assert.deepEqual(alice.left, [[bob.id, "left"]]);
    await until(
      () => alice.count("dropped.stale") === 1,
      () => "the second leave is dropped",
    );
  });

  it("finds a node again that comes back", async (t) => {
    const udpPort = await freeUdpPort();
    const alice = await TestNode.start(t, { udpPort });
    const bob = await TestNode.start(t, { udpPort, maxPeers: 9 });
    await untilAllKnown([alice, bob]);
    await bob.close();
    await until(() => alice.left.length === 1);
    const again = await TestNode.start(t, { udpPort, maxPeers: 9 }, { keys: bob.keys });
    await untilAllKnown([alice, again]);
  });

  it("forgets a node that falls silent", async (t) => {
    const udpPort = await freeUdpPort();
    const alice = await TestNode.start(t, { udpPort, intervalMs: 50 });
    const sender = await Sender.open(t, udpPort);
    const silent = generateKeyPair();
    await sender.send(packetOf(silent));
    await until(() => alice.left.length > 0);
    assert.deepEqual(alice.left, [[silent.id.toString(), "expired"]]);
  });

  it("ignores other networks", async (t) => {
    const udpPort = await freeUdpPort();
    const alice = await TestNode.start(t, { udpPort });
    const bob = await TestNode.start(t, { udpPort, maxPeers: 9 }, { networkKey: new Uint8Array(32).fill(4) });
    await until(() => alice.count("dropped.network") > 0 && bob.count("dropped.network") > 0);
    assert.equal(alice.peers.size + bob.peers.size, 0);
  });

  it("keeps networks apart that share a socket", async (t) => {
    const udpPort = await freeUdpPort();
    const other = { networkKey: new Uint8Array(32).fill(4) };
    const ours = [await TestNode.start(t, { udpPort }), await TestNode.start(t, { udpPort })];
    const theirs = [await TestNode.start(t, { udpPort }, other), await TestNode.start(t, { udpPort }, other)];
    await untilAllKnown(ours);
    await untilAllKnown(theirs);
    for (const node of [...ours, ...theirs]) assert.equal(node.peers.size, 1);
  });

  it("ignores the replay of an older announce", async (t) => {
    const udpPort = await freeUdpPort();
    const alice = await TestNode.start(t, { udpPort });
    const sender = await Sender.open(t, udpPort);
    const bob = generateKeyPair();
    const older = packetOf(bob, { port: 5001, epochMs: Date.now() - 1000 });
    await sender.send(older);
    await until(() => alice.peers.size === 1);
    await sender.send(packetOf(bob, { port: 5002 }));
    await until(() => alice.peer(bob.id)?.addresses[0]?.port === 5002);
    await sender.send(older);
    await until(() => alice.count("dropped.stale") === 1);
    assert.deepEqual(alice.peer(bob.id)?.addresses, [{ host: "127.0.0.1", port: 5002 }]);
  });

  it("closes its socket with the last node, and only then", async (t) => {
    const udpPort = await freeUdpPort();
    const [alice, bob] = [await TestNode.start(t, { udpPort }), await TestNode.start(t, { udpPort })];
    await alice.close();
    await alice.close();
    const carol = await TestNode.start(t, { udpPort });
    await untilAllKnown([bob, carol]);
    await closeAll([bob, carol]);
    const exclusive = createSocket("udp4").bind(udpPort, "0.0.0.0");
    await once(exclusive, "listening");
    exclusive.close();
  });

  it("does nothing more once closed", async (t) => {
    const udpPort = await freeUdpPort();
    const alice = await TestNode.start(t, { udpPort });
    const bob = await TestNode.start(t, { udpPort });
    await alice.close();
    alice.discovery.update({ port: 4001, addresses: [], certificateSha256: undefined });
    const carol = await TestNode.start(t, { udpPort });
    await untilAllKnown([bob, carol]);
    assert.equal(alice.peers.has(carol.id), false);
  });

  it("is disposed of by closing", async (t) => {
    const udpPort = await freeUdpPort();
    const bob = await TestNode.start(t, { udpPort });
    {
      await using alice = await createDiscovery({
        keys: generateKeyPair(),
        networkKey,
        port: 4000,
        options: { udpPort },
        onPeer() {},
        onLeave() {},
      });
      await until(() => bob.peers.size === 1 && alice.size === 2);
    }
    await until(() => bob.peers.size === 0);
  });
});

describe("createDiscovery", () => {
  it("refuses an unknown interface, and names those that there are", async (t) => {
    const udpPort = await freeUdpPort();
    for (const host of ["nowhere0", "203.0.113.77"]) {
      await assert.rejects(TestNode.start(t, { udpPort, host }), (error) => {
        assert.equal(dswarmErrorOf(error)?.code, "interface_unknown");
        assert.match(String(error), new RegExp(`${host}; there are: .*127\\.0\\.0\\.1`));
        return true;
      });
    }
  });

  it("refuses a port that another program holds alone, and works once it is free", async (t) => {
    const holder = createSocket("udp4").bind(0, "0.0.0.0");
    await once(holder, "listening");
    const udpPort = holder.address().port;
    const results = await Promise.allSettled([TestNode.start(t, { udpPort }), TestNode.start(t, { udpPort })]);
    for (const result of results) {
      assert.equal(result.status, "rejected");
      assert.equal(dswarmErrorOf(result.reason)?.code, "discovery_failed");
      assert.match(String(result.reason), new RegExp(`UDP port ${udpPort}: .*EADDRINUSE.*choose another`));
    }
    holder.close();
    await once(holder, "close");
    await TestNode.start(t, { udpPort });
  });

  it("refuses content that cannot be announced, and opens no socket for it", async (t) => {
    const udpPort = await freeUdpPort();
    await assert.rejects(TestNode.start(t, { udpPort }, { port: 0 }), RangeError);
    await assert.rejects(TestNode.start(t, { udpPort }, { addresses: ["example"] }), RangeError);
    await assert.rejects(TestNode.start(t, { udpPort }, { networkKey: new Uint8Array(3) }), RangeError);
  });
});
