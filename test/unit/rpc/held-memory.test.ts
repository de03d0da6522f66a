// What calls make a connection hold: counted while it is there, and not a byte longer, however they end.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import * as fc from "fast-check";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { protocol, rpcDefaults } from "../../../src/rpc/params.ts";
import { createRpcTransport } from "../../../src/rpc/transport.ts";
import { type Body, echoBytes, echoMethod, RawPeer } from "./raw-peer.ts";

const { dataFrameCost, maxPieceBytes } = protocol;
const { requestTimeoutMs, writeTimeoutMs } = rpcDefaults;
const callBytes = 4096;
const kibibyte = 1024;

type Open = Extract<Body, { case: "open" }>["value"];

function open(method: string, more: Open = {}): Body {
  return { case: "open", value: { method: echoMethod(method), ...more } };
}

function data(payload: Uint8Array, more = false): Body {
  return { case: "data", value: { payload, more } };
}

function endOf(peer: RawPeer): string | undefined {
  return peer.ended?.reason?.code;
}

/** Handlers that do what they are told, when they are told. */
class Handlers {
  readonly #waiting: { resolve(): void; reject(error: Error): void }[] = [];

  constructor(peer: RawPeer) {
    peer.registry.serve(EchoService, {
      echo: async ({ payload }) => {
        await this.#told();
        return { payload };
      },
      repeat: async function* (this: Handlers, { payload, count }: { payload: Uint8Array; count: number }) {
        for (let i = 0; i < Math.min(count, 3); i++) {
          await this.#told();
          yield { payload };
        }
      }.bind(this),
      collect: async (requests) => {
        let count = 0;
        const reader = requests[Symbol.asyncIterator]();
        for (;;) {
          await this.#told();
          if ((await reader.next()).done === true) return { count };
          count += 1;
        }
      },
      converse: async function* (this: Handlers, requests: AsyncIterable<{ payload: Uint8Array }>) {
        for await (const { payload } of requests) {
          await this.#told();
          yield { payload };
        }
      }.bind(this),
    });
  }

  /** The handler that waits longest, or a later one, goes on. */
  go(at: number): void {
    this.#waiting.splice(at % Math.max(1, this.#waiting.length), 1)[0]?.resolve();
  }

  fail(at: number): void {
    this.#waiting.splice(at % Math.max(1, this.#waiting.length), 1)[0]?.reject(new ConnectError("no", Code.Aborted));
  }

