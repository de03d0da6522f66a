// Dialer and listener over real TLS and websockets, and each against a peer that splits its bytes in every way.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import crypto from "secret-handshake/crypto.js";
import { Boxer } from "../../../src/channel/box-stream.ts";
import { dial } from "../../../src/channel/dial.ts";
import { Handshake } from "../../../src/channel/handshake.ts";
import { resolveChannelOptions } from "../../../src/channel/options.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import type { Link } from "../../../src/link/link.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { createRawServer } from "./raw-server.ts";
import { createRig, OpenLink, openRaw, rawLink, until } from "./rig.ts";

const splittings: readonly (readonly [name: string, lengths: readonly number[]])[] = [
  ["one byte a message", [1]],
  ["all in one message", [1 << 20]],
  ["uneven pieces", [3, 70, 1, 33, 400]],
];

test("both ends of a link know each other and exchange bytes both ways", async () => {
  await using rig = await createRig({ echoes: false });
  const keys = generateKeyPair();
  const dialed = new OpenLink(await rig.dial({ keys }));
  const accepted = await rig.accepted();
  assert.equal(dialed.link.role, "dialer");
  assert.equal(accepted.link.role, "listener");
  assert.ok(dialed.link.remoteId.equals(rig.keys.id) && dialed.link.localId.equals(keys.id));
  assert.ok(accepted.link.remoteId.equals(keys.id) && accepted.link.localId.equals(rig.keys.id));
  assert.equal(dialed.link.remoteAddress, `127.0.0.1:${rig.port}`);
  assert.match(accepted.link.remoteAddress, /^127\.0\.0\.1:\d+$/);
  const [up, down] = [randomBytes(100_000), randomBytes(50_000)];
  dialed.link.write(up);
  accepted.link.write(down);
  await until("all has come", () => accepted.receivedBytes >= up.length && dialed.receivedBytes >= down.length);
  assert.deepEqual(accepted.received, up);
  assert.deepEqual(dialed.received, down);
  assert.equal(rig.listener.connections, 1);
  assert.equal(rig.listener.halfOpen, 0);
  assert.equal(rig.counters.get("handshake.ok"), 1);
});

test("what is written in several calls of one tick, over the size of a message, arrives in order", async () => {
  await using rig = await createRig({ channel: { maxMessageBytes: 4130 } });
  const dialed = new OpenLink(await rig.dial({ config: resolveChannelOptions({ maxMessageBytes: 4130 }) }));
  const parts = [randomBytes(1), randomBytes(4096), randomBytes(20_001), randomBytes(0), randomBytes(5)];
  for (const part of parts) dialed.link.write(part);
  const all = Buffer.concat(parts);
  await until("the echo is back", () => dialed.receivedBytes >= all.length);
  assert.deepEqual(dialed.received, all);
});

test("bytes that come before open are delivered after it, in order, and not within it", async () => {
  const { promise, resolve } = Promise.withResolvers<Link>();
  await using rig = await createRig({ onLink: resolve });
  const dialed = await rig.dial();
  const sent = randomBytes(400_000);
  for (let at = 0; at < sent.length; at += 40_000) dialed.write(sent.subarray(at, at + 40_000));
  const accepted = await promise;
  // A turn of the loop in which some of it comes in.
  await new Promise(setImmediate);
  const opened = new OpenLink(accepted);
  assert.equal(opened.receivedBytes, 0);
  await until("all has come", () => opened.receivedBytes >= sent.length);
  assert.deepEqual(opened.received, sent);
  dialed.abort(new DswarmError("link_closed"));
});

test("a link that is closed or aborted without being opened ends at both ends", async () => {
  for (const end of ["close", "abort"] as const) {
    const ends: Promise<void>[] = [];
    await using rig = await createRig({
      onLink: (link) => {
        if (end === "close") ends.push(link.close());
        else link.abort(new DswarmError("link_closed"));
      },
    });
    const dialed = new OpenLink(await rig.dial());
    dialed.link.write(randomBytes(1000));
    assert.equal(await dialed.end(), end === "close" ? "goodbye" : "link_truncated");
    await Promise.all(ends);
    await until("the listener is empty", () => rig.listener.connections === 0);
  }
});

for (const [name, lengths] of splittings) {
  test(`the listener takes the handshake and the first boxes with ${name}`, async () => {
    await using rig = await createRig();
    await splitAtListener(rig, lengths);
    await rig.assertServes();
  });

  test(`the dialer takes the handshake and the first boxes with ${name}`, async () => {
    await splitAtDialer(lengths);
  });
}

test("both roles take any splitting", async () => {
  await using rig = await createRig();
  const anyLengths = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(anyLengths, async (lengths) => {
      await splitAtListener(rig, lengths);
      await splitAtDialer(lengths);
    }),
    { numRuns: 8 },
  );
});

/** Says all that a dialer may say before the listener has answered it, split; then asserts the echo of its boxes. */
async function splitAtListener(rig: Awaited<ReturnType<typeof createRig>>, lengths: readonly number[]): Promise<void> {
  const keys = generateKeyPair();
  const state = crypto.initialize({
    app_key: Buffer.from(rig.networkKey),
    random: randomBytes(32),
    local: { publicKey: Buffer.from(keys.id.bytes), secretKey: Buffer.from(keys.secretKey) },
    remote: { publicKey: Buffer.from(rig.keys.id.bytes) },
  });
  const peer = await openRaw(rig.port);
  peer.sendSplit(crypto.createChallenge(state), lengths);
  assert.ok(crypto.clientVerifyChallenge(state, await peer.read(64)));
  const authenticate = crypto.clientCreateAuth(state);
  // The keys of the box stream are known before the accept, which this peer does not wait for.
  assert.equal(crypto.clientVerifyAccept(state, Buffer.alloc(80)), null);
  const { encryptKey, remote } = crypto.clean(state);
  assert.ok(encryptKey && remote.app_mac);
  const boxer = new Boxer(encryptKey, remote.app_mac.subarray(0, 24));
  const plain = randomBytes(300);
  peer.sendSplit(Buffer.concat([authenticate, boxer.box(plain), boxer.goodbye()]), lengths);
  // The accept, the echo (which may come in several boxes) and the goodbye; then the websocket closes.
  await peer.closed();
  assert.ok(peer.unreadBytes >= 80 + 34 + 300 + 34);
  const accepted = rig.links.at(-1);
  assert.ok(accepted);
  assert.ok(accepted.link.remoteId.equals(keys.id));
  assert.deepEqual(accepted.received, plain);
  assert.equal(await accepted.end(), "goodbye");
}

async function splitAtDialer(lengths: readonly number[]): Promise<void> {
  const keys = generateKeyPair();
  const networkKey = randomBytes(32);
  const plain = randomBytes(300);
  await using server = await createRawServer(async (peer) => {
    const handshake = Handshake.listener({ keys, networkKey, seed: randomBytes(32) });
    peer.sendSplit(handshake.push(await peer.read(64)).send ?? Buffer.alloc(0), lengths);
    const { send, outcome } = handshake.push(await peer.read(112));
    const { boxer } = rawLink(outcome);
    peer.sendSplit(Buffer.concat([send ?? Buffer.alloc(0), boxer.box(plain), boxer.goodbye()]), lengths);
  });
  const dialed = new OpenLink(
    await dial({
      address: { id: keys.id, host: "127.0.0.1", port: server.port },
      keys: generateKeyPair(),
      networkKey,
      config: resolveChannelOptions(),
      clock: systemClock,
    }),
  );
  assert.equal(await dialed.end(), "goodbye");
  assert.deepEqual(dialed.received, plain);
}
