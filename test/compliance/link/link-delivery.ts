// What a link promises of the bytes on it: order, memory, the time of delivery, back-pressure.
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Link } from "../../../src/link/link.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import type { LinkRecorder } from "./link-recorder.ts";
import { assertGoodbye, type LinkTests, pattern, someTurns, soon } from "./link-rig.ts";

const transferBytes = 4 << 20;
const writeBytes = 16_384;
// What one end may write before `write` has to return false.
const maxUnaskedBytes = 64 << 20;

/** Writes all, stopping where `write` says so until `drain`. */
async function writeAll(link: Link, sink: LinkRecorder, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += writeBytes) {
    const { drains } = sink;
    if (!link.write(bytes.subarray(at, at + writeBytes))) await sink.until("drain", () => sink.drains > drains);
  }
}

/** Declares the tests of delivery. */
export function deliveryTests(tests: LinkTests): void {
  tests.onOpenPair("knows its role, both keys and the remote address", async ({ dialer, listener }) => {
    assert.equal(dialer.role, "dialer");
    assert.equal(listener.role, "listener");
    assert.ok(dialer.localId.equals(listener.remoteId));
    assert.ok(listener.localId.equals(dialer.remoteId));
    assert.ok(!dialer.localId.equals(listener.localId));
    for (const link of [dialer, listener]) assert.match(link.remoteAddress, /^.+:\d+$/);
  });

  tests.onOpenPair("delivers writes of any size in order, both ways", async (pair) => {
    const sizes = [1, 0, 2, 15, 16, 17, 0, 4095, 4096, 4097, 3, 8192, 12_289, 65_535, 65_536, 65_537, 1, 200_000];
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const [toListener, toDialer] = [pattern(total, 1), pattern(total, 2)];
    let at = 0;
    for (const size of sizes) {
      pair.dialer.write(toListener.subarray(at, at + size));
      pair.listener.write(toDialer.subarray(at, at + size));
      at += size;
      if (size % 2 === 1) await nextTurn();
    }
    await Promise.all([pair.atListener.untilBytes(total), pair.atDialer.untilBytes(total)]);
    assert.ok(pair.atListener.bytes.equals(toListener));
    assert.ok(pair.atDialer.bytes.equals(toDialer));
  });

  tests.onOpenPair("delivers thousands of small writes in order", async ({ dialer, atListener }) => {
    const bytes = pattern(9000);
    for (let at = 0; at < bytes.length; at += 3) dialer.write(bytes.subarray(at, at + 3));
    await atListener.untilBytes(bytes.length);
    assert.ok(atListener.bytes.equals(bytes));
  });

  tests.onPair("delivers nothing while it is paused, and all of it in order after that", async (pair, record) => {
    const bytes = pattern(300_000);
    const atDialer = record();
    const atListener: LinkRecorder = record({ data: () => pair.listener.pause() });
    pair.dialer.open(atDialer);
    pair.listener.open(atListener);
    const written = writeAll(pair.dialer, atDialer, bytes);
    for (let chunks = 1; ; chunks++) {
      await atListener.until("data", () => atListener.chunks.length >= chunks);
      if (chunks % 100 === 1) await someTurns();
      assert.equal(atListener.chunks.length, chunks);
      if (atListener.byteCount === bytes.length) break;
      pair.listener.resume();
    }
    await written;
    assert.ok(atListener.bytes.equals(bytes));
  });

  tests.onPair("holds back the sender while it is paused", async (pair, record) => {
    const atDialer = record();
    const atListener: LinkRecorder = record({ data: () => pair.listener.pause() });
    pair.dialer.open(atDialer);
    pair.listener.open(atListener);
    let [isHeld, sent] = [false, 0];
    while (!isHeld && sent < maxUnaskedBytes) {
      isHeld = !pair.dialer.write(pattern(writeBytes));
      sent += writeBytes;
      if (isHeld) {
        for (let i = 0; i < 20; i++) await someTurns();
        isHeld = atDialer.drains === 0;
        atDialer.drains = 0;
      }
    }
    assert.ok(isHeld);
  });

  tests.onPair("delivers what came before a goodbye, though it is paused when that comes", async (pair, record) => {
    const bytes = pattern(50_000);
    const atDialer = record();
    const atListener: LinkRecorder = record({ data: () => pair.listener.pause() });
    pair.dialer.open(atDialer);
    pair.listener.open(atListener);
    pair.dialer.write(bytes.subarray(0, 10));
    await atListener.untilBytes(10);
    pair.dialer.write(bytes.subarray(10));
    const closed = pair.dialer.close();
    await someTurns();
    assert.equal(atListener.byteCount, 10);
    while (atListener.closings === 0) {
      pair.listener.resume();
      await nextTurn();
    }
    await soon(closed, "close");
    assert.ok(atListener.bytes.equals(bytes));
    assert.equal(atListener.reason, undefined);
  });

  tests.onOpenPair("has read what it is given when write returns", async ({ dialer, atListener }) => {
    const memory = Buffer.alloc(100_000);
    for (const round of [1, 2, 3]) {
      memory.fill(round);
      dialer.write(memory);
      memory.fill(0xee);
    }
    await atListener.untilBytes(300_000);
    const expected = Buffer.concat([1, 2, 3].map((round) => Buffer.alloc(100_000, round)));
    assert.ok(atListener.bytes.equals(expected));
  });

  tests.onOpenPair("leaves the memory of what it delivered alone", async ({ dialer, atListener }) => {
    const bytes = pattern(500_000);
    let at = 0;
    for (let part = 0; part < 10; part++) {
      dialer.write(bytes.subarray(at, at + 50_000));
      at += 50_000;
      await atListener.untilBytes(at);
    }
    assert.ok(atListener.bytes.equals(bytes));
  });

  tests.onPair(
    "delivers nothing before open returns, and then all that came before",
    async ({ dialer, listener }, record) => {
      const [atDialer, atListener] = [record(), record()];
      dialer.open(atDialer);
      dialer.write(pattern(10_000));
      await someTurns();
      listener.open(atListener);
      assert.ok(atListener.isUntouched);
      dialer.write(pattern(10_000, 2));
      await atListener.untilBytes(20_000);
      assert.ok(atListener.bytes.equals(Buffer.concat([pattern(10_000), pattern(10_000, 2)])));
    },
  );

  tests.onPair("delivers bytes and goodbye that came before open", async (pair, record) => {
    const [atDialer, atListener] = [record(), record()];
    pair.dialer.open(atDialer);
    pair.dialer.write(pattern(10_000));
    const closing = pair.dialer.close();
    await nextTurn();
    pair.listener.open(atListener);
    assert.ok(atListener.isUntouched);
    await assertGoodbye({ ...pair, atDialer, atListener });
    assert.ok(atListener.bytes.equals(pattern(10_000)));
    await soon(closing, "close()");
  });

  tests.onPair("open and close in one turn deliver what came before", async (pair, record) => {
    const [atDialer, atListener] = [record(), record()];
    pair.dialer.open(atDialer);
    pair.dialer.write(pattern(10_000));
    await someTurns();
    pair.listener.open(atListener);
    await soon(pair.listener.close(), "close()");
    await assertGoodbye({ ...pair, atDialer, atListener });
    assert.ok(atListener.bytes.equals(pattern(10_000)));
  });

  tests.onOpenPair("write returns false when much is queued, and drain follows when there is room", async (pair) => {
    const { dialer, atDialer, atListener } = pair;
    const chunk = pattern(writeBytes);
    let written = 0;
    let refusals = 0;
    for (let round = 0; round < 3; round++) {
      const { drains } = atDialer;
      let hasRoom = true;
      while (hasRoom && written < maxUnaskedBytes) {
        hasRoom = dialer.write(chunk);
        written += chunk.length;
      }
      assert.equal(hasRoom, false, `${written} bytes were queued and write never returned false`);
      refusals++;
      assert.ok(dialer.bufferedBytes > 0);
      await atDialer.until("drain", () => atDialer.drains > drains);
    }
    await atListener.untilBytes(written);
    await someTurns();
    assert.equal(atListener.byteCount, written);
    assert.ok(atDialer.drains <= refusals, "drain was told without a write that returned false");
    assert.equal(dialer.bufferedBytes, 0);
  });

  tests.onOpenPair("carries big transfers both ways at once", async (pair) => {
    const [toListener, toDialer] = [pattern(transferBytes, 1), pattern(transferBytes, 2)];
    await Promise.all([
      writeAll(pair.dialer, pair.atDialer, toListener),
      writeAll(pair.listener, pair.atListener, toDialer),
    ]);
    await Promise.all([pair.atListener.untilBytes(transferBytes), pair.atDialer.untilBytes(transferBytes)]);
    assert.ok(pair.atListener.bytes.equals(toListener));
    assert.ok(pair.atDialer.bytes.equals(toDialer));
  });

  tests.onOpenPair("an abort within big transfers leaves each end with a prefix", async (pair) => {
    const [toListener, toDialer] = [pattern(transferBytes, 1), pattern(transferBytes, 2)];
    for (let at = 0; at < transferBytes; at += writeBytes) {
      pair.dialer.write(toListener.subarray(at, at + writeBytes));
      pair.listener.write(toDialer.subarray(at, at + writeBytes));
    }
    await pair.atListener.untilBytes(1);
    pair.dialer.abort(new DswarmError("node_closed"));
    await Promise.all([pair.atDialer.untilClosed(), pair.atListener.untilClosed()]);
    await someTurns();
    pair.atDialer.assertClosedOnce();
    pair.atListener.assertClosedOnce();
    const [atListener, atDialer] = [pair.atListener.bytes, pair.atDialer.bytes];
    assert.ok(atListener.equals(toListener.subarray(0, atListener.length)));
    assert.ok(atDialer.equals(toDialer.subarray(0, atDialer.length)));
  });
}