  goAll(): void {
    for (const each of this.#waiting.splice(0)) each.resolve();
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  #told(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ resolve, reject });
    return promise;
  }
}

suite("what is held of requests", () => {
  test("is the call, its metadata and its request, inline or not, until the handler is done", async () => {
    const peer = new RawPeer("listener");
    const handlers = new Handlers(peer);
    const message = echoBytes(1000);
    const held = (): number => peer.connection.memory.heldBytes;
    await peer.exchange(1, open("Echo", { message, halfClose: true }));
    assert.equal(held(), callBytes + message.length);
    // A request that is not complete holds what is there of it.
    await peer.exchange(3, open("Echo", { message }));
    assert.equal(held(), 2 * (callBytes + message.length) + dataFrameCost);
    await peer.exchange(5, open("Echo", { metadata: [{ key: "abc", value: new Uint8Array(Buffer.from("defg")) }] }));
    const third = callBytes + 128 + 7;
    assert.equal(held(), 2 * (callBytes + message.length) + dataFrameCost + third);
    await peer.exchange(5, data(message.subarray(0, 500), true));
    assert.equal(peer.connection.unconsumedBytes, message.length + 500 + 2 * dataFrameCost);
    await peer.exchange(5, data(message.subarray(500)));
    await peer.exchange(5, { case: "halfClose", value: {} });
    assert.equal(held(), 3 * callBytes + 3 * message.length + dataFrameCost + 128 + 7);
    // A caller that gives up has a handler that runs on.
    await peer.exchange(1, { case: "cancel", value: {} });
    await peer.exchange(3, { case: "cancel", value: {} });
    assert.equal(held(), callBytes + message.length + third + message.length);
    assert.equal(peer.connection.unconsumedBytes, 0);
    handlers.goAll();
    await peer.turn();
    assert.equal(held(), 0);
    peer.cut();
  });

  test("is all that came of a frame, from its length on", async () => {
    const peer = new RawPeer("listener");
    peer.sendBytes(Uint8Array.of(0x80, 0x80, 0x08));
    await peer.turn();
    assert.equal(peer.connection.memory.heldBytes, protocol.maxFrameBytes);
    peer.cut();
    await peer.turn();
    assert.equal(peer.budget.heldBytes, 0);
  });

  test("is let go in the end, whatever came in whatever order", async () => {
    const size = fc.oneof(fc.nat(100), fc.nat(20_000), fc.constant(maxPieceBytes - 10));
    const action = fc.oneof(
      fc.record({
        kind: fc.constant("open" as const),
        method: fc.constantFrom("Echo", "Repeat", "Collect", "Converse", "Nothing"),
        size: fc.option(size),
        halfClose: fc.boolean(),
        timeoutMs: fc.constantFrom(0, 1000),
        hasMetadata: fc.boolean(),
      }),
      fc.record({ kind: fc.constant("data" as const), at: fc.nat(9), size, more: fc.boolean() }),
      fc.record({ kind: fc.constantFrom("halfClose" as const, "cancel" as const), at: fc.nat(9) }),
      fc.record({ kind: fc.constantFrom("go" as const, "fail" as const, "wait" as const), at: fc.nat(9) }),
    );
    const actions = fc.array(action, { minLength: 1, maxLength: 80, size: "max" });
    await fc.assert(
      fc.asyncProperty(actions, fc.boolean(), async (given, isCut) => {
        const peer = new RawPeer("listener");
        const handlers = new Handlers(peer);
        let lastId = -1;
        for (const one of given) {
          const id = "at" in one ? Math.max(1, lastId - 2 * one.at) : 0;
          const isOpen = lastId >= 1;
          if (one.kind === "open") {
            lastId += 2;
            const { size: bytes, halfClose, timeoutMs, hasMetadata } = one;
            const message = bytes === null ? {} : { message: echoBytes(bytes) };
            const metadata = hasMetadata ? [{ key: "k", value: new Uint8Array(3).fill(0x61) }] : [];
            peer.send(lastId, open(one.method, { ...message, halfClose, timeoutMs, metadata }));
          } else if (one.kind === "data") {
            const cost = one.size + 10 + dataFrameCost;
            if (isOpen && Math.min(peer.creditOf(id), peer.creditOf(0)) >= cost)
              peer.send(id, data(echoBytes(one.size), one.more));
          } else if (one.kind === "halfClose" || one.kind === "cancel") {
            if (isOpen) peer.send(id, { case: one.kind, value: {} });
          } else if (one.kind === "wait") {
            await peer.clock.advance(one.at * 1000);
            // A sign of life, or several waits in a row look like a peer that is gone.
            peer.send(0, { case: "pong", value: { id: 9 } });
          } else if (one.kind === "go") handlers.go(one.at);
          else handlers.fail(one.at);
          await peer.turn();
          const { memory } = peer.connection;
          assert.equal(peer.ended, undefined);
          assert.ok(memory.messageBytes >= 0 && memory.unsentBytes >= 0 && memory.unreadBytes === 0);
          assert.ok(memory.receivedBytes >= memory.messageBytes);
          assert.equal(peer.budget.heldBytes, memory.heldBytes);
        }
        if (isCut) peer.cut();
        else for (let id = 1; id <= lastId; id += 2) peer.send(id, { case: "cancel", value: {} });
        for (let i = 0; i < 10 || handlers.waiting > 0; i++) {
          handlers.goAll();
          await peer.turn();
        }
        assert.equal(peer.connection.running, 0);
        assert.equal(peer.budget.heldBytes, 0);
        assert.equal(peer.connection.unconsumedBytes, 0);
        peer.cut();
      }),
      { numRuns: 150 },
    );
  });
});

suite("what is held of answers", () => {
  test("is let go in the end, whatever the peer answers and the program reads", async () => {
    const size = fc.oneof(fc.nat(100), fc.nat(20_000), fc.constant(60_000));
    const action = fc.oneof(
      fc.record({ kind: fc.constantFrom("unary" as const, "stream" as const), at: fc.nat(5), size }),
      fc.record({ kind: fc.constant("data" as const), at: fc.nat(9), size, more: fc.boolean() }),
      fc.record({
        kind: fc.constant("end" as const),
        at: fc.nat(9),
        size: fc.option(size),
        code: fc.constantFrom(0, 5),
      }),
      fc.record({ kind: fc.constantFrom("read" as const, "return" as const), at: fc.nat(9) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 1, maxLength: 80, size: "max" }),
        fc.boolean(),
        async (given, isCut) => {
          const peer = new RawPeer("dialer");
          const { connection, clock } = peer;
          const client = createClient(
            EchoService,
            createRpcTransport({ connect: () => connection, clock, authority: "peer" }),
          );
          const readers: AsyncIterator<unknown>[] = [];
          let opened = 0;
          for (const one of given) {
            const id = "at" in one ? Math.max(1, 2 * opened - 1 - 2 * one.at) : 0;
            if (one.kind === "unary") {
              opened += 1;
              client.echo({ payload: new Uint8Array(10) }).catch(() => undefined);
            } else if (one.kind === "stream") {
              opened += 1;
              const reader = client.repeat({ payload: new Uint8Array(10) })[Symbol.asyncIterator]();
              reader.next().catch(() => undefined);
              readers.push(reader);
            } else if (opened === 0) continue;
            else if (one.kind === "data") {
              const cost = one.size + 10 + dataFrameCost;
              if (Math.min(peer.creditOf(id), peer.creditOf(0)) >= cost)
                peer.send(id, data(echoBytes(one.size), one.more));
            } else if (one.kind === "end") {
              const response = one.size === null ? {} : { response: echoBytes(one.size) };
              peer.send(id, { case: "end", value: { code: one.code, ...response } });
            } else {
              const reader = readers[one.at % Math.max(1, readers.length)];
              if (one.kind === "read") reader?.next().catch(() => undefined);
              else await Promise.race([reader?.return?.(), peer.turn()]);
            }
            await peer.turn();
            const { memory } = connection;
            assert.equal(peer.ended, undefined);
            assert.ok(memory.messageBytes >= 0 && memory.unreadBytes >= 0);
            assert.equal(peer.budget.heldBytes, memory.heldBytes);
            assert.equal(peer.budget.unreadBytes, memory.unreadBytes);
          }
          if (isCut) peer.cut();
          else for (let id = 1; id < 2 * opened; id += 2) peer.send(id, { case: "end", value: { code: 5 } });
          await peer.turn();
          assert.deepEqual([peer.budget.heldBytes, peer.budget.unreadBytes, connection.streams], [0, 0, 0]);
          peer.cut();
          await peer.turn();
        },
      ),
      { numRuns: 100 },
    );
  });

  test("of a unary call counts until its end comes, which the peer may keep back", async () => {
    const peer = new RawPeer("dialer");
    const { connection, clock } = peer;
    const client = createClient(
      EchoService,
      createRpcTransport({ connect: () => connection, clock, authority: "peer" }),
    );
    const answer = client.echo({ payload: new Uint8Array(1) });
    await peer.turn();
    await peer.exchange(1, data(echoBytes(50_000)));
    assert.ok(connection.memory.heldBytes > 50_000);
    assert.equal(connection.memory.unreadBytes, 0);
    await peer.exchange(1, { case: "end", value: {} });
    assert.equal((await answer).payload.length, 50_000);
    assert.equal(connection.memory.heldBytes, 0);
    peer.cut();
  });
});

