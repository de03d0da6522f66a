// Faults that a connection bears, and what is none.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { type Body, echoBytes, echoMethod, RawPeer } from "./raw-peer.ts";

const maxFaults = 5;
let nextId = 1;

function newId(): number {
  nextId += 2;
  return nextId;
}

function serving(): RawPeer {
  const peer = new RawPeer("listener", { maxFaults, faultsPerSecond: 1, maxConcurrentStreams: 2 });
  peer.registry.serve(EchoService, {
    echo: ({ payload }) => ({ payload }),
    collect: async (requests) => {
      for await (const _ of requests);
      return {};
    },
  });
  return peer;
}

function endOf(peer: RawPeer): string | undefined {
  return peer.ended?.reason?.code;
}

function open(method: string, more: Partial<Extract<Body, { case: "open" }>["value"]> = {}): Body {
  return { case: "open", value: { method, timeoutMs: 0, metadata: [], halfClose: true, ...more } };
}

/** Commits one fault. */
const faults: Readonly<Record<string, (peer: RawPeer) => void>> = {
  "a call of a method that is not served": (peer) => peer.send(newId(), open("a.B/c")),
  "a call with metadata that are not allowed": (peer) =>
    peer.send(newId(), open(echoMethod("Echo"), { metadata: [{ key: "A", value: new Uint8Array() }] })),
  "a request that does not decode": (peer) =>
    peer.send(newId(), open(echoMethod("Echo"), { message: Uint8Array.of(255) })),
  "an empty piece": (peer) => {
    const id = newId();
    peer.send(id, open(echoMethod("Collect"), { halfClose: false }));
    peer.send(id, { case: "data", value: { payload: new Uint8Array(), more: true } });
  },
  "an empty frame": (peer) => peer.sendBytes(Uint8Array.of(0)),
  "a frame of an unknown kind": (peer) => peer.sendBytes(Uint8Array.of(3, 0xfa, 0x01, 0)),
  "a ping": (peer) => peer.send(0, { case: "ping", value: { id: 7 } }),
  "a pong": (peer) => peer.send(0, { case: "pong", value: { id: 7 } }),
  "a go-away": (peer) => peer.send(0, { case: "goAway", value: { lastStreamId: 2 ** 31 - 1 } }),
  "credit of one byte": (peer) => peer.send(0, { case: "credit", value: { bytes: 1 } }),
};

suite("faults of a peer", () => {
  for (const [name, commit] of Object.entries(faults)) {
    test(`${name} is a fault, and one too many ends the connection with a coded go-away`, async () => {
      const peer = serving();
      for (let i = 0; i < maxFaults; i++) {
        commit(peer);
        await peer.turn();
      }
      assert.equal(endOf(peer), undefined);
      commit(peer);
      await peer.turn();
      assert.equal(endOf(peer), "too_many_faults");
      const last = peer.frames.at(-1)?.body;
      assert.equal(last?.case, "goAway");
      assert.equal(last?.case === "goAway" && last.value.code, Code.ResourceExhausted);
    });
  }

  test("forgives faults with time", async () => {
    const peer = serving();
    for (let i = 0; i < maxFaults; i++) peer.send(newId(), open("a.B/c"));
    await peer.turn();
    for (let i = 0; i < 20; i++) {
      await peer.clock.advance(1000);
      peer.send(newId(), open("a.B/c"));
      await peer.turn();
    }
    assert.equal(peer.ended, undefined);
  });

  test("counts no call that is answered, and none that is cancelled", async () => {
    const peer = serving();
    for (let i = 0; i < 50; i++) {
      peer.send(newId(), open(echoMethod("Echo"), { message: echoBytes(1) }));
      const id = newId();
      peer.send(id, open(echoMethod("Collect"), { halfClose: false }));
      peer.send(id, { case: "cancel", value: {} });
      await peer.turn();
    }
    assert.equal(peer.ended, undefined);
    assert.equal(peer.frames.filter(({ body }) => body.case === "end" && body.value.code === 0).length, 50);
  });

  test("makes no stream for a call that it refuses", async () => {
    const peer = serving();
    const id = newId();
    const frames = await peer.exchange(id, open("a.B/c", { halfClose: false }));
    assert.equal(peer.connection.streams, 0);
    assert.equal(peer.connection.running, 0);
    const [end] = frames;
    assert.equal(end?.body.case === "end" && end.body.value.code, Code.Unimplemented);
    assert.equal(end?.body.case === "end" && end.body.value.message, '"a.B/c" is not served here');
    // What was under way is ignored.
    peer.send(id, { case: "data", value: { payload: new Uint8Array(10) } });
    peer.send(id, { case: "cancel", value: {} });
    assert.deepEqual(await peer.exchange(id, { case: "halfClose", value: {} }), []);
    assert.equal(peer.ended, undefined);
  });
});
