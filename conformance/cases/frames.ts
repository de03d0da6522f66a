// Frames that come to a caller: what ends the connection, what ends the call, and what is to be borne.
import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { EchoResponseSchema } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { byKey, type CaseContext, digestOf, group, payloadOf } from "../case.ts";
import { type Body, frameBytes, type HostileConnection } from "../hostile-listener.ts";

const lastStreamId = 2 ** 31 - 1;

/** An encoded EchoResponse, or any message that has such a payload alone. */
function message(size: number): Uint8Array {
  return toBinary(EchoResponseSchema, create(EchoResponseSchema, { payload: payloadOf(size) }));
}

function data(payload: Uint8Array, more = false): Body {
  return { case: "data", value: { payload, more } };
}

function end(code: number, fields: object = {}): Body {
  return { case: "end", value: { code, ...fields } };
}

function entry(key = "x-a", value = "b"): { key: string; value: Buffer } {
  return { key, value: Buffer.from(value) };
}

/** One byte more than a list may have, the key included. */
const longEntry = entry("x-a-bin", "x".repeat(16_378));

function header(key?: string, value?: string): Body {
  return { case: "header", value: { metadata: [entry(key, value)] } };
}

/** A status whose message has so many bytes: the call fails with it, and tells at least what may be sent of it. */
function statusMessage(size: number) {
  return async (context: CaseContext): Promise<void> => {
    const { raw, call, stream } = await context.hostileCall();
    raw.send(stream, end(5, { message: "x".repeat(size) }));
    const { message: told } = await call.fails(5);
    assert.ok(told.startsWith("x".repeat(Math.min(size, 4000))), `of ${size} bytes ${told.length} are told`);
    await raw.assertWorks();
  };
}

/** Whoever sends these bytes has broken the connection: the program says why, and ends it. */
function endsConnection(code: string, bytes: Buffer | ((stream: number) => Buffer)) {
  return async (context: CaseContext): Promise<void> => {
    const { raw, connection, call, stream } = await context.hostileCall("Repeat", { count: 1 });
    raw.sendBytes(typeof bytes === "function" ? bytes(stream) : bytes);
    const { code: status } = await raw.next("goAway");
    assert.equal(status, 13, `go_away with ${status}`);
    await connection.endsBy(code);
    await call.outcome.then(({ code: outcome }) => assert.notEqual(outcome, 0));
    await raw.closed();
    assert.equal(raw.saidGoodbye, false, "a goodbye after a fault");
    assert.equal(raw.closeCode, 1000, "the close code of the websocket after a fault");
  };
}

/** A caller's frame from the callee, on a stream that is closed: it ends the connection all the same. */
function wrongDirectionAfterEnd(body: Body) {
  return async (context: CaseContext): Promise<void> => {
    const { raw, call, connection, stream } = await context.hostileCall();
    await answer(raw, stream, 1);
    await call.succeeds();
    raw.send(stream, body);
    assert.equal((await raw.next("goAway")).code, 13);
    await connection.endsBy("frame_invalid");
  };
}

/** Frames that fail the call with a status, and leave the connection as it is. */
function failsCall(method: "Echo" | "Repeat", statuses: readonly number[], ...bodies: readonly Body[]) {
  return async (context: CaseContext): Promise<void> => {
    const { raw, call, stream } = await context.hostileCall(method, { count: 1 });
    for (const body of bodies) raw.send(stream, body);
    await call.fails(...statuses);
    await raw.assertWorks();
  };
}

/** Bytes that change nothing: the call goes on and succeeds. */
function changesNothing(bytes: Buffer | ((stream: number) => Buffer)) {
  return async (context: CaseContext): Promise<void> => {
    const { raw, call, stream } = await context.hostileCall("Echo", { requests: [{ size: 5 }] });
    raw.sendBytes(typeof bytes === "function" ? bytes(stream) : bytes);
    await raw.assertWorks();
    await answer(raw, stream, 5);
    assert.equal((await call.succeeds()).bytes, 5);
  };
}

async function answer(raw: HostileConnection, stream: number, size: number): Promise<void> {
  raw.send(stream, end(0, { response: message(size) }));
}

/** A frame of a field number that no frame has. */
function unknownBody(stream: number): Buffer {
  const id = Buffer.from(varint(stream));
  const frame = Buffer.concat([Buffer.from([0x08]), id, Buffer.from([0x82, 0x01, 0x00])]);
  return Buffer.concat([Buffer.of(frame.length), frame]);
}