suite("a peer over its share", () => {
  const maxHeldBytesPerConnection = 128 * kibibyte;

  test("gets no new calls, to the byte, and goes on with those it has", async () => {
    const peer = new RawPeer("listener", { maxHeldBytesPerConnection });
    const handlers = new Handlers(peer);
    // Two calls fill the share to the last byte.
    const rest = maxHeldBytesPerConnection - 2 * callBytes - maxPieceBytes;
    await peer.exchange(1, open("Echo", { message: new Uint8Array(maxPieceBytes - dataFrameCost) }));
    await peer.exchange(3, open("Echo", { message: new Uint8Array(rest - dataFrameCost - 1) }));
    assert.equal(peer.connection.memory.heldBytes, maxHeldBytesPerConnection - 1);
    await peer.exchange(5, open("Echo"));
    assert.equal(peer.connection.running, 3);
    const [refused] = await peer.exchange(7, open("Echo", { message: echoBytes(1), halfClose: true }));
    assert.ok(refused?.body.case === "end");
    assert.equal(refused.body.value.code, Code.ResourceExhausted);
    assert.match(refused.body.value.message, /too many bytes are held/);
    assert.equal(peer.counters.get("rpc.refused.memory"), 1);
    await peer.exchange(1, { case: "cancel", value: {} });
    peer.send(9, open("Echo", { message: echoBytes(5), halfClose: true }));
    await peer.turn();
    handlers.goAll();
    await peer.turn();
    assert.ok(peer.frames.some(({ streamId, body }) => streamId === 9 && body.case === "end" && body.value.code === 0));
    peer.cut();
  });

  test("of what it does not take is answered as fast as it reads, and refused nothing", async () => {
    const peer = new RawPeer("listener", { maxHeldBytesPerConnection: 1024 * kibibyte });
    peer.registry.serve(EchoService, {
      echo: ({ payload }) => ({ payload: new Uint8Array(60_000).fill(payload[0] ?? 0) }),
    });
    peer.setPartitioned(true);
    const calls = 200;
    for (let i = 0; i < calls; i++) peer.send(2 * i + 1, open("Echo", { message: echoBytes(1), halfClose: true }));
    await peer.turn();
    peer.setPartitioned(false);
    let most = 0;
    const ends = new Map<number, number>();
    for (let i = 0; i < 20_000 && ends.size < calls; i++) {
      await peer.clock.advance(0);
      most = Math.max(most, peer.connection.memory.unsentBytes);
      for (const { streamId, body } of peer.frames.splice(0)) {
        if (body.case === "end") ends.set(streamId, body.value.code);
        if (body.case === "data")
          peer.send(0, { case: "credit", value: { bytes: body.value.payload.length + dataFrameCost } });
      }
    }
    assert.equal(ends.size, calls);
    assert.deepEqual(new Set(ends.values()), new Set([0]));
    assert.ok(most > 256 * kibibyte && most < 2048 * kibibyte, `${most} bytes of ${calls * 60_000}`);
    peer.cut();
    await peer.turn();
    assert.equal(peer.budget.heldBytes, 0);
  });
});

