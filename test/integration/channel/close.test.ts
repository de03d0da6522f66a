// How links end, and how a link behaves towards a peer that does not read.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { resolveChannelOptions } from "../../../src/channel/options.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { createRig, OpenLink, openRaw, type RawLink, type RawPeer, type Rig, until } from "./rig.ts";

/** A raw dialer and the listener's link to it. */
async function rawPair(rig: Rig): Promise<{ peer: RawPeer; raw: RawLink; accepted: OpenLink }> {
  const peer = await openRaw(rig.port);
  const raw = await peer.shakeAsDialer(rig);
  return { peer, raw, accepted: await rig.accepted() };
}

test("what was written before close arrives, and both ends see a goodbye", async () => {
  for (const closer of ["dialer", "listener", "both"]) {
    await using rig = await createRig({ echoes: false });
    const dialed = new OpenLink(await rig.dial());
    const accepted = await rig.accepted();
    const [up, down] = [randomBytes(3_000_000), randomBytes(2_000_000)];
    dialed.link.write(up);
    accepted.link.write(down);
    const closing = [];
    if (closer !== "listener") closing.push(dialed.link.close());
    if (closer !== "dialer") closing.push(accepted.link.close());
    await Promise.all(closing);
    assert.deepEqual([await dialed.end(), await accepted.end()], ["goodbye", "goodbye"]);
    assert.ok(accepted.received.equals(up), `${closer}: the listener has it all`);
    assert.ok(dialed.received.equals(down), `${closer}: the dialer has it all`);
    assert.equal(rig.listener.connections, 0);
    assert.deepEqual(rig.logs, []);
  }
});

test("close may be called twice, and after the end", async () => {
  await using rig = await createRig();
  const dialed = new OpenLink(await rig.dial());
  await Promise.all([dialed.link.close(), dialed.link.close()]);
  await dialed.link.close();
  assert.equal(await dialed.end(), "goodbye");
});

test("what is written after close is dropped", async () => {
  await using rig = await createRig({ echoes: false });
  const dialed = new OpenLink(await rig.dial());
  const accepted = await rig.accepted();
  dialed.link.write(Buffer.from("before"));
  const closing = dialed.link.close();
  assert.equal(dialed.link.write(Buffer.from("after")), true);
  await closing;
  assert.equal(dialed.link.write(Buffer.from("long after")), true);
  assert.equal(await accepted.end(), "goodbye");
  assert.equal(accepted.received.toString(), "before");
});

test("an abort ends the own end at once with its reason, and the other as truncated", async () => {
  await using rig = await createRig();
  const dialed = new OpenLink(await rig.dial());
  const accepted = await rig.accepted();
  await until("it is open", () => rig.listener.connections === 1);
  dialed.link.write(Buffer.from("x"));
  await until("the echo is back", () => dialed.receivedBytes === 1);
  const reason = new DswarmError("frame_invalid");
  dialed.link.abort(reason);
  assert.equal(dialed.closeReason, reason);
  dialed.link.abort(new DswarmError("link_closed"));
  await dialed.link.close();
  assert.equal(dialed.closeReason, reason);
  assert.equal(await accepted.end(), "link_truncated");
  await until("it is counted", () => rig.counters.get("link.failed.link_truncated") === 1);
});

test("a peer that never says goodbye is given closeTimeoutMs", async () => {
  const clock = new VirtualClock();
  await using rig = await createRig({ clock });
  const { peer, accepted } = await rawPair(rig);
  const closing = accepted.link.close();
  await until("our goodbye is there", () => peer.unreadBytes === 34);
  await clock.advance(rig.config.closeTimeoutMs);
  // One more wait may follow the goodbye itself, which moved within the first.
  await clock.advance(rig.config.closeTimeoutMs);
  await closing;
  assert.equal(await accepted.end(), "link_truncated");
  await peer.closed();
});

test("a close waits on while something still moves, ten times closeTimeoutMs at most", async () => {
  const clock = new VirtualClock();
  await using rig = await createRig({ clock, echoes: false });
  const { peer, raw, accepted } = await rawPair(rig);
  const closing = accepted.link.close();
  for (let i = 1; i < 10; i++) {
    peer.send(raw.boxer.box(Buffer.of(i)));
    await until("it has come", () => accepted.receivedBytes === i);
    await clock.advance(rig.config.closeTimeoutMs);
    assert.equal(accepted.isClosed, false);
  }
  peer.send(raw.boxer.box(Buffer.of(10)));
  await until("it has come", () => accepted.receivedBytes === 10);
  await clock.advance(rig.config.closeTimeoutMs);
  await closing;
  assert.equal(await accepted.end(), "link_truncated");
  await peer.closed();
});