/** Credit of more than 2^40 bytes, in as many frames as that takes. */
function tooMuchCredit(stream: number): Buffer {
  const frame = frameBytes(stream, { case: "credit", value: { bytes: 2 ** 32 - 1 } });
  return Buffer.concat(Array.from({ length: 2 ** 8 + 1 }, () => frame));
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** Cases of frames that a caller receives. */
export const frameCases = group("frames", ["calls"], {
  // The connection.
  "too-long": endsConnection("frame_too_large", Buffer.from("818008", "hex")),
  "length-of-four-bytes": endsConnection("frame_too_large", Buffer.from("80808000", "hex")),
  undecodable: endsConnection("frame_invalid", Buffer.from("0508011a0561", "hex")),
  "end-unopened": endsConnection("frame_invalid", frameBytes(99_999, end(0))),
  "data-unopened": endsConnection("frame_invalid", frameBytes(99_999, data(message(1)))),
  "data-on-stream-0": endsConnection("frame_invalid", frameBytes(0, data(message(1)))),
  "end-on-stream-0": endsConnection("frame_invalid", frameBytes(0, end(0))),
  "ping-on-stream": endsConnection("frame_invalid", (stream) => frameBytes(stream, { case: "ping", value: { id: 1 } })),
  "go-away-on-stream": endsConnection("frame_invalid", (stream) => frameBytes(stream, { case: "goAway", value: {} })),
  "half-close-from-callee": endsConnection("frame_invalid", (stream) =>
    frameBytes(stream, { case: "halfClose", value: {} }),
  ),
  "cancel-from-callee": endsConnection("frame_invalid", (stream) => frameBytes(stream, { case: "cancel", value: {} })),
  "no-credit": endsConnection("frame_invalid", frameBytes(0, { case: "credit", value: { bytes: 0 } })),
  "no-credit-of-stream": endsConnection("frame_invalid", (stream) =>
    frameBytes(stream, { case: "credit", value: { bytes: 0 } }),
  ),
  "too-much-credit": endsConnection("frame_invalid", tooMuchCredit(0)),
  "too-much-credit-of-stream": endsConnection("frame_invalid", tooMuchCredit),
  "piece-too-long": endsConnection("frame_invalid", (stream) => frameBytes(stream, data(Buffer.alloc(69_633), true))),
  // The program reads and drops the bytes behind the fault. If TCP is closed with bytes unread, the peer may lose the go-away.
  "more-behind-a-fault": async (context) => {
    const { raw, connection, call, stream } = await context.hostileCall("Repeat", { count: 1 });
    const pieces = Array.from({ length: 40 }, () => frameBytes(stream, data(message(60_000))));
    const ping = frameBytes(0, { case: "ping", value: { id: 1 } });
    raw.sendBytes(Buffer.concat([frameBytes(0, end(0)), ...pieces, frameBytes(stream, end(0)), ping]));
    assert.equal((await raw.next("goAway")).code, 13);
    await connection.endsBy("frame_invalid");
    await call.outcome.then(({ code, messages }) => assert.deepEqual([code === 0, messages], [false, 0]));
    await raw.closed();
    assert.deepEqual([raw.count("pong", 0), raw.saidGoodbye, raw.closeCode], [0, false, 1000]);
  },
  "credit-exceeded": async (context) => {
    const { raw, connection, stream } = await context.hostileCall("Repeat", { count: 1, paused: true });
    // Whatever window it has, this is above it.
    for (let i = 0; i < 200 && raw.closeCode === undefined; i++) raw.send(stream, data(message(65_000)));
    assert.equal((await raw.next("goAway")).code, 13);
    await connection.endsBy("credit_exceeded");
  },

  // The call.
  "response-too-long": failsCall("Echo", [13], end(0, { response: Buffer.alloc(69_633) })),
  "empty-piece": failsCall("Echo", [13], data(Buffer.alloc(0), true)),
  "second-answer": failsCall("Echo", [13], data(message(1)), data(message(1)), end(0)),
  "second-answer-in-end": failsCall("Echo", [13], data(message(1)), end(0, { response: message(1) })),
  "no-answer": failsCall("Echo", [13], end(0)),
  "second-header": failsCall("Repeat", [13], header(), header()),
  "header-after-data": failsCall("Repeat", [13], data(message(1)), header()),
  "header-in-end-after-header": failsCall(
    "Repeat",
    [13],
    header(),
    end(0, { header: [{ key: "x-b", value: Buffer.from("c") }] }),
  ),
  "bad-metadata-key": failsCall("Repeat", [3, 13], header("Upper-Case")),
  "bad-metadata-value": failsCall("Repeat", [3, 13], header("x-a", "ä")),
  "too-much-metadata": failsCall("Repeat", [8, 13], header("x-a-bin", "x".repeat(16_384))),
  "success-within-message": failsCall("Repeat", [13], data(Buffer.of(10), true), end(0)),
  "error-within-message": failsCall("Repeat", [5], data(Buffer.of(10), true), end(5, { message: "no" })),
  "undecodable-answer": failsCall("Echo", [13], end(0, { response: Buffer.from("0a05", "hex") })),
  "undecodable-answer-of-stream": async (context) => {
    const { raw, call, stream } = await context.hostileCall("Repeat", { count: 1 });
    raw.send(stream, data(Buffer.from("0a05", "hex")));
    await call.fails(13);
    await raw.next("cancel", stream);
    await raw.assertWorks();
  },
  "status-above-16": failsCall("Echo", [2], end(17, { message: "of a later version" })),
  "longest-message-by-end": statusMessage(4096),
  "too-long-a-message-by-end": statusMessage(4097),
  "far-too-long-a-message-by-end": statusMessage(100_000),
  "bad-trailer-key": failsCall("Echo", [3, 13], end(0, { response: message(1), trailer: [entry("Upper-Case")] })),
  "bad-trailer-value": failsCall("Echo", [3, 13], end(0, { response: message(1), trailer: [entry("x-a", "ä")] })),
  "too-much-trailer": failsCall("Echo", [8, 13], end(0, { response: message(1), trailer: [longEntry] })),
  "too-many-trailers": failsCall(
    "Echo",
    [8, 13],
    end(0, { response: message(1), trailer: Array.from({ length: 129 }, () => entry()) }),
  ),
  "bad-trailer-of-error": failsCall("Echo", [3, 13], end(5, { trailer: [entry("Upper-Case")] })),

  // What is borne.
  "empty-frame": changesNothing(Buffer.of(0)),
  "no-body": changesNothing((stream) => frameBytes(stream)),
  "unknown-body": changesNothing(unknownBody),
  "unknown-body-unopened": changesNothing(unknownBody(99_999)),
  "unknown-field": changesNothing((stream) => {
    // Credit of 5 bytes, and a field 31 within it.
    const frame = Buffer.concat([Buffer.of(0x08), Buffer.from(varint(stream)), Buffer.from("3a050805f80101", "hex")]);
    return Buffer.concat([Buffer.of(frame.length), frame]);
  }),
  "status-of-end": async (context) => {
    const { raw, call, stream } = await context.hostileCall();
    const details = [{ typeUrl: "type.googleapis.com/google.protobuf.Empty", value: Buffer.from("0a", "hex") }];
    raw.send(stream, end(9, { message: "not now", details, trailer: [{ key: "x-t-bin", value: Buffer.of(0, 255) }] }));
    const outcome = await call.fails(9);
    assert.equal(outcome.message, "not now");
    assert.deepEqual(outcome.details, [{ type: "google.protobuf.Empty", value: "Cg==" }]);
    assert.equal(byKey(outcome.trailer)["x-t-bin"], "00ff");
  },
  "answer-in-pieces": async (context) => {
    const { raw, call, stream } = await context.hostileCall();
    const bytes = message(1000);
    for (let at = 0; at < bytes.length; at++) raw.send(stream, data(bytes.subarray(at, at + 1), at < bytes.length - 1));
    raw.send(stream, end(0));
    const outcome = await call.succeeds();
    assert.equal(outcome.sha256, digestOf([payloadOf(1000)]));
  },
  "answer-in-data": async (context) => {
    const { raw, call, stream } = await context.hostileCall();
    raw.send(stream, header("x-a", "b"));
    raw.send(stream, data(message(10)));
    raw.send(stream, end(0, { trailer: [{ key: "x-c", value: Buffer.from("d") }] }));
    const outcome = await call.succeeds();
    assert.equal(outcome.bytes, 10);
    assert.equal(byKey(outcome.header)["x-a"], "b");
    assert.equal(byKey(outcome.trailer)["x-c"], "d");
  },
  "header-in-end": async (context) => {
    const { raw, call, stream } = await context.hostileCall();
    raw.send(stream, end(0, { response: message(10), header: [{ key: "x-a", value: Buffer.from("b") }] }));
    assert.equal(byKey((await call.succeeds()).header)["x-a"], "b");
  },
  "last-answer-in-end": async (context) => {
    const { raw, call, stream } = await context.hostileCall("Repeat", { count: 2 });
    raw.send(stream, data(message(10)));
    raw.send(stream, end(0, { response: message(20) }));
    const outcome = await call.succeeds();
    assert.equal(outcome.sha256, digestOf([payloadOf(10), payloadOf(20)]));
    assert.equal(outcome.messages, 2);
  },
  "empty-response": async (context) => {
    const { raw, call, stream } = await context.hostileCall();
    raw.send(stream, end(0, { response: Buffer.alloc(0) }));
    const outcome = await call.succeeds();
    assert.deepEqual([outcome.messages, outcome.bytes], [1, 0]);
  },
  "empty-message": async (context) => {
    const { raw, call, stream } = await context.hostileCall("Repeat", { count: 1 });
    raw.send(stream, data(Buffer.alloc(0)));
    raw.send(stream, end(0));
    assert.equal((await call.succeeds()).messages, 1);
  },
  "after-end": async (context) => {
    const { raw, call, connection, stream } = await context.hostileCall();
    await answer(raw, stream, 1);
    await call.succeeds();
    raw.send(stream, data(message(1)));
    raw.send(stream, end(5));
    raw.send(stream, { case: "credit", value: { bytes: 1 } });
    await raw.assertWorks();
    const next = connection.call("Echo");
    await answer(raw, await raw.opened("Echo"), 3);
    assert.equal((await next.succeeds()).bytes, 3);
  },
  // Each of these ends the call or the connection while the stream is open.
  "bad-frames-after-end": async (context) => {
    const { raw, call, stream } = await context.hostileCall();
    await answer(raw, stream, 1);
    await call.succeeds();
    raw.send(stream, data(Buffer.alloc(69_633)));
    raw.send(stream, data(Buffer.alloc(0), true));
    raw.send(stream, { case: "credit", value: { bytes: 0 } });
    raw.send(stream, header("Upper-Case"));
    raw.send(stream, end(0, { response: Buffer.alloc(69_633) }));
    await raw.assertWorks();
  },
  "half-close-after-end": wrongDirectionAfterEnd({ case: "halfClose", value: {} }),
  "cancel-after-end": wrongDirectionAfterEnd({ case: "cancel", value: {} }),
  "after-cancel": async (context) => {
    const { raw, call, stream } = await context.hostileCall("Repeat", { count: 1 });
    await call.cancel();
    await call.fails(1);
    await raw.next("cancel", stream);
    raw.send(stream, header());
    raw.send(stream, data(message(1)));
    raw.send(stream, end(0));
    await raw.assertWorks();
  },
  "ids-go-up": async (context) => {
    const { raw, connection } = await context.hostilePair();
    let last = 0;
    for (let i = 0; i < 5; i++) {
      const call = connection.call("Echo");
      const stream = await raw.opened("Echo");
      assert.ok(stream % 2 === 1 && stream > last, `stream ${stream} after ${last}`);
      last = stream;
      await answer(raw, stream, 0);
      await call.succeeds();
    }
  },
  "cancel-is-sent": async (context) => {
    const { raw, call, stream } = await context.hostileCall();
    await call.cancel();
    const { code } = await raw.next("cancel", stream);
    assert.ok(code === 0 || code === 1, `the code of the cancel is ${code}`);
    await call.fails(1);
  },
  "deadline-is-sent": async (context) => {
    const { raw, connection } = await context.hostilePair();
    for (const method of ["Echo", "Repeat", "Collect", "Converse"]) {
      const call = connection.call(method, { timeoutMs: 300 });
      const open = await raw.next("open");
      assert.equal(open.method, `dswarm.example.v1.EchoService/${method}`);
      assert.ok(open.timeoutMs > 0 && open.timeoutMs <= 300, `timeout_ms of ${method} is ${open.timeoutMs}`);
      await call.fails(4);
      assert.equal((await raw.next("cancel")).code, 4, "the code of the cancel");
    }
  },
  "go-away-above": async (context) => {
    const { raw, call, stream } = await context.hostileCall();
    raw.send(0, { case: "goAway", value: { lastStreamId: lastStreamId } });
    await answer(raw, stream, 7);
    assert.equal((await call.succeeds()).bytes, 7);
  },
});