/** Lets time pass while the peer shows that it is there, which is no progress of anything. */
async function pass(peer: RawPeer, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1000) {
    if (peer.ended === undefined) peer.send(0, { case: "ping", value: { id: 1 } });
    await peer.clock.advance(Math.min(left, 1000));
  }
}

suite("a request that stays incomplete", () => {
  const incomplete: Readonly<Record<string, (peer: RawPeer) => void>> = {
    "a unary call without its message": (peer) => peer.send(1, open("Echo")),
    "a unary call without its end": (peer) => peer.send(1, open("Echo", { message: echoBytes(5) })),
    "a server-streaming call without its end": (peer) => peer.send(1, open("Repeat", { message: echoBytes(5) })),
    "a message in pieces": (peer) => {
      peer.send(1, open("Collect"));
      peer.send(1, data(Uint8Array.of(10), true));
    },
    "a later message in pieces": (peer) => {
      peer.send(1, open("Converse", { message: echoBytes(5) }));
      peer.send(1, data(Uint8Array.of(10), true));
    },
  };

  for (const [name, begin] of Object.entries(incomplete)) {
    test(`${name} ends with deadline_exceeded, not before its time`, async () => {
      const peer = new RawPeer("listener");
      assert.equal(new Handlers(peer).waiting, 0);
      begin(peer);
      await pass(peer, requestTimeoutMs - 1000);
      assert.deepEqual(
        peer.frames.filter(({ body }) => body.case === "end"),
        [],
      );
      await pass(peer, requestTimeoutMs / 2);
      const end = peer.frames.find(({ body }) => body.case === "end");
      assert.ok(end?.body.case === "end");
      assert.equal(end.body.value.code, Code.DeadlineExceeded);
      assert.equal(peer.ended, undefined);
      assert.equal(peer.connection.unconsumedBytes, 0);
      assert.equal(peer.counters.get("rpc.request_timeouts"), 1);
      peer.cut();
    });
  }

  test("goes on while something of it comes", async () => {
    const peer = new RawPeer("listener");
    const handlers = new Handlers(peer);
    const message = echoBytes(20);
    peer.send(1, open("Echo"));
    for (const byte of message.subarray(0, -1)) {
      await pass(peer, requestTimeoutMs - 6000);
      peer.send(1, data(Uint8Array.of(byte), true));
    }
    await peer.turn();
    peer.send(1, data(message.subarray(-1)));
    await pass(peer, requestTimeoutMs - 6000);
    peer.send(1, { case: "halfClose", value: {} });
    await peer.turn();
    handlers.goAll();
    await peer.turn();
    const end = peer.frames.find(({ streamId, body }) => streamId === 1 && body.case === "end");
    assert.ok(end?.body.case === "end" && end.body.value.code === 0);
    peer.cut();
  });

  test("is none where a stream of requests pauses between messages, or the peer waits for credit", async () => {
    const peer = new RawPeer("listener", { idleTimeoutMs: 0 });
    assert.equal(new Handlers(peer).waiting, 0);
    peer.send(1, open("Collect", { message: echoBytes(5) }));
    peer.send(3, open("Converse"));
    peer.send(5, open("Collect"));
    await peer.turn();
    // Nobody reads it: its message is to wait.
    for (let left = peer.creditOf(5); left > 0; left = peer.creditOf(5)) {
      peer.send(5, data(new Uint8Array(Math.min(left, 40_000) - dataFrameCost), true));
    }
    await pass(peer, 10 * requestTimeoutMs);
    assert.deepEqual(
      peer.frames.filter(({ body }) => body.case === "end"),
      [],
    );
    assert.equal(peer.connection.running, 3);
    peer.cut();
  });
});