test("a peer's goodbye is answered at once, and what it sent before is delivered", async () => {
  await using rig = await createRig({ echoes: false });
  const { peer, raw, accepted } = await rawPair(rig);
  peer.send(Buffer.concat([raw.boxer.box(Buffer.from("last words")), raw.boxer.goodbye()]));
  const plain: Uint8Array[] = [];
  raw.unboxer.push(await peer.read(34), plain);
  assert.ok(raw.unboxer.saidGoodbye);
  assert.equal(await accepted.end(), "goodbye");
  assert.equal(accepted.received.toString(), "last words");
  await peer.closed();
  assert.equal(peer.closeCode, 1000);
});

test("write returns false above the high-water mark, and drain comes once when the peer reads on", async () => {
  await using rig = await createRig({ echoes: false });
  const { peer, raw, accepted } = await rawPair(rig);
  peer.socket.pause();
  const chunk = randomBytes(65_536);
  let writes = 0;
  for (let hasRoom = true; hasRoom; writes++) {
    hasRoom = accepted.link.write(chunk);
    // The operating system's buffers fill first.
    await new Promise(setImmediate);
    assert.ok(writes < 2000);
  }
  assert.ok(accepted.link.bufferedBytes > rig.config.highWaterMarkBytes);
  assert.equal(accepted.drains, 0);
  peer.socket.resume();
  await until("it drains", () => accepted.drains === 1);
  assert.ok(accepted.link.bufferedBytes <= rig.config.highWaterMarkBytes / 2);
  const plain: Uint8Array[] = [];
  raw.unboxer.push(await peer.read(writes * (65_536 + 16 * 34)), plain);
  assert.ok(Buffer.concat(plain).equals(Buffer.concat(Array.from({ length: writes }, () => chunk))));
  assert.equal(accepted.drains, 1);
  peer.socket.terminate();
});

test("a drain that falls due before open comes with open", async () => {
  await using rig = await createRig();
  const link = await rig.dial({ config: resolveChannelOptions({ highWaterMarkBytes: 1 }) });
  assert.equal(link.write(randomBytes(100_000)), false);
  await until("it is written out", () => link.bufferedBytes === 0);
  const opened = new OpenLink(link);
  await until("it drains", () => opened.drains === 1);
  await link.close();
});

test("a link to a peer that does not read is ended above maxBufferedBytes", async () => {
  await using rig = await createRig({
    channel: { highWaterMarkBytes: 65_536, maxBufferedBytes: 1_000_000 },
  });
  const { peer, accepted } = await rawPair(rig);
  peer.socket.pause();
  for (let i = 0; i < 1000 && !accepted.isClosed; i++) {
    accepted.link.write(randomBytes(100_000));
    assert.ok(accepted.link.bufferedBytes < 1_200_000);
    await new Promise(setImmediate);
  }
  assert.equal(await accepted.end(), "peer_too_slow");
  peer.socket.resume();
  await peer.closed();
  await rig.assertServes();
});

test("closing the listener says goodbye on every link, drops half-open connections and accepts no more", async () => {
  const rig = await createRig();
  const links = await Promise.all([rig.dial(), rig.dial(), rig.dial()]);
  const opened = links.map((link) => new OpenLink(link));
  const stranger = await openRaw(rig.port);
  await until("they are there", () => rig.listener.connections === 3 && rig.listener.halfOpen === 1);
  await rig.listener.close();
  await rig.listener.close();
  assert.deepEqual(await Promise.all(opened.map((link) => link.end())), ["goodbye", "goodbye", "goodbye"]);
  await stranger.closed();
  assert.equal(stranger.closeCode, 1001, "who was shaking hands is told why that ends");
  await until("it is empty", () => rig.listener.halfOpen === 0);
  rig.server.on("request", (_request, response) => response.writeHead(404).end());
  await assert.rejects(rig.dial(), { code: "not_dswarm" });
  assert.deepEqual(rig.logs, []);
  await rig[Symbol.asyncDispose]();
});

test("a handler that throws costs its own link only", async () => {
  let accepts = 0;
  const opened: OpenLink[] = [];
  await using rig = await createRig({
    onLink: (link) => {
      accepts += 1;
      if (accepts === 1) throw new Error("handler fault");
      opened.push(new OpenLink(link, true));
    },
  });
  const first = new OpenLink(await rig.dial({ keys: generateKeyPair() }));
  assert.equal(await first.end(), "link_truncated");
  assert.ok(rig.logs.some(({ event }) => event === "link_handler_failed"));
  await rig.assertServes();
});
