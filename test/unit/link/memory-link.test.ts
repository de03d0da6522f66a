// What only the memory link can do: cut at a byte, partition, delay on simulated time.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { createMemoryLink, type MemoryLinkOptions, type MemoryLinkPair } from "../../../src/link/memory-link.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { LinkRecorder } from "../../compliance/link/link-recorder.ts";

const dialerId = keyPairFromSeed(new Uint8Array(32).fill(1)).id;
const listenerId = keyPairFromSeed(new Uint8Array(32).fill(2)).id;

interface OpenMemoryLink extends MemoryLinkPair {
  readonly clock: VirtualClock;
  readonly atDialer: LinkRecorder;
  readonly atListener: LinkRecorder;
}

function openMemoryLink(options: MemoryLinkOptions = {}): OpenMemoryLink {
  const clock = new VirtualClock();
  const pair = createMemoryLink(dialerId, listenerId, { clock, ...options });
  const [atDialer, atListener] = [new LinkRecorder(), new LinkRecorder()];
  pair.dialer.open(atDialer);
  pair.listener.open(atListener);
  return { ...pair, clock, atDialer, atListener };
}

function bytesFrom(start: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => start + i);
}

test("a cut at any byte of an exchange ends both ends once and leaves each with that prefix", async () => {
  const writes = [7, 1, 12, 20];
  const total = writes.reduce((sum, size) => sum + size, 0);
  const whole = bytesFrom(0, total);
  for (const chunkBytes of [1, 5, 100]) {
    for (let cutAfterBytes = 0; cutAfterBytes <= total; cutAfterBytes++) {
      const { dialer, listener, atDialer, atListener, clock } = openMemoryLink({ cutAfterBytes, chunkBytes });
      let at = 0;
      for (const size of writes) {
        dialer.write(whole.subarray(at, at + size));
        listener.write(whole.subarray(at, at + size));
        at += size;
      }
      await clock.advance(10);
      for (const sink of [atDialer, atListener]) {
        sink.assertClosedOnce();
        assert.equal(sink.reason?.code, "link_truncated");
        // The end that is cut off first drops what it has not been told yet.
        assert.ok(sink.byteCount <= cutAfterBytes);
        assert.ok(sink.bytes.equals(whole.subarray(0, sink.byteCount)));
      }
    }
  }
});

test("all bytes before the cut reach an end that writes nothing itself", async () => {
  for (let cutAfterBytes = 0; cutAfterBytes <= 40; cutAfterBytes++) {
    const { dialer, atDialer, atListener, clock } = openMemoryLink({ cutAfterBytes, chunkBytes: 3 });
    for (let at = 0; at <= 40; at += 8) dialer.write(bytesFrom(at, 8));
    await clock.advance(10);
    assert.deepEqual([...atListener.bytes], [...bytesFrom(0, cutAfterBytes)]);
    for (const sink of [atDialer, atListener]) {
      sink.assertClosedOnce();
      assert.equal(sink.reason?.code, "link_truncated");
    }
  }
});

test("a link that is cut while closing is truncated, not ended by a goodbye", async () => {
  const pair = openMemoryLink({ delayMs: () => 50 });
  const { dialer, atDialer, atListener, clock } = pair;
  const closing = dialer.close();
  await clock.advance(20);
  pair.cut();
  await closing;
  await clock.advance(1000);
  for (const sink of [atDialer, atListener]) {
    sink.assertClosedOnce();
    assert.equal(sink.reason?.code, "link_truncated");
  }
});

test("write never calls the sink, not even when it cuts", async () => {
  const { dialer, atDialer, clock } = openMemoryLink({ cutAfterBytes: 4 });
  await clock.advance(1);
  dialer.write(bytesFrom(0, 4));
  assert.ok(atDialer.isUntouched);
  await clock.advance(1);
  atDialer.assertClosedOnce();
});

test("a partition lets nothing through, and all of it in order once it heals", async () => {
  const pair = openMemoryLink({ delayMs: () => 5 });
  const { dialer, listener, atDialer, atListener, clock } = pair;
  dialer.write(bytesFrom(0, 10));
  await clock.advance(5);
  dialer.write(bytesFrom(10, 10));
  pair.setPartitioned(true);
  await clock.advance(1000);
  dialer.write(bytesFrom(20, 10));
  listener.write(bytesFrom(100, 10));
  await clock.advance(1000);
  assert.equal(atListener.byteCount, 10);
  assert.equal(atDialer.byteCount, 0);
  pair.setPartitioned(false);
  dialer.write(bytesFrom(30, 10));
  await clock.advance(5);
  assert.deepEqual([...atListener.bytes], [...bytesFrom(0, 40)]);
  assert.deepEqual([...atDialer.bytes], [...bytesFrom(100, 10)]);
});

test("a goodbye that a partition held up ends both ends once it heals in time", async () => {
  const pair = openMemoryLink({ goodbyeTimeoutMs: 1000 });
  const { dialer, atDialer, atListener, clock } = pair;
  pair.setPartitioned(true);
  const closing = dialer.close();
  await clock.advance(999);
  assert.ok(atDialer.isUntouched && atListener.isUntouched);
  pair.setPartitioned(false);
  await clock.advance(0);
  await closing;
  for (const sink of [atDialer, atListener]) {
    sink.assertClosedOnce();
    assert.equal(sink.reason, undefined);
  }
});

test("close does not wait for a goodbye longer than goodbyeTimeoutMs", async () => {
  const pair = openMemoryLink({ goodbyeTimeoutMs: 1000 });
  const { dialer, atDialer, clock } = pair;
  pair.setPartitioned(true);
  const closing = dialer.close();
  await clock.advance(1000);
  await closing;
  atDialer.assertClosedOnce();
  assert.equal(atDialer.reason?.code, "link_truncated");
});

