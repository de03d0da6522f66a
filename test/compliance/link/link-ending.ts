// What a link promises of its end: told once and last, a goodbye of both ends apart from a truncation.
import assert from "node:assert/strict";
import { DswarmError } from "../../../src/util/errors.ts";
import type { LinkRecorder } from "./link-recorder.ts";
import { assertGoodbye, type LinkTests, pattern, someTurns, soon } from "./link-rig.ts";

const mebibyte = 1 << 20;

/** Declares the tests of the end. */
export function endingTests(tests: LinkTests): void {
  tests.onPair("a link closed without being opened says goodbye, whatever came on it", async (pair, record) => {
    const atDialer = record();
    pair.dialer.open(atDialer);
    pair.dialer.write(pattern(10_000));
    await someTurns();
    await soon(pair.listener.close(), "close()");
    await atDialer.untilClosed();
    assert.equal(atDialer.reason, undefined);
  });

  tests.onPair("two links closed without being opened both end", async ({ dialer, listener }) => {
    dialer.write(pattern(10_000));
    await soon(Promise.all([dialer.close(), listener.close()]), "close() of both");
  });

  for (const who of ["dialer", "listener"] as const) {
    tests.onOpenPair(`a goodbye of the ${who} ends both ends without a reason`, async (pair) => {
      await soon(pair[who].close(), "close()");
      await assertGoodbye(pair);
    });

    tests.onOpenPair(`all that the ${who} wrote before close arrives`, async (pair) => {
      const reader = who === "dialer" ? pair.atListener : pair.atDialer;
      const bytes = pattern(mebibyte);
      pair[who].write(bytes);
      await soon(pair[who].close(), "close()");
      await assertGoodbye(pair);
      assert.ok(reader.bytes.equals(bytes));
    });

    tests.onOpenPair(
      `an abort of the ${who} gives its reason there and a truncation at the other end`,
      async (pair) => {
        const [here, there] = who === "dialer" ? [pair.atDialer, pair.atListener] : [pair.atListener, pair.atDialer];
        const reason = new DswarmError("keepalive_timeout");
        pair[who].abort(reason);
        await Promise.all([here.untilClosed(), there.untilClosed()]);
        assert.equal(here.reason, reason);
        assert.ok(there.reason instanceof DswarmError);
        await someTurns();
        here.assertClosedOnce();
        there.assertClosedOnce();
      },
    );
  }

  tests.onOpenPair("both ends may say goodbye at once, and all that both wrote before arrives", async (pair) => {
    const [toListener, toDialer] = [pattern(200_000, 1), pattern(200_000, 2)];
    pair.dialer.write(toListener);
    pair.listener.write(toDialer);
    await soon(Promise.all([pair.dialer.close(), pair.listener.close()]), "close() of both");
    await assertGoodbye(pair);
    assert.ok(pair.atListener.bytes.equals(toListener));
    assert.ok(pair.atDialer.bytes.equals(toDialer));
  });

  tests.onOpenPair("what the other end wrote before it had the goodbye arrives", async (pair) => {
    const bytes = pattern(200_000);
    pair.listener.write(bytes);
    await soon(pair.dialer.close(), "close()");
    await assertGoodbye(pair);
    assert.ok(pair.atDialer.bytes.equals(bytes));
  });

  tests.onOpenPair("close resolves after closed, and may be called again at any time", async (pair) => {
    const closedFirst: number[] = [];
    const closings = [1, 2].map(async () => {
      await pair.dialer.close();
      closedFirst.push(pair.atDialer.closings);
    });
    await soon(Promise.all(closings), "close() called twice");
    assert.deepEqual(closedFirst, [1, 1]);
    await soon(pair.dialer.close(), "close() after the end");
    await soon(pair.listener.close(), "close() at the other end");
    await assertGoodbye(pair);
  });

  tests.onOpenPair("what is written after close is dropped", async (pair) => {
    pair.dialer.write(pattern(100));
    const closing = pair.dialer.close();
    pair.dialer.write(pattern(100, 2));
    await soon(closing, "close()");
    pair.dialer.write(pattern(mebibyte));
    pair.listener.write(pattern(mebibyte));
    await assertGoodbye(pair);
    assert.ok(pair.atListener.bytes.equals(pattern(100)));
    assert.equal(pair.atDialer.byteCount, 0);
  });

  tests.onOpenPair(
    "write, close and abort after an abort do nothing",
    async ({ dialer, listener, atDialer, atListener }) => {
      const reason = new DswarmError("peer_not_allowed");
      dialer.abort(reason);
      dialer.abort(new DswarmError("node_closed"));
      dialer.write(pattern(mebibyte));
      await soon(dialer.close(), "close() after abort()");
      await atListener.untilClosed();
      listener.write(pattern(100));
      listener.abort(reason);
      await soon(listener.close(), "close() after the end");
      await someTurns();
      atDialer.assertClosedOnce();
      atListener.assertClosedOnce();
      assert.equal(atDialer.reason, reason);
    },
  );

  tests.onOpenPair(
    "an abort within a pending close ends it at once with the reason",
    async ({ dialer, atDialer, atListener }) => {
      const reason = new DswarmError("node_closed");
      const closing = dialer.close();
      dialer.abort(reason);
      await soon(closing, "close()");
      assert.equal(atDialer.reason, reason);
      await atListener.untilClosed();
      await someTurns();
      atDialer.assertClosedOnce();
      atListener.assertClosedOnce();
    },
  );

  tests.onPair("an abort before open, or in its turn, is told once and after it", async (pair, record) => {
    const [early, late] = [new DswarmError("node_closed"), new DswarmError("peer_not_allowed")];
    const [atDialer, atListener] = [record(), record()];
    pair.dialer.abort(early);
    pair.dialer.open(atDialer);
    assert.ok(atDialer.isUntouched);
    pair.listener.open(atListener);
    pair.listener.abort(late);
    await Promise.all([atDialer.untilClosed(), atListener.untilClosed()]);
    await someTurns();
    atDialer.assertClosedOnce();
    atListener.assertClosedOnce();
    assert.equal(atDialer.reason, early);
    assert.equal(atListener.reason, late);
  });

  tests.onPair("aborting within data delivers nothing more", async ({ dialer, listener }, record) => {
    const reason = new DswarmError("frame_invalid");
    const [atDialer, atListener] = [record(), record({ data: () => listener.abort(reason) })];
    dialer.open(atDialer);
    listener.open(atListener);
    for (let i = 0; i < 100; i++) dialer.write(pattern(5000, i));
    await Promise.all([atDialer.untilClosed(), atListener.untilClosed()]);
    await someTurns();
    atDialer.assertClosedOnce();
    atListener.assertClosedOnce();
    assert.equal(atListener.reason, reason);
    assert.equal(atListener.chunks.length, 1);
  });

  tests.onPair("writing and closing within data works: an echo that says goodbye", async (pair, record) => {
    const bytes = pattern(50_000);
    const atDialer = record();
    const atListener: LinkRecorder = record({
      data(chunk) {
        pair.listener.write(chunk);
        if (atListener.byteCount === bytes.length) void pair.listener.close();
      },
    });
    pair.dialer.open(atDialer);
    pair.listener.open(atListener);
    pair.dialer.write(bytes);
    await assertGoodbye({ ...pair, atDialer, atListener });
    assert.ok(atDialer.bytes.equals(bytes));
  });
}
