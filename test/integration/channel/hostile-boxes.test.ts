// What a peer may do after it has proven its key: each breach ends the link, with the same code at either end that
// meets it, and nothing else.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import sodium from "sodium-native";
import { overheadBytes } from "../../../src/channel/box-stream.ts";
import { dial } from "../../../src/channel/dial.ts";
import { type ChannelConfig, resolveChannelOptions } from "../../../src/channel/options.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { createRawServer } from "./raw-server.ts";
import { createRig, OpenLink, openRaw, type RawLink, type RawPeer, until } from "./rig.ts";

interface Breach {
  readonly name: string;
  readonly code: string;
  readonly act: (peer: RawPeer, link: RawLink, config: ChannelConfig) => void;
  /** Whether what was sent before may not arrive. @default false */
  readonly loses?: boolean;
}

const before = Buffer.from("in good order");

/** The first header box of a link, over a length and a mac of one's choice. */
function forgeHeader({ key, nonce }: RawLink, length: number, mac: Uint8Array): Buffer {
  const header = Buffer.alloc(18);
  header.writeUInt16BE(length);
  header.set(mac, 2);
  const box = Buffer.alloc(overheadBytes);
  sodium.crypto_secretbox_easy(box, header, nonce, key);
  return box;
}

function flip(bytes: Buffer, at: number): Buffer {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}

/** Breaches after good bytes, which must have been delivered. */
const breaches: readonly Breach[] = [
  {
    name: "a flipped bit of a header",
    code: "box_invalid",
    act: (peer, l) => peer.send(flip(l.boxer.box(before), 20)),
  },
  { name: "a flipped bit of a body", code: "box_invalid", act: (peer, l) => peer.send(flip(l.boxer.box(before), 40)) },
  { name: "bytes that are no box", code: "box_invalid", act: (peer) => peer.send(randomBytes(100)) },
  {
    name: "a box left out",
    code: "box_invalid",
    act(peer, link) {
      link.boxer.box(before);
      peer.send(link.boxer.box(before));
    },
  },
  { name: "an end without goodbye", code: "link_truncated", act: (peer) => peer.socket.close(1000) },
  { name: "a reset", code: "link_truncated", loses: true, act: (peer) => peer.socket.terminate() },
  {
    name: "an end within a box",
    code: "link_truncated",
    act(peer, { boxer }) {
      peer.send(boxer.box(before).subarray(0, 40));
      peer.socket.close();
    },
  },
  {
    name: "data after the goodbye",
    code: "box_after_goodbye",
    act: (peer, { boxer }) => peer.send(Buffer.concat([boxer.goodbye(), boxer.box(before)])),
  },
  { name: "a text message", code: "websocket_text", act: (peer) => peer.send("text") },
  {
    name: "a message over maxMessageBytes",
    code: "websocket_too_large",
    act: (peer, _link, { maxMessageBytes }) => peer.send(Buffer.alloc(maxMessageBytes + 1)),
  },
  {
    name: "fragments that add up to more than maxMessageBytes",
    code: "websocket_too_large",
    act(peer, _link, { maxMessageBytes }) {
      peer.socket.send(Buffer.alloc(maxMessageBytes), { fin: false });
      peer.socket.send(Buffer.alloc(1));
    },
  },
  {
    name: "endless empty fragments",
    code: "websocket_invalid",
    act(peer) {
      for (let i = 0; i < 1100; i++) peer.socket.send(Buffer.alloc(0), { fin: false });
    },
  },
];

/** Breaches with the very first box, whose nonce the test knows. */
const firstBoxBreaches: readonly Breach[] = [
  {
    name: "a header that announces 4097 bytes",
    code: "box_too_large",
    act: (peer, link) => peer.send(forgeHeader(link, 4097, randomBytes(16))),
  },
  {
    name: "a header that announces 65535 bytes",
    code: "box_too_large",
    act: (peer, link) => peer.send(forgeHeader(link, 65_535, randomBytes(16))),
  },
  {
    name: "an empty body",
    code: "box_invalid",
    act: (peer, link) => peer.send(forgeHeader(link, 0, randomBytes(16))),
  },
];

async function breach(peer: RawPeer, raw: RawLink, { act }: Breach, config: ChannelConfig): Promise<void> {
  act(peer, raw, config);
  await peer.closed();
}

test("a breach by a dialer ends its link at the listener and nothing else", async (t) => {
  await using rig = await createRig({ echoes: false });
  const bystander = new OpenLink(await rig.dial());
  for (const kind of [...breaches, ...firstBoxBreaches]) {
    await t.test(kind.name, async () => {
      const keys = generateKeyPair();
      const peer = await openRaw(rig.port);
      const raw = await peer.shakeAsDialer(rig, keys);
      const failures = rig.counters.get(`link.failed.${kind.code}`);
      await until("it is accepted", () => rig.links.at(-1)?.link.remoteId.equals(keys.id) === true);
      const accepted = await rig.accepted();
      const sendsBefore = breaches.includes(kind);
      if (sendsBefore) peer.send(raw.boxer.box(before));
      await breach(peer, raw, kind, rig.config);
      assert.equal(await accepted.end(), kind.code);
      if (kind.loses !== true) assert.deepEqual(accepted.received, sendsBefore ? before : Buffer.alloc(0));
      await until("it is counted", () => rig.counters.get(`link.failed.${kind.code}`) === failures + 1);
      const line = rig.logs.findLast(({ event }) => event === "link_failed");
      assert.equal(line?.["code"], kind.code);
      assert.equal(line?.["remoteId"], keys.id.toString());
      assert.equal(bystander.isClosed, false);
      bystander.link.write(Buffer.from("still here"));
    });
  }
  const first = rig.links[0];
  const count = breaches.length + firstBoxBreaches.length;
  await until("the bystander's bytes are there", () => first?.receivedBytes === count * "still here".length);
});

test("a breach by a listener ends the link at the dialer", async (t) => {
  const keys = generateKeyPair();
  const networkKey = randomBytes(32);
  const config = resolveChannelOptions();
  for (const kind of [...breaches, ...firstBoxBreaches]) {
    await t.test(kind.name, async () => {
      const sendsBefore = breaches.includes(kind);
      await using server = await createRawServer(async (peer) => {
        const raw = await peer.shakeAsListener(keys, networkKey);
        if (sendsBefore) peer.send(raw.boxer.box(before));
        await breach(peer, raw, kind, config);
      });
      const address = { id: keys.id, host: "127.0.0.1", port: server.port };
      const dialed = new OpenLink(
        await dial({ address, keys: generateKeyPair(), networkKey, config, clock: systemClock }),
      );
      assert.equal(await dialed.end(), kind.code);
      if (kind.loses !== true) assert.deepEqual(dialed.received, sendsBefore ? before : Buffer.alloc(0));
      assert.deepEqual(server.faults, []);
    });
  }
});
