import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import * as fc from "fast-check";
import { MessageQueue } from "../../../src/rpc/message-queue.ts";
import type { Stream } from "../../../src/rpc/stream.ts";
import { FakeHost } from "./fake-stream.ts";

/** Of a message of one byte. */
const cost = 65;
const fault = new ConnectError("broken", Code.DataLoss);

interface Made {
  readonly queue: MessageQueue<number>;
  readonly host: FakeHost;
  readonly stream: Stream;
  /** How often the reader stopped early. */
  readonly returns: () => number;
}

function make(): Made {
  let returns = 0;
  const queue = new MessageQueue(
    (bytes) => {
      const [first = 0] = bytes;
      if (first === 255) throw fault;
      return first;
    },
    () => returns++,
  );
  const host = new FakeHost();
  const stream = host.stream(1);
  queue.attach(stream);
  return { queue, host, stream, returns: () => returns };
}

/** Reads to the end, which may be an error. */
async function readAll(queue: MessageQueue<number>): Promise<(number | ConnectError)[]> {
  const items: (number | ConnectError)[] = [];
  try {
    for (;;) {
      const result = await queue.next();
      if (result.done === true) return items;
      items.push(result.value);
    }
  } catch (error) {
    assert.ok(error instanceof ConnectError);
    return [...items, error];
  }
}

suite("the message queue", () => {
  test("gives messages in order, to readers that wait and to those that come later", async () => {
    const { queue, host } = make();
    const early = [queue.next(), queue.next()];
    for (const n of [1, 2, 3, 4]) queue.push(Uint8Array.of(n), cost);
    queue.finish();
    const results = await Promise.all(early);
    assert.deepEqual(
      results.map(({ value }) => value),
      [1, 2],
    );
    assert.equal(host.consumedBytes, 2 * cost, "what is not read is not paid");
    assert.deepEqual(await readAll(queue), [3, 4]);
    assert.equal(host.consumedBytes, 4 * cost);
    assert.equal((await queue.next()).done, true);
  });

  test("gives any number of messages, however pushing and reading alternate", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 6000, size: "max" }), async (pushes) => {
        const { queue, host } = make();
        let [pushed, asked] = [0, 0];
        const reads: Promise<IteratorResult<number, undefined>>[] = [];
        for (const isPush of pushes) {
          if (isPush) queue.push(Uint8Array.of(pushed++ % 250), cost);
          else reads[asked++] = queue.next();
        }
        queue.finish();
        const results = await Promise.all(reads);
        for (const [i, { done, value }] of results.entries()) {
          assert.equal(done === true, i >= pushed);
          if (i < pushed) assert.equal(value, i % 250);
        }
        assert.equal(host.consumedBytes, cost * Math.min(asked, pushed));
        assert.equal((await readAll(queue)).length, Math.max(0, pushed - asked));
      }),
      { numRuns: 30 },
    );
  });

  test("gives what has come before an error, then the error once", async () => {
    const { queue } = make();
    queue.push(Uint8Array.of(1), cost);
    queue.finish(fault);
    queue.finish();
    assert.deepEqual(await readAll(queue), [1, fault]);
    assert.equal((await queue.next()).done, true);
  });

  test("that fails drops what has come; the first reader that waits gets the error", async () => {
    const { queue, host } = make();
    queue.push(Uint8Array.of(1), cost);
    queue.fail(fault);
    assert.deepEqual(await readAll(queue), [fault]);
    assert.equal(host.consumedBytes, cost, "dropped bytes hold up no other stream");
    const waiting = make();
    const reads = [waiting.queue.next(), waiting.queue.next()];
    waiting.queue.fail(fault);
    await assert.rejects(reads[0] ?? assert.fail(), fault);
    assert.equal((await reads[1])?.done, true);
  });

  test("that fails after its end, before the reader knows of it, ends with the error", async () => {
    const { queue } = make();
    queue.push(Uint8Array.of(1), cost);
    queue.finish();
    queue.fail(fault);
    assert.deepEqual(await readAll(queue), [fault]);
    const ended = make();
    ended.queue.finish();
    assert.equal((await ended.queue.next()).done, true);
    ended.queue.fail(fault);
    assert.equal((await ended.queue.next()).done, true);
  });

  test("whose reader stops early drops all, says so once and gives the sender nothing", async () => {
    const { queue, host, stream, returns } = make();
    queue.push(Uint8Array.of(1), cost);
    const written = host.encoder.length;
    assert.deepEqual(await queue.return(), { done: true, value: undefined });
    assert.deepEqual(await queue.return(), { done: true, value: undefined });
    queue.push(Uint8Array.of(2), cost);
    queue.fail(fault);
    assert.equal((await queue.next()).done, true);
    assert.equal(returns(), 1);
    assert.equal(host.consumedBytes, 2 * cost);
    assert.equal(host.encoder.length, written, "no credit");
    assert.equal(stream.closed, false);
  });

  test("whose reader stops after the end says nothing", async () => {
    const { queue, returns } = make();
    queue.push(Uint8Array.of(1), cost);
    queue.finish();
    await queue.return();
    assert.equal(returns(), 0);
    assert.equal((await queue.next()).done, true);
  });

  test("with a message that does not decode ends there", async () => {
    const { queue, returns } = make();
    for (const n of [1, 255, 3]) queue.push(Uint8Array.of(n), cost);
    assert.deepEqual(await readAll(queue), [1, fault]);
    assert.equal((await queue.next()).done, true);
    assert.equal(returns(), 1);
  });

  test("says that it wants a message when a reader waits, also where it waited first", () => {
    const { queue, host, stream } = make();
    stream.onData({ $typeName: "dswarm.v1.Data", payload: new Uint8Array(1000), more: true });
    assert.equal(host.assembledBytes, 0);
    void queue.next();
    assert.equal(host.assembledBytes, 1064);
    const late = new MessageQueue(
      () => 0,
      () => undefined,
    );
    void late.next();
    const other = host.stream(3);
    other.onData({ $typeName: "dswarm.v1.Data", payload: new Uint8Array(1000), more: true });
    late.attach(other);
    assert.equal(host.assembledBytes, 2 * 1064);
  });

  test("does not keep the chunks alive in which messages came", async () => {
    const { queue } = make();
    const held: number[] = [];
    const sizes = new MessageQueue(
      (bytes) => held.push(bytes.buffer.byteLength),
      () => undefined,
    );
    for (let i = 0; i < 10; i++) sizes.push(new Uint8Array(1 << 20).subarray(i, i + 10), cost);
    sizes.push(new Uint8Array(0), cost);
    sizes.finish();
    for await (const _ of sizes);
    assert.ok(Math.max(...held) <= 40, `${Math.max(...held)} bytes`);
    void queue.return();
  });
});
