import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeAnnounce, networkIdOf } from "../../../src/discovery/announce.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { freeUdpPort, networkKey, Sender, TestNode, until, untilAllKnown } from "./rig.ts";

const seed = 20_240_711;
const random = new VirtualClock(seed);

function below(limit: number): number {
  return Math.floor(random.random() * limit);
}

function soundPacket(): Uint8Array {
  const content = { port: 5000, addresses: ["192.0.2.1"], certificateSha256: undefined, leaving: false };
  return encodeAnnounce({ ...content, epochMs: Date.now() }, networkIdOf(networkKey), generateKeyPair());
}

/** Datagrams that no node must take anything from. */
const kinds: ((sound: Uint8Array) => Uint8Array)[] = [
  () => new Uint8Array(0),
  () => random.randomBytes(1 + below(512)),
  () => new Uint8Array(60_000),
  () => random.randomBytes(513 + below(1000)),
  (sound) => sound.subarray(0, below(sound.length)),
  (sound) => Buffer.concat([sound, random.randomBytes(1 + below(20))]),
  (sound) => {
    const flipped = Uint8Array.from(sound);
    const bit = below(flipped.length * 8);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return flipped;
  },
];

describe("10,000 stray datagrams", () => {
  it(`cost a count each, and discovery goes on (seed ${seed})`, async (t) => {
    const udpPort = await freeUdpPort();
    const alice = await TestNode.start(t, { udpPort });
    const sender = await Sender.open(t, udpPort);
    const sound = Array.from({ length: 20 }, soundPacket);
    let sent = 0;
    while (sent < 10_000) {
      // Paced, for the kernel drops what its buffer does not hold and no count would tell.
      for (let i = 0; i < 20; i++) {
        await sender.send(
          kinds[below(kinds.length)]?.(sound[below(sound.length)] ?? new Uint8Array(0)) ?? new Uint8Array(0),
        );
        sent += 1;
      }
      await until(() => alice.count("received") >= sent);
    }
    const counts = (): [string, number][] =>
      Object.entries(alice.counters.snapshot()).filter(([name]) => name.startsWith("announce.dropped."));
    await until(
      () => {
        const dropped = counts().reduce((sum, [, count]) => sum + count, 0);
        return alice.count("received") === sent + alice.count("sent") && dropped === alice.count("received");
      },
      () => `counts add up: ${JSON.stringify(alice.counters.snapshot())}`,
    );
    assert.equal(alice.peers.size, 0);
    const reasons = new Set(counts().map(([name]) => name.replace("announce.dropped.", "")));
    for (const reason of ["size", "structure", "signature", "own"]) assert.ok(reasons.has(reason), reason);
    const bob = await TestNode.start(t, { udpPort, maxPeers: 9 });
    await untilAllKnown([alice, bob]);
  });
});

describe("a flood from one port", () => {
  it("is shed before its signatures are verified, and known peers are heard meanwhile", async (t) => {
    const udpPort = await freeUdpPort();
    const options = { udpPort, intervalMs: 100, maxNewPerSecond: 1 };
    const alice = await TestNode.start(t, options);
    const bob = await TestNode.start(t, { ...options, maxPeers: 9 });
    await untilAllKnown([alice, bob]);
    const sender = await Sender.open(t, udpPort);
    const forged = Uint8Array.from(soundPacket());
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    const heardBefore = alice.count("unchanged");
    let sent = 0;
    while (
      alice.count("unchanged") < heardBefore + 5 ||
      alice.count("dropped.rate") <= alice.count("dropped.signature")
    ) {
      for (let i = 0; i < 20; i++) await sender.send(forged);
      sent += 20;
      await new Promise(setImmediate);
    }
    // What waits for its turn to be verified is bounded.
    await until(() => alice.count("dropped.rate") + alice.count("dropped.signature") >= sent - 1024);
    assert.ok(alice.count("dropped.rate") > alice.count("dropped.signature"));
    assert.deepEqual(alice.left, []);
  });
});
