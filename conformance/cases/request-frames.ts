// Frames that come to a callee: the program serves, the hostile end calls.
import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { EchoRequestSchema, EchoResponseSchema } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { type CaseContext, group, payloadOf } from "../case.ts";
import { type Body, frameBytes, type HostileConnection } from "../hostile-listener.ts";
import { until } from "../until.ts";

const service = "dswarm.example.v1.EchoService";

function message(size: number): Uint8Array {
  return toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload: payloadOf(size) }));
}

function open(method: string, fields: object = {}): Body {
  return { case: "open", value: { method: `${service}/${method}`, ...fields } };
}

function data(payload: Uint8Array, more = false): Body {
  return { case: "data", value: { payload, more } };
}

const stall = { payload: new TextEncoder().encode("stall") };
const halfClose: Body = { case: "halfClose", value: {} };
const whole = { message: message(5), halfClose: true };

/** The hostile end of a connection on which the program serves. */
async function served(context: CaseContext) {
  return context.hostilePair({ serve: true });
}

/** Fails unless the program still answers calls. */
async function assertServes(raw: HostileConnection, stream: number): Promise<void> {
  raw.send(stream, open("Echo", whole));
  await assertEcho(raw, stream, 5);
}

async function assertEcho(raw: HostileConnection, stream: number, size: number): Promise<void> {
  const end = await raw.next("end", stream);
  assert.equal(end.code, 0, end.message);
  const bytes = end.response ?? (await raw.next("data", stream)).payload;
  assert.equal(fromBinary(EchoResponseSchema, bytes).payload.length, size);
}

/** Frames that end the connection. */
function endsConnection(code: string, ...frames: readonly (readonly [number, Body])[]) {
  return async (context: CaseContext): Promise<void> => {
    const { raw, connection } = await served(context);
    for (const [stream, body] of frames) raw.sendBytes(frameBytes(stream, body));
    const { code: status } = await raw.next("goAway");
    assert.equal(status, 13, `go_away with ${status}`);
    await connection.endsBy(code);
    await raw.closed();
    assert.deepEqual([raw.saidGoodbye, raw.closeCode], [false, 1000], "how the connection ends after a fault");
  };
}

/** Frames on stream 2 that end the call with a status, and leave the connection as it is. */
function endsStream(status: number, ...bodies: readonly Body[]) {
  return async (context: CaseContext): Promise<void> => {
    const { raw } = await served(context);
    for (const body of bodies) raw.send(2, body);
    assert.equal((await raw.next("end", 2)).code, status);
    await assertServes(raw, 4);
  };
}

/** Has the program's handler do something with which its call fails: the end that it sends. */
async function failure(context: CaseContext, words: string) {
  const { raw } = await served(context);
  raw.send(2, open("Echo", { ...orderOf(words), halfClose: true }));
  const end = await raw.next("end", 2);
  assert.notEqual(end.code, 0);
  await assertServes(raw, 4);
  return end;
}

function orderOf(words: string): { message: Uint8Array } {
  return { message: toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload: Buffer.from(words) })) };
}

/** A handler's trailer that must not be sent: its call fails without it. */
function badTrailer(value: string) {
  return async (context: CaseContext): Promise<void> => {
    for (const { key, value: sent } of (await failure(context, `trailer ${value}`)).trailer) {
      assert.match(key, /^[a-z0-9._-]{1,256}$/);
      assert.ok(key.length + sent.length <= 16_384, "more metadata is sent than is allowed");
      if (!key.endsWith("-bin")) assert.match(Buffer.from(sent).toString("latin1"), /^[ -~]*$/);
    }
  };
}

function metadata(key: string, value: string, times = 1): object {
  const entry = { key, value: Buffer.from(value) };
  return { metadata: Array.from({ length: times }, () => entry) };
}