suite("a peer that does not read", () => {
  test("that takes nothing of what waits for it loses its connection, whatever it sends", async () => {
    for (const isReading of [false, true]) {
      const peer = new RawPeer("listener");
      peer.registry.serve(EchoService, { echo: () => ({ payload: new Uint8Array(60_000) }) });
      for (let i = 0; i < 30; i++) peer.send(2 * i + 1, open("Echo", { message: echoBytes(1), halfClose: true }));
      await peer.turn();
      if (!isReading) peer.stopReading();
      for (let i = 0; i < 30; i++) peer.send(2 * i + 61, open("Echo", { message: echoBytes(1), halfClose: true }));
      for (let ms = 0; ms < 2 * writeTimeoutMs; ms += 1000) {
        assert.ok(endOf(peer) === undefined || ms >= writeTimeoutMs, "not before its time");
        if (isReading) peer.send(0, { case: "credit", value: { bytes: 200_000 } });
        await pass(peer, 1000);
      }
      assert.equal(endOf(peer), isReading ? undefined : "peer_too_slow");
      peer.cut();
      await peer.turn();
      assert.equal(peer.budget.heldBytes, 0);
    }
  });

  test("gives no credit for the connection, and loses it as well", async () => {
    const peer = new RawPeer("listener");
    peer.registry.serve(EchoService, {
      async *repeat() {
        for (;;) yield { payload: new Uint8Array(60_000) };
      },
    });
    for (let i = 0; i < 30; i++) {
      peer.send(2 * i + 1, open("Repeat", { message: echoBytes(1), halfClose: true }));
      peer.send(2 * i + 1, { case: "credit", value: { bytes: 1_000_000 } });
    }
    await pass(peer, writeTimeoutMs - 1000);
    assert.equal(endOf(peer), undefined);
    await pass(peer, writeTimeoutMs);
    assert.equal(endOf(peer), "peer_too_slow");
  });

  test("keeps its connection where its streams alone have no readers", async () => {
    const peer = new RawPeer("listener");
    peer.registry.serve(EchoService, {
      async *repeat() {
        for (;;) yield { payload: new Uint8Array(10_000) };
      },
    });
    for (let i = 0; i < 10; i++) peer.send(2 * i + 1, open("Repeat", { message: echoBytes(1), halfClose: true }));
    await pass(peer, 10 * writeTimeoutMs);
    assert.equal(peer.ended, undefined);
    assert.ok(peer.connection.memory.unsentBytes <= 10 * 10_100);
    peer.cut();
  });
});
