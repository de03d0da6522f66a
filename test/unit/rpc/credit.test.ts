// Credit in both directions, for any sizes of messages and any pauses of those who read and those who grant.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import * as fc from "fast-check";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { protocol, rpcDefaults } from "../../../src/rpc/params.ts";
import { createRpcTransport } from "../../../src/rpc/transport.ts";
import { echoBytes, echoMethod, RawPeer } from "./raw-peer.ts";

const { dataFrameCost, initialConnectionCredit, initialStreamCredit, maxPieceBytes } = protocol;
const streamId = 1;

/** A collecting handler that reads one message each time it is told to; `wants` is how many it still waits for. */
function serveOnDemand(peer: RawPeer): { read(): void; readonly wants: () => number; readonly bytes: () => number } {
  let [asked, done, bytes] = [0, 0, 0];
  let wake: (() => void) | undefined;
  peer.registry.serve(EchoService, {
    async collect(requests, { signal }) {
      signal.addEventListener("abort", () => wake?.());
      const reader = requests[Symbol.asyncIterator]();
      while (!signal.aborted) {
        if (done === asked) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        const result = await reader.next();
        if (result.done === true) break;
        bytes += result.value.payload.length;
        done++;
      }
      return { count: done };
    },
  });
  return {
    read() {
      asked++;
      wake?.();
    },
    wants: () => asked - done,
    bytes: () => bytes,
  };
}

type Action = { readonly kind: "send"; readonly bytes: number } | { readonly kind: "read" };

const size = fc.oneof(fc.nat(200), fc.nat(20_000), fc.integer({ min: 50_000, max: 300_000 }));
const action: fc.Arbitrary<Action> = fc.oneof(
  size.map((bytes) => ({ kind: "send" as const, bytes })),
  fc.constant({ kind: "read" as const }),
);
const actions = fc.array(action, { minLength: 1, maxLength: 60, size: "max" });

/** Sends what it has as far as credit allows, in pieces of any size. */
class Sender {
  readonly #peer: RawPeer;
  readonly #queue: Uint8Array[] = [];
  #at = 0;

  constructor(peer: RawPeer) {
    this.#peer = peer;
  }

  get isIdle(): boolean {
    return this.#queue.length === 0;
  }

  add(message: Uint8Array): void {
    this.#queue.push(message);
  }

