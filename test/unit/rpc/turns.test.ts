// Work on what a peer sends is done in slices: its link is paused meanwhile, and others have their turn.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { FrameEncoder } from "../../../src/rpc/frame-encoder.ts";
import { TurnQueue } from "../../../src/util/turn-queue.ts";
import { echoBytes, echoMethod, RawPeer } from "./raw-peer.ts";

const floodedCalls = 5000;

/** Many frames in one write. */
function flood(write: (encoder: FrameEncoder, id: number) => void): Uint8Array {
  const encoder = new FrameEncoder();
  for (let i = 0; i < floodedCalls; i++) write(encoder, 2 * i + 1);
  return encoder.take((bytes) => Uint8Array.from(bytes));
}

const method = Buffer.from(echoMethod("Echo"));
const floods: Readonly<Record<string, Uint8Array>> = {
  "calls that are served": flood((encoder, id) => encoder.open(id, method, 0, echoBytes(1), true)),
  "calls that are not served": flood((encoder, id) => encoder.open(id, Buffer.from("a"), 0, undefined, true)),
  pings: flood((encoder, id) => encoder.frame(0, { case: "ping", value: { id } })),
  "empty frames": new Uint8Array(floodedCalls),
};

function serving(): RawPeer {
  const peer = new RawPeer("listener", { maxConcurrentStreams: 10_000 });
  peer.registry.serve(EchoService, { echo: ({ payload }) => ({ payload }) });
  return peer;
}

/** The most frames that one step of the clock has brought about. */
function stepAll(peer: RawPeer, answers: () => number): { readonly most: number; readonly steps: number } {
  let [most, steps, before] = [0, 0, answers()];
  while (steps < 100_000 && peer.clock.nextAt <= peer.clock.now() && peer.clock.step()) {
    const after = answers();
    most = Math.max(most, after - before);
    steps += 1;
    before = after;
  }
  return { most, steps };
}

suite("turns of a connection", () => {
  for (const [name, bytes] of Object.entries(floods)) {
    test(`a write with thousands of ${name} is worked on in slices`, async () => {
      const peer = serving();
      await peer.turn();
      peer.sendBytes(bytes);
      const { most } = stepAll(peer, () => peer.connection.encoder.length + peer.frames.length);
      assert.ok(most < 64 * 1024, `${most} bytes of answers in one turn`);
      assert.equal(peer.ended, undefined);
      if (name === "empty frames") return;
      await peer.turn();
      assert.equal(peer.frames.length, floodedCalls);
    });
  }

  for (const { payloads, isServed } of [
    { payloads: [1, 1], isServed: 1 },
    { payloads: [300, 1], isServed: 0 },
  ]) {
    test(`of calls of ${payloads.join(" and ")} bytes ${isServed} needs no time in a turn that has none left`, async () => {
      const peer = new RawPeer("listener");
      let served = 0;
      peer.registry.serve(EchoService, {
        echo: ({ payload }) => {
          served += 1;
          return { payload };
        },
      });
      await peer.turn();
      const turns = TurnQueue.of(peer.clock);
      const { turn } = turns;
      for (const [i, payloadBytes] of payloads.entries()) {
        const encoder = new FrameEncoder();
        encoder.open(2 * i + 1, method, 0, echoBytes(payloadBytes), true);
        peer.sendBytes(encoder.take((bytes) => Uint8Array.from(bytes)));
      }
      // The turn that is over then follows what has been sent.
      turns.spend(100);
      let inTurn = 0;
      while (peer.clock.nextAt <= peer.clock.now() && peer.clock.step()) if (turns.turn === turn) inTurn = served;
      assert.equal(inTurn, isServed);
      await peer.turn();
      assert.equal(served, payloads.length);
    });
  }

  test("what follows a flood comes in order, and the end of the link after it", async () => {
    const peer = serving();
    await peer.turn();
    peer.sendBytes(floods["calls that are served"] ?? new Uint8Array());
    peer.sendBytes(Uint8Array.of(2, 0x08, 0x01, 0xff, 0xff, 0xff, 0xff));
    for (let i = 0; i < 20; i++) await peer.turn();
    assert.equal(peer.frames.filter(({ body }) => body.case === "end").length, floodedCalls);
    assert.equal(peer.ended?.reason?.code, "frame_too_large");
  });
});
