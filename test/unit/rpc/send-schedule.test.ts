import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code } from "@connectrpc/connect";
import * as fc from "fast-check";
import type { Frame } from "../../../gen/dswarm/v1/frame_pb.ts";
import { FrameDecoder } from "../../../src/rpc/frame-decoder.ts";
import { protocol } from "../../../src/rpc/params.ts";
import type { Stream } from "../../../src/rpc/stream.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { FakeHost } from "./fake-stream.ts";

const { dataFrameCost, initialConnectionCredit, initialStreamCredit, maxPieceBytes } = protocol;
const everything = 1 << 30;

/** The Data frames that were written, as [stream, bytes, more]. */
function written(host: FakeHost): [number, number, boolean][] {
  const frames: [number, number, boolean][] = [];
  const note = ({ streamId, body }: Frame): void => {
    assert.ok(body.case === "data", `${body.case}`);
    frames.push([streamId, body.value.payload.length, body.value.more]);
  };
  host.encoder.take((bytes) => new FrameDecoder().push(Uint8Array.from(bytes), note));
  return frames;
}

function isInvalid(error: unknown): boolean {
  return error instanceof DswarmError && error.code === "frame_invalid";
}

function streamsOf(host: FakeHost, count: number): Stream[] {
  return Array.from({ length: count }, (_, i) => host.stream(2 * i + 1));
}

