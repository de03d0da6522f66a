import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import {
  CollectResponseSchema,
  EchoRequestSchema,
  EchoResponseSchema,
  EchoService,
} from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { type Frame, FrameSchema } from "../../../gen/dswarm/v1/frame_pb.ts";
import { FrameDecoder } from "../../../src/rpc/frame-decoder.ts";
import { callUnary } from "../../../src/rpc/unary-call.ts";
import { DswarmError, dswarmErrorOf } from "../../../src/util/errors.ts";
import { frameValue } from "../../vectors/make/frames.ts";
import { bytesOf, hex, type VectorBytes } from "../../vectors/make/vector-file.ts";
import { RawPeer } from "../rpc/raw-peer.ts";
import { loadCases } from "./load-cases.ts";

interface FrameCase {
  readonly bytes: VectorBytes;
  readonly frames?: readonly object[];
  readonly to?: "listener" | "dialer";
  readonly ends?: "connection" | "stream" | "nothing";
  readonly stream_id?: number;
  readonly error?: string;
  readonly status?: number;
}

const cases = loadCases<FrameCase>("frames.json");

function decode(bytes: Buffer, chunkBytes: number): Frame[] {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    decoder.push(Buffer.from(bytes.subarray(at, at + chunkBytes)), (frame) => frames.push(frame));
  }
  return frames;
}

for (const vector of cases.filter(({ frames }) => frames !== undefined)) {
  test(`frames.json: ${vector.name}`, () => {
    const bytes = bytesOf(vector.bytes);
    for (const chunkBytes of [1, 7, bytes.length]) {
      assert.deepEqual(decode(bytes, chunkBytes).map(withoutUndefined), vector.frames);
    }
  });
}

/** A frame as a vector, as it comes back from a file. */
function withoutUndefined(frame: Frame): unknown {
  return JSON.parse(JSON.stringify(frameValue(frame)));
}

test("frames.json: frames that say something encode to the same bytes", () => {
  const told = cases.filter(({ frames = [] }) => frames.length > 0 && frames.every((frame) => "body" in frame));
  for (const { name, bytes } of told.filter(({ name: fact }) => !fact.startsWith("an unknown field"))) {
    const frames = decode(bytesOf(bytes), 1_000_000);
    const encoded = frames.map((frame) => sizeDelimitedEncode(FrameSchema, create(FrameSchema, frame)));
    assert.equal(hex(Buffer.concat(encoded)), hex(bytesOf(bytes)), name);
  }
});

function serveEcho(peer: RawPeer): void {
  peer.registry.serve(EchoService, {
    echo: ({ payload }) => create(EchoResponseSchema, { payload }),
    async collect(requests) {
      let count = 0;
      for await (const request of requests) count += request.payload.length > -1 ? 1 : 0;
      return create(CollectResponseSchema, { count });
    },
  });
}

function goAwayOf(frames: readonly Frame[]): Frame | undefined {
  return frames.find(({ body }) => body.case === "goAway");
}

for (const vector of cases.filter(({ to }) => to === "listener")) {
  test(`frames.json: ${vector.name}`, async () => {
    const peer = new RawPeer("listener");
    serveEcho(peer);
    peer.sendBytes(bytesOf(vector.bytes));
    await peer.turn();
    const frames = peer.frames.splice(0);
    if (vector.ends === "connection") {
      assert.equal(peer.ended?.reason?.code, vector.error);
      const { body } = goAwayOf(frames) ?? {};
      assert.ok(body?.case === "goAway");
      assert.equal(body.value.code, vector.status);
      return;
    }
    const ends = frames.flatMap(({ streamId, body }) => (body.case === "end" ? [{ streamId, ...body.value }] : []));
    assert.deepEqual(
      ends.map(({ streamId, code }) => [streamId, code]),
      vector.ends === "stream" ? [[vector.stream_id, vector.status]] : [],
    );
    if (vector.error !== undefined && vector.error !== "") {
      const { message } = new DswarmError(vector.error as DswarmError["code"]);
      assert.ok(ends[0]?.message.startsWith(message), ends[0]?.message);
    }
    const [pong] = await peer.exchange(0, { case: "ping", value: { id: 9 } });
    assert.equal(pong?.body.case, "pong");
    peer.cut();
  });
}

for (const vector of cases.filter(({ to }) => to === "dialer")) {
  test(`frames.json: ${vector.name}`, async () => {
    const peer = new RawPeer("dialer");
    const { connection, clock } = peer;
    const request = toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload: Buffer.from("hello") }));
    const method = EchoService.method.echo;
    const call = callUnary({
      connection,
      clock,
      method,
      request,
      stats: undefined,
      metadata: undefined,
      signal: undefined,
      timeoutMs: undefined,
    });
    const outcome = call.then(
      () => ({ status: undefined, error: undefined }),
      (error: { code: number }) => ({ status: error.code, error: dswarmErrorOf(error)?.code }),
    );
    await peer.turn();
    assert.equal(peer.frames.splice(0)[0]?.body.case, "open");
    peer.sendBytes(bytesOf(vector.bytes));
    await peer.turn();
    const frames = peer.frames.splice(0);
    if (vector.ends === "connection") {
      assert.equal(peer.ended?.reason?.code, vector.error);
      const { body } = goAwayOf(frames) ?? {};
      assert.ok(body?.case === "goAway");
      assert.equal(body.value.code, vector.status);
    } else {
      assert.deepEqual(await outcome, { status: vector.status, error: vector.error === "" ? undefined : vector.error });
      const [pong] = await peer.exchange(0, { case: "ping", value: { id: 9 } });
      assert.equal(pong?.body.case, "pong");
    }
    peer.cut();
    await outcome;
  });
}