/** Cases of frames that a callee receives. */
export const requestFrameCases = group("requests", ["calls", "serve"], {
  // The connection.
  "odd-id": endsConnection("frame_invalid", [1, open("Echo", whole)]),
  "id-in-use": endsConnection("frame_invalid", [2, open("Collect")], [2, open("Collect")]),
  "id-below": endsConnection("frame_invalid", [6, open("Collect")], [4, open("Collect")]),
  "open-on-stream-0": endsConnection("frame_invalid", [0, open("Echo", whole)]),
  "data-unopened": endsConnection("frame_invalid", [2, data(message(1))]),
  "cancel-on-stream-0": endsConnection("frame_invalid", [0, { case: "cancel", value: {} }]),
  "end-from-caller": endsConnection("frame_invalid", [2, open("Collect")], [2, { case: "end", value: {} }]),
  "header-from-caller": endsConnection("frame_invalid", [2, open("Collect")], [2, { case: "header", value: {} }]),
  "piece-too-long": endsConnection("frame_invalid", [2, open("Collect")], [2, data(Buffer.alloc(69_633))]),
  "credit-exceeded": async (context) => {
    const { raw, connection } = await served(context);
    raw.send(2, open("Collect", { message: toBinary(EchoRequestSchema, create(EchoRequestSchema, stall)) }));
    // Whatever window it has, this is above it.
    for (let i = 0; i < 200 && raw.closeCode === undefined; i++) raw.send(2, data(message(65_000)));
    assert.equal((await raw.next("goAway")).code, 13);
    await connection.endsBy("credit_exceeded");
  },

  // The call.
  unimplemented: endsStream(12, { case: "open", value: { method: "no.Service/Method", ...whole } }),
  "unknown-method": endsStream(12, open("Nothing", whole)),
  // The name of a method that is served, under other names of services.
  "other-service": endsStream(12, { case: "open", value: { method: "dswarm.example.v1.OtherService/Echo", ...whole } }),
  "no-service": endsStream(12, { case: "open", value: { method: "Echo", ...whole } }),
  "other-package": endsStream(12, { case: "open", value: { method: "example.v1.EchoService/Echo", ...whole } }),
  "leading-slash": endsStream(12, { case: "open", value: { method: `/${service}/Echo`, ...whole } }),
  "long-method": endsStream(12, open("x".repeat(300), whole)),
  "half-close-within-message": endsStream(13, open("Collect"), data(Buffer.of(10), true), halfClose),
  "data-after-half-close": async (context) => {
    const { raw } = await served(context);
    raw.send(2, open("Echo", { message: Buffer.concat([message(4).subarray(0, 2), Buffer.from("hang")]) }));
    raw.send(2, halfClose);
    raw.send(2, data(message(1)));
    assert.equal((await raw.next("end", 2)).code, 13);
    await assertServes(raw, 4);
  },
  deadline: async (context) => {
    // The caller does not cancel: the callee keeps the time itself.
    const { raw, connection } = await served(context);
    const hang = toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload: Buffer.from("hang") }));
    raw.send(2, open("Echo", { message: hang, halfClose: true, timeoutMs: 150 }));
    assert.equal((await raw.next("end", 2)).code, 4);
    await until("the handler has stopped", async () => (await connection.stats()).running === 0);
    await assertServes(raw, 4);
  },
  "empty-piece": endsStream(13, open("Collect"), data(Buffer.alloc(0), true)),
  "second-request": endsStream(13, open("Echo"), data(message(1)), data(message(1))),
  "no-request": endsStream(13, open("Echo"), halfClose),
  undecodable: endsStream(3, open("Echo", { message: Buffer.from("0a05", "hex"), halfClose: true })),
  "message-too-long": endsStream(13, open("Echo", { message: Buffer.alloc(69_633), halfClose: true })),
  "metadata-key": endsStream(3, open("Echo", { ...whole, ...metadata("Key", "a") })),
  "metadata-empty-key": endsStream(3, open("Echo", { ...whole, ...metadata("", "a") })),
  "metadata-value": endsStream(3, open("Echo", { ...whole, ...metadata("x-a", "ä") })),
  "metadata-entries": endsStream(8, open("Echo", { ...whole, ...metadata("x-a", "a", 129) })),
  "metadata-bytes": endsStream(8, open("Echo", { ...whole, ...metadata("x-a-bin", "x".repeat(16_378)) })),

  // Bounds of the answers that it sends for its handlers.
  "status-message-is-bounded": async (context) => {
    const text = `fail 5 ${"ä".repeat(3000)}`;
    const { message: told } = await failure(context, text);
    const bytes = Buffer.from(told).length;
    assert.ok(bytes <= 4096, `a status message of ${bytes} bytes is sent`);
    assert.ok(told.startsWith("ä".repeat(1000)), "the message is not that of the handler");
  },
  "status-details-are-bounded": async (context) => {
    const { details } = await failure(context, `fail 5 ${"x".repeat(30_000)}`);
    const bytes = details.reduce((sum, { typeUrl, value }) => sum + typeUrl.length + value.length, 0);
    assert.ok(bytes <= 20_480, `details of ${bytes} bytes are sent`);
  },
  "trailer-value": badTrailer("ä"),
  "trailer-bytes": badTrailer("x".repeat(16_384)),

  // What is borne.
  "ids-left-out": async (context) => {
    const { raw } = await served(context);
    await assertServes(raw, 8);
    await assertServes(raw, 2 ** 31 - 2);
  },
  "whole-in-open": async (context) => {
    const { raw } = await served(context);
    await assertServes(raw, 2);
  },
  "in-data": async (context) => {
    const { raw } = await served(context);
    raw.send(2, open("Echo"));
    raw.send(2, data(message(5)));
    raw.send(2, halfClose);
    await assertEcho(raw, 2, 5);
  },
  "in-pieces": async (context) => {
    const { raw } = await served(context);
    raw.send(2, open("Echo"));
    const bytes = message(300);
    for (let at = 0; at < bytes.length; at++) raw.send(2, data(bytes.subarray(at, at + 1), at < bytes.length - 1));
    raw.send(2, halfClose);
    await assertEcho(raw, 2, 300);
  },
  "first-in-open": async (context) => {
    const { raw } = await served(context);
    raw.send(2, open("Converse", { message: message(3) }));
    assert.equal(fromBinary(EchoResponseSchema, (await raw.next("data", 2)).payload).payload.length, 3);
    raw.send(2, data(message(4)));
    assert.equal(fromBinary(EchoResponseSchema, (await raw.next("data", 2)).payload).payload.length, 4);
    raw.send(2, halfClose);
    assert.equal((await raw.next("end", 2)).code, 0);
  },
  "longest-in-open": async (context) => {
    const { raw } = await served(context);
    // 69,632 bytes with tag and length.
    raw.send(2, open("Echo", { message: message(69_628), halfClose: true }));
    const { code } = await raw.next("end", 2);
    assert.equal(code, 0);
  },
  "empty-message": async (context) => {
    const { raw } = await served(context);
    raw.send(2, open("Echo", { message: Buffer.alloc(0), halfClose: true }));
    await assertEcho(raw, 2, 0);
  },
  "after-cancel": async (context) => {
    const { raw } = await served(context);
    raw.send(2, open("Collect"));
    raw.send(2, { case: "cancel", value: {} });
    raw.send(2, data(message(1)));
    raw.send(2, halfClose);
    raw.send(2, { case: "cancel", value: {} });
    await assertServes(raw, 4);
  },
  "unknown-field": async (context) => {
    const { raw } = await served(context);
    // Field 15 of EchoRequest, which it has not.
    raw.send(2, open("Echo", { message: Buffer.concat([message(5), Buffer.from("7801", "hex")]), halfClose: true }));
    const { code } = await raw.next("end", 2);
    assert.equal(code, 0);
  },
  "many-at-once": async (context) => {
    const { raw } = await served(context);
    for (let i = 1; i <= 500; i++) raw.send(2 * i, open("Echo", whole));
    for (let i = 1; i <= 500; i++) await assertEcho(raw, 2 * i, 5);
  },
});
