// Another node with the same key is noticed by what only it can have signed, and replays are not taken for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeAnnounce, networkIdOf } from "../../../src/discovery/announce.ts";
import { OwnKeyWatch } from "../../../src/discovery/own-key-watch.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const networkId = networkIdOf(new Uint8Array(32).fill(1));
const keys = generateKeyPair();

function packetOf(epochMs: number, port = 4001, leaving = false): Uint8Array {
  return encodeAnnounce({ port, addresses: [], certificateSha256: undefined, epochMs, leaving }, networkId, keys);
}

function newWatch(): { watch: OwnKeyWatch; clock: VirtualClock; reports: string[]; outdone: number[] } {
  const clock = new VirtualClock(1);
  const reports: string[] = [];
  const outdone: number[] = [];
  const watch = new OwnKeyWatch({
    networkId: toHex(networkId),
    clock,
    onElsewhere: (address) => void reports.push(address),
    outdo: (epochMs) => {
      outdone.push(epochMs);
      watch.announced(packetOf(epochMs + 1), epochMs + 1);
    },
  });
  watch.announced(packetOf(1000), 1000);
  return { watch, clock, reports, outdone };
}

test("a newer announce under the own key, and another of the same epoch, are of another node", () => {
  for (const packet of [packetOf(1001, 4002), packetOf(1000, 4002)]) {
    const { watch, reports } = newWatch();
    watch.heard(packet, "192.0.2.7");
    assert.deepEqual(reports, ["192.0.2.7:4002"]);
  }
});

test("replays of what this node announces or has announced, and of its earlier runs, are not", () => {
  const { watch, reports } = newWatch();
  for (let epochMs = 1001; epochMs < 1010; epochMs++) watch.announced(packetOf(epochMs), epochMs);
  for (let epochMs = 990; epochMs < 1010; epochMs++) watch.heard(packetOf(epochMs), "192.0.2.7");
  watch.heard(packetOf(999, 4002), "192.0.2.7");
  // Of an end that was announced in vain.
  watch.heard(packetOf(2000, 4001, true), "192.0.2.7");
  assert.deepEqual(reports, []);
});

test("the other node is reported once a minute while it goes on, and its replays not at all", async () => {
  const { watch, clock, reports, outdone } = newWatch();
  for (let second = 0; second < 300; second++) {
    // It, too, outdoes this node.
    watch.heard(packetOf(2000 + 100 * second, 4002), "192.0.2.7");
    await clock.advance(1000);
  }
  assert.equal(reports.length, 5);
  await clock.advance(60_000);
  watch.heard(packetOf(outdone.at(-1) ?? 0, 4002), "192.0.2.7");
  assert.equal(reports.length, 5);
});