suite("the send schedule", () => {
  test("takes one piece of each stream in turn", () => {
    const host = new FakeHost();
    const streams = streamsOf(host, 3);
    for (const stream of streams) {
      stream.sendCredit = everything;
      void host.schedule.enqueue(stream, new Uint8Array(3 * maxPieceBytes));
    }
    host.schedule.pump(everything);
    assert.deepEqual(
      written(host).map(([id, , more]) => [id, more]),
      [1, 3, 5, 1, 3, 5, 1, 3, 5].map((id, i) => [id, i < 6]),
    );
  });

  test("lets a small message that comes late pass after one piece of each large one", () => {
    const host = new FakeHost();
    const [small, ...large] = streamsOf(host, 4);
    assert.ok(small);
    for (const stream of large) {
      stream.sendCredit = everything;
      void host.schedule.enqueue(stream, new Uint8Array(4 * maxPieceBytes));
    }
    host.schedule.pump(1);
    void host.schedule.enqueue(small, new Uint8Array(10));
    host.schedule.pump(everything);
    const order = written(host).map(([id]) => id);
    assert.ok(order.indexOf(small.id) <= large.length + 1, order.join());
  });

  test("stops where the encoder is full, and goes on with the next in turn", () => {
    const host = new FakeHost();
    for (const stream of streamsOf(host, 3)) void host.schedule.enqueue(stream, new Uint8Array(maxPieceBytes));
    const order: number[] = [];
    while (host.schedule.waiting) {
      host.schedule.pump(1);
      order.push(...written(host).map(([id]) => id));
    }
    assert.deepEqual(order, [1, 3, 5]);
  });

  test("resolves when the last piece is written, and rejects when the stream closes before", async () => {
    const host = new FakeHost();
    const [first, second] = streamsOf(host, 2);
    assert.ok(first && second);
    const sent = host.schedule.enqueue(first, new Uint8Array(10));
    host.schedule.pump(everything);
    await sent;
    second.sendCredit = 10_000;
    const cut = host.schedule.enqueue(second, new Uint8Array(100_000));
    host.schedule.pump(everything);
    second.cancel(Code.Canceled);
    await assert.rejects(cut, /the call has ended/);
    host.schedule.resume(second);
    assert.equal(host.schedule.waiting, false);
  });

  test("takes one message of a stream at a time", () => {
    const host = new FakeHost();
    const stream = host.stream(1);
    void host.schedule.enqueue(stream, new Uint8Array(10));
    assert.throws(() => host.schedule.enqueue(stream, new Uint8Array(10)), /under way already/);
  });

  test("sends a message at once only where nothing waits and all credit is there", () => {
    const host = new FakeHost();
    const [first, second] = streamsOf(host, 2);
    assert.ok(first && second);
    const { schedule } = host;
    assert.equal(schedule.sendNow(first, new Uint8Array(100), 163), false, "the link has less room");
    assert.equal(schedule.sendNow(first, new Uint8Array(100), 164), true);
    assert.equal(schedule.sendNow(first, new Uint8Array(maxPieceBytes + 1), everything), false, "it needs pieces");
    second.sendCredit = 163;
    assert.equal(schedule.sendNow(second, new Uint8Array(100), everything), false, "its stream has less credit");
    second.sendCredit = 164;
    assert.equal(schedule.sendNow(second, new Uint8Array(100), everything), true);
    assert.equal(second.sendCredit, 0);
    void schedule.enqueue(second, new Uint8Array(1));
    assert.equal(schedule.sendNow(first, new Uint8Array(1), everything), false, "another waits");
    assert.deepEqual(
      written(host).map(([id, bytes]) => [id, bytes]),
      [
        [1, 100],
        [3, 100],
      ],
    );
  });

  test("writes no small pieces: it waits for credit that is worth a frame", () => {
    const host = new FakeHost();
    const stream = host.stream(1);
    stream.sendCredit = 1000;
    void host.schedule.enqueue(stream, new Uint8Array(20_000));
    host.schedule.pump(everything);
    assert.deepEqual(written(host), []);
    assert.equal(host.schedule.waiting, false);
    stream.sendCredit += 3160;
    host.schedule.resume(stream);
    host.schedule.pump(everything);
    assert.deepEqual(written(host), [[1, 4096, true]]);
    stream.sendCredit += 15_968;
    host.schedule.resume(stream);
    host.schedule.pump(everything);
    assert.deepEqual(written(host), [[1, 15_904, false]]);
  });

  test("keeps streams in turn while the connection has no credit, and serves them when it has", () => {
    const host = new FakeHost();
    const streams = streamsOf(host, 20);
    for (const stream of streams) {
      stream.sendCredit = everything;
      void host.schedule.enqueue(stream, new Uint8Array(100_000));
    }
    host.schedule.pump(everything);
    const first = written(host).reduce((sum, [, bytes]) => sum + bytes + dataFrameCost, 0);
    assert.ok(first <= initialConnectionCredit && first > initialConnectionCredit - 4200, `${first} bytes`);
    host.schedule.addConnectionCredit(2_000_000);
    host.schedule.pump(everything);
    const ended = written(host).filter(([, , more]) => !more);
    assert.equal(ended.length, streams.length);
  });

  test("refuses credit of nothing and beyond all need", () => {
    const host = new FakeHost();
    assert.throws(() => host.schedule.addConnectionCredit(0), isInvalid);
    assert.throws(() => host.schedule.addConnectionCredit(2 ** 40), isInvalid);
    host.schedule.addConnectionCredit(2 ** 40 - initialConnectionCredit);
  });

  test("sends all of any messages within any credit, fairly", () => {
    const sizes = fc.array(fc.nat(400_000), { minLength: 1, maxLength: 6 });
    const credits = fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 40, size: "max" });
    fc.assert(
      fc.property(sizes, credits, fc.integer({ min: 1, max: 200_000 }), (given, grants, untilBytes) => {
        const host = new FakeHost();
        const streams = streamsOf(host, given.length);
        for (const [i, stream] of streams.entries()) void host.schedule.enqueue(stream, new Uint8Array(given[i] ?? 0));
        const sent = new Map<number, number>();
        const ended = new Set<number>();
        const allowed = new Map<number, number>(streams.map(({ id }) => [id, initialStreamCredit]));
        const drain = (): void => {
          for (let before = -1; before !== 0; ) {
            host.schedule.pump(untilBytes);
            const frames = written(host);
            before = frames.length;
            for (const [id, bytes, more] of frames) {
              assert.ok(bytes <= maxPieceBytes);
              sent.set(id, (sent.get(id) ?? 0) + bytes);
              allowed.set(id, (allowed.get(id) ?? 0) - bytes - dataFrameCost);
              assert.ok((allowed.get(id) ?? -1) >= 0);
              if (!more) ended.add(id);
            }
          }
        };
        const grant = (stream: Stream, bytes: number): void => {
          stream.sendCredit += bytes;
          allowed.set(stream.id, (allowed.get(stream.id) ?? 0) + bytes);
          host.schedule.resume(stream);
          drain();
        };
        drain();
        for (const [i, bytes] of grants.entries()) grant(streams[i % streams.length] ?? assert.fail(), bytes);
        host.schedule.addConnectionCredit(10_000_000);
        for (const stream of streams) grant(stream, 1_000_000);
        assert.equal(ended.size, streams.length);
        for (const [i, { id }] of streams.entries()) assert.equal(sent.get(id), given[i]);
      }),
      { numRuns: 200 },
    );
  });
});
