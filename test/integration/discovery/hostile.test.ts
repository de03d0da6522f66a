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
    while (alice.count("received") < 10_000) {
      // Paced, for the kernel drops what its buffer does not hold. Only what arrives counts.
      const before = alice.count("received");
      for (let i = 0; i < 20; i++) {
        await sender.send(
          kinds[below(kinds.length)]?.(sound[below(sound.length)] ?? new Uint8Array(0)) ?? new Uint8Array(0),
        );
      }
      await until(() => alice.count("received") > before);
    }
    const counts = (): [string, number][] =>
      Object.entries(alice.counters.snapshot()).filter(([name]) => name.startsWith("announce.dropped."));
    await until(
      () => {
        const dropped = counts().reduce((sum, [, count]) => sum + count, 0);
        return dropped === alice.count("received");
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

/** The counters of which each datagram that is received gets one in the end. */
const fate = /^announce\.(?:accepted|unchanged|dropped\..*)$/;

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
    while (
      alice.count("unchanged") < heardBefore + 5 ||
      alice.count("dropped.rate") <= alice.count("dropped.signature")
    ) {
      for (let i = 0; i < 20; i++) await sender.send(forged);
      await new Promise(setImmediate);
    }
    // What waits for its turn to be verified is bounded.
    await until(() => {
      const fates = Object.entries(alice.counters.snapshot()).filter(([name]) => fate.test(name));
      return fates.reduce((sum, [, count]) => sum + count, 0) >= alice.count("received") - 1024;
    });
    assert.ok(alice.count("dropped.rate") > alice.count("dropped.signature"));
    assert.deepEqual(alice.left, []);
  });
});