  /** Returns whether it could send something. */
  send(): boolean {
    const [message] = this.#queue;
    const room = Math.min(this.#peer.creditOf(streamId), this.#peer.creditOf(0)) - dataFrameCost;
    if (message === undefined || room < Math.min(1, message.length - this.#at)) return false;
    const end = Math.min(message.length, this.#at + Math.min(room, maxPieceBytes));
    const more = end < message.length;
    this.#peer.send(streamId, { case: "data", value: { payload: message.subarray(this.#at, end), more } });
    this.#at = more ? end : 0;
    if (!more) this.#queue.shift();
    return true;
  }
}

suite("credit that a receiver gives", () => {
  for (const window of [initialStreamCredit, rpcDefaults.streamWindowBytes]) {
    test(`is what was consumed and a window of ${window} bytes, and never runs dry for a reader that waits`, async () => {
      await fc.assert(
        fc.asyncProperty(actions, async (given) => {
          const peer = new RawPeer("listener", { streamWindowBytes: window });
          const reader = serveOnDemand(peer);
          const sender = new Sender(peer);
          peer.send(streamId, { case: "open", value: { method: echoMethod("Collect") } });
          const sent: number[] = [];
          const exchange = async (): Promise<void> => {
            do await peer.turn();
            while (sender.send());
          };
          for (const one of given) {
            if (one.kind === "read") {
              reader.read();
            } else {
              sent.push(one.bytes);
              sender.add(echoBytes(one.bytes));
            }
            await exchange();
            const credit = peer.creditOf(streamId);
            const { unconsumedBytes } = peer.connection;
            assert.equal(peer.ended, undefined);
            assert.ok(credit >= 0 && credit + (reader.wants() > 0 ? 0 : unconsumedBytes) <= window);
            assert.ok(unconsumedBytes >= 0);
            assert.ok(peer.creditOf(0) > initialConnectionCredit / 2);
            if (reader.wants() > 0) {
              // A reader that waits has all: nothing is held, and there is credit for more.
              assert.ok(sender.isIdle, "the reader waits, and the sender for credit");
              assert.equal(unconsumedBytes, 0);
            }
          }
          // One more than there are messages: it waits for the end.
          for (const _ of given) reader.read();
          reader.read();
          await exchange();
          assert.ok(sender.isIdle);
          assert.equal(
            reader.bytes(),
            sent.reduce((sum, bytes) => sum + bytes, 0),
          );
          assert.equal(peer.connection.unconsumedBytes, 0);
          const frames = await peer.exchange(streamId, { case: "halfClose", value: {} });
          assert.deepEqual(
            frames.map(({ body }) => body.case),
            ["data", "end"],
          );
          assert.equal(peer.connection.unconsumedBytes, 0);
          peer.cut();
        }),
        { numRuns: 60 },
      );
    });
  }

  test("of a stream and of the connection are both enforced, to the byte", async () => {
    for (const isPast of [false, true]) {
      const peer = new RawPeer("listener");
      serveOnDemand(peer);
      peer.send(streamId, { case: "open", value: { method: echoMethod("Collect") } });
      while (peer.creditOf(streamId) > maxPieceBytes + dataFrameCost) {
        peer.send(streamId, { case: "data", value: { payload: new Uint8Array(10_000) } });
      }
      const payload = new Uint8Array(peer.creditOf(streamId) - dataFrameCost + (isPast ? 1 : 0));
      await peer.exchange(streamId, { case: "data", value: { payload } });
      assert.equal(peer.ended?.reason?.code, isPast ? "credit_exceeded" : undefined);
      peer.cut();
    }
    for (const isPast of [false, true]) {
      const peer = new RawPeer("listener");
      serveOnDemand(peer);
      // In one turn, so that none of it is paid back before the last byte is there.
      const payload = new Uint8Array(60_000);
      let id = 1;
      for (; peer.creditOf(0) > maxPieceBytes + dataFrameCost; id += 2) {
        peer.send(id, { case: "open", value: { method: echoMethod("Collect") } });
        peer.send(id, { case: "data", value: { payload } });
      }
      peer.send(id, { case: "open", value: { method: echoMethod("Collect") } });
      const last = new Uint8Array(peer.creditOf(0) - dataFrameCost + (isPast ? 1 : 0));
      await peer.exchange(id, { case: "data", value: { payload: last } });
      assert.equal(peer.ended, undefined, "credit comes back at receipt");
      peer.cut();
    }
  });

  test("for parts of messages that are waited for goes to one after the other when there are many", async () => {
    const maxAssemblingBytes = 1 << 20;
    const maxMessageBytes = 4 << 20;
    const streams = 64;
    const peer = new RawPeer("listener", { maxAssemblingBytes, maxMessageBytes });
    peer.registry.serve(EchoService, { echo: ({ payload }) => ({ payload: payload.subarray(0, 1) }) });
    const ids = Array.from({ length: streams }, (_, i) => 2 * i + 1);
    const left = new Map(ids.map((id) => [id, maxMessageBytes - 1]));
    for (const id of ids) peer.send(id, { case: "open", value: { method: echoMethod("Echo") } });
    await peer.turn();
    // A peer that sends whatever it may, and never an end of a message.
    for (let isMoving = true; isMoving; ) {
      isMoving = false;
      for (const id of ids) {
        const bytes = Math.min(peer.creditOf(id), peer.creditOf(0)) - dataFrameCost;
        const length = Math.min(bytes, maxPieceBytes, left.get(id) ?? 0);
        if (length <= 0) continue;
        isMoving = true;
        left.set(id, (left.get(id) ?? 0) - length);
        peer.send(id, { case: "data", value: { payload: new Uint8Array(length), more: true } });
        await peer.turn();
      }
    }
    const { unconsumedBytes } = peer.connection;
    assert.equal(peer.ended, undefined);
    const bound = maxAssemblingBytes + maxMessageBytes + streams * rpcDefaults.streamWindowBytes;
    assert.ok(unconsumedBytes < bound, `${unconsumedBytes} bytes of ${streams * maxMessageBytes}`);
    assert.ok(unconsumedBytes > maxMessageBytes, "the first goes on to its end");
    assert.ok(peer.creditOf(0) > initialConnectionCredit / 2, "the connection goes on");
    for (const id of ids) peer.send(id, { case: "cancel", value: {} });
    await peer.turn();
    const { running } = peer.connection;
    assert.deepEqual([running, peer.connection.unconsumedBytes], [0, 0]);
    peer.cut();
  });
});

suite("credit that a sender has", () => {
  const grant = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 200_000 }));
  const grants = fc.array(fc.tuple(fc.nat(5), grant), { minLength: 5, maxLength: 60, size: "max" });

  test("is never exceeded, and all arrives in order however it is given", async () => {
    const messages = fc.array(fc.array(size, { maxLength: 6 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(messages, grants, async (streams, given) => {
        const peer = new RawPeer("dialer");
        const { connection, clock } = peer;
        const client = createClient(
          EchoService,
          createRpcTransport({ connect: () => connection, clock, authority: "peer" }),
        );
        const failures: Promise<ConnectError>[] = streams.map((sizes) => {
          const requests = sizes.map((bytes) => ({ payload: new Uint8Array(bytes).fill(bytes) }));
          return client.collect(eachOf(requests)).then(
            () => assert.fail("it was not answered"),
            (error: ConnectError) => error,
          );
        });
        const received = new Map<number, number[]>();
        const partial = new Map<number, number>();
        const halfClosed = new Set<number>();
        const credit = new Map<number, number>([[0, initialConnectionCredit]]);
        const take = async (): Promise<void> => {
          for (let calm = 0; calm < 2; calm++) {
            await peer.turn();
            for (const { streamId: id, body } of peer.frames.splice(0)) {
              calm = 0;
              if (body.case === "open") credit.set(id, initialStreamCredit);
              if (body.case === "halfClose") halfClosed.add(id);
              if (body.case !== "data") continue;
              const { payload, more } = body.value;
              assert.ok(payload.length <= maxPieceBytes);
              for (const one of [0, id]) {
                const rest = (credit.get(one) ?? 0) - payload.length - dataFrameCost;
                assert.ok(rest >= 0, `${-rest} bytes more than the credit of ${one}`);
                credit.set(one, rest);
              }
              partial.set(id, (partial.get(id) ?? 0) + payload.length);
              if (more) continue;
              received.set(id, [...(received.get(id) ?? []), partial.get(id) ?? 0]);
              partial.set(id, 0);
            }
          }
        };
        const give = async (id: number, bytes: number): Promise<void> => {
          if (!credit.has(id)) return;
          credit.set(id, (credit.get(id) ?? 0) + bytes);
          peer.send(id, { case: "credit", value: { bytes } });
          await take();
        };
        await take();
        for (const [n, bytes] of given) await give(n === 0 ? 0 : 2 * n - 1, bytes);
        // In the end there is enough for all.
        await give(0, 10_000_000);
        for (const [i] of streams.entries()) await give(2 * i + 1, 10_000_000);
        for (const [i, sizes] of streams.entries()) {
          const id = 2 * i + 1;
          assert.ok(halfClosed.has(id), `stream ${id} is not half-closed`);
          assert.deepEqual(
            received.get(id) ?? [],
            sizes.map((bytes) => echoBytes(bytes).length),
          );
        }
        peer.cut();
        for (const error of await Promise.all(failures)) assert.equal(error.code, Code.Unavailable);
      }),
      { numRuns: 60 },
    );
  });

  test("of nothing, or of more than anyone needs, ends the connection", async () => {
    for (const [id, bytes, times] of [
      [0, 0, 1],
      [0, 2 ** 32 - 1, 300],
      [1, 2 ** 32 - 1, 300],
    ] as const) {
      const peer = new RawPeer("listener");
      serveOnDemand(peer);
      await peer.exchange(1, { case: "open", value: { method: echoMethod("Collect") } });
      for (let i = 0; i < times; i++) peer.send(id, { case: "credit", value: { bytes } });
      await peer.turn();
      assert.equal(peer.ended?.reason?.code, "frame_invalid");
    }
  });
});

async function* eachOf<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items;
}