test("an ended link leaves no timer behind", async () => {
  const { dialer, clock } = openMemoryLink();
  const closing = dialer.close();
  await clock.advance(10);
  await closing;
  assert.equal(clock.step(), false);
});

test("what was sent before an abort still arrives, and then the truncation", async () => {
  const reason = new DswarmError("node_closed");
  const { dialer, atDialer, atListener, clock } = openMemoryLink({ delayMs: () => 10 });
  dialer.write(bytesFrom(0, 10));
  dialer.abort(reason);
  await clock.advance(9);
  assert.ok(atListener.isUntouched);
  assert.equal(atDialer.reason, reason);
  await clock.advance(1);
  assert.equal(atListener.byteCount, 10);
  assert.equal(atListener.reason?.code, "link_truncated");
});

test("an aborted writer is told of no drain", async () => {
  const { dialer, atDialer, atListener, clock } = openMemoryLink({ highWaterMark: 5 });
  assert.equal(dialer.write(bytesFrom(0, 10)), false);
  dialer.abort(new DswarmError("node_closed"));
  await clock.advance(10);
  assert.equal(atListener.byteCount, 10);
  assert.equal(atDialer.drains, 0);
  atDialer.assertClosedOnce();
});

test("a writer that opens late is still told of the drain", async () => {
  const clock = new VirtualClock();
  const { dialer, listener } = createMemoryLink(dialerId, listenerId, { clock, highWaterMark: 5 });
  const [atDialer, atListener] = [new LinkRecorder(), new LinkRecorder()];
  listener.open(atListener);
  assert.equal(dialer.write(bytesFrom(0, 10)), false);
  await clock.advance(10);
  assert.equal(atListener.byteCount, 10);
  dialer.open(atDialer);
  await clock.advance(0);
  assert.equal(atDialer.drains, 1);
});

test("the high-water mark is the number of bytes under way above which write returns false", async () => {
  const { dialer, atDialer, clock } = openMemoryLink({ highWaterMark: 10 });
  assert.equal(dialer.write(bytesFrom(0, 10)), true);
  assert.equal(dialer.bufferedBytes, 10);
  assert.equal(dialer.write(bytesFrom(0, 1)), false);
  await clock.advance(1);
  assert.equal(dialer.bufferedBytes, 0);
  assert.equal(atDialer.drains, 1);
});

test("bytes take the delay, counted from their write", async () => {
  const { dialer, atListener, clock } = openMemoryLink({ delayMs: () => 30 });
  dialer.write(bytesFrom(0, 1));
  await clock.advance(10);
  dialer.write(bytesFrom(1, 1));
  await clock.advance(19);
  assert.equal(atListener.byteCount, 0);
  await clock.advance(1);
  assert.equal(atListener.byteCount, 1);
  await clock.advance(10);
  assert.equal(atListener.byteCount, 2);
});

test("any delays, chunks, pauses and partitions keep the order both ways, and the goodbye last", async () => {
  const steps = fc.array(
    fc.record({
      size: fc.integer({ min: 0, max: 40 }),
      pauseMs: fc.integer({ min: 0, max: 60 }),
      partitioned: fc.boolean(),
    }),
    { maxLength: 20 },
  );
  const chunkSizes = fc.integer({ min: 1, max: 50 });
  await fc.assert(
    fc.asyncProperty(steps, chunkSizes, fc.integer(), async (script, chunkBytes, seed) => {
      const random = new VirtualClock(seed);
      const delayMs = () => random.random() * 100;
      const pair = openMemoryLink({ chunkBytes, delayMs });
      const { dialer, listener, atDialer, atListener, clock } = pair;
      let at = 0;
      for (const { size, pauseMs, partitioned } of script) {
        pair.setPartitioned(partitioned);
        dialer.write(bytesFrom(at, size));
        listener.write(bytesFrom(at + 1, size));
        at += size;
        await clock.advance(pauseMs);
      }
      pair.setPartitioned(false);
      const closing = Promise.all([dialer.close(), listener.close()]);
      await clock.advance(500);
      await closing;
      for (const sink of [atDialer, atListener]) {
        sink.assertClosedOnce();
        assert.equal(sink.reason, undefined);
      }
      assert.deepEqual([...atListener.bytes], [...bytesFrom(0, at)]);
      assert.deepEqual([...atDialer.bytes], [...bytesFrom(1, at)]);
    }),
  );
});

async function eventsOf(seed: number): Promise<string[]> {
  const random = new VirtualClock(seed);
  const clock = new VirtualClock(seed);
  const pair = createMemoryLink(dialerId, listenerId, { clock, chunkBytes: 3, delayMs: () => random.random() * 9 });
  const events: string[] = [];
  pair.dialer.open(new LinkRecorder({ data: (bytes) => events.push(`${clock.now()} dialer ${bytes.join()}`) }));
  pair.listener.open(
    new LinkRecorder({
      data(bytes) {
        events.push(`${clock.now()} listener ${bytes.join()}`);
        pair.listener.write(bytes);
      },
    }),
  );
  for (let i = 0; i < 10; i++) pair.dialer.write(bytesFrom(i, 5));
  await clock.advance(1000);
  return events;
}

test("the same seed gives the same run, another seed another", async () => {
  const events = await eventsOf(3);
  assert.equal(events.length, 40);
  assert.deepEqual(await eventsOf(3), events);
  assert.notDeepEqual(await eventsOf(4), events);
});
