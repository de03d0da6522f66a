// frames.json: frames, and what becomes of those that break the protocol.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { type Frame, FrameSchema } from "../../../gen/dswarm/v1/frame_pb.ts";
import { protocol } from "../../../src/rpc/params.ts";
import { bytesNote, runs, type VectorFile, type VectorValue } from "./vector-file.ts";

type Body = NonNullable<MessageInitShape<typeof FrameSchema>["body"]>;
type Case = VectorFile["cases"][number];

const echo = "dswarm.example.v1.EchoService/Echo";
const collect = "dswarm.example.v1.EchoService/Collect";
const payload = Buffer.from("0a0568656c6c6f", "hex");

function frame(streamId: number, body?: Body): Buffer {
  return Buffer.from(sizeDelimitedEncode(FrameSchema, create(FrameSchema, { streamId, ...(body && { body }) })));
}

/** A message or a field of one as a vector: names as in the schema, bytes as `VectorBytes`, what is not set left out. */
function plain(value: unknown): VectorValue {
  if (value instanceof Uint8Array) return runs(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value as VectorValue;
  const entries = Object.entries(value).filter(([name]) => !name.startsWith("$"));
  return Object.fromEntries(entries.map(([name, field]) => [snakeCase(name), plain(field)]));
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A frame as a vector. */
export function frameValue({ streamId, body }: Frame): VectorValue {
  return body.case === undefined
    ? { stream_id: streamId }
    : { stream_id: streamId, body: snakeCase(body.case), [snakeCase(body.case)]: plain(body.value) };
}

function good(name: string, ...frames: readonly (readonly [streamId: number, body?: Body])[]): Case {
  return {
    name,
    bytes: runs(Buffer.concat(frames.map(([streamId, body]) => frame(streamId, body)))),
    frames: frames.map(([streamId, body]) => frameValue(create(FrameSchema, { streamId, ...(body && { body }) }))),
  };
}

const metadata = (key: string, value: Uint8Array | string): { key: string; value: Uint8Array } => ({
  key,
  value: Buffer.from(value),
});

const open = (fields: Extract<Body, { case: "open" }>["value"]): Body => ({ case: "open", value: fields });
const data = (bytes: Uint8Array, more = false): Body => ({ case: "data", value: { payload: bytes, more } });
const end = (fields: Extract<Body, { case: "end" }>["value"]): Body => ({ case: "end", value: fields });
const halfClose: Body = { case: "halfClose", value: {} };
const cancel: Body = { case: "cancel", value: {} };
const credit = (bytes: number): Body => ({ case: "credit", value: { bytes } });
const ping: Body = { case: "ping", value: { id: 7 } };

function goodFrames(): Case[] {
  const full = new Uint8Array(protocol.maxPieceBytes).fill(0x61);
  const detail = create(AnySchema, { typeUrl: "type.googleapis.com/google.protobuf.Empty", value: new Uint8Array() });
  return [
    good("open of a small unary call", [1, open({ method: echo, message: payload, halfClose: true })]),
    good("open with a deadline and metadata", [
      3,
      open({
        method: echo,
        timeoutMs: 86_400_000,
        metadata: [
          metadata("a-key", "a value"),
          metadata("a-key", ""),
          metadata("some-bin", Buffer.from("00ff", "hex")),
        ],
        message: payload,
        halfClose: true,
      }),
    ]),
    good("open with an empty message is not open without one", [
      1,
      open({ method: echo, message: new Uint8Array(), halfClose: true }),
    ]),
    good("open of a call whose messages follow", [1, open({ method: collect })]),
    good("open on the largest stream id", [2 ** 31 - 1, open({ method: collect })]),
    good("open with a message of 69632 bytes", [1, open({ method: echo, message: full, halfClose: true })]),
    good("data with a whole message", [1, data(payload)]),
    good("data with an empty message", [1, data(new Uint8Array())]),
    good("data in two pieces", [1, data(full, true)], [1, data(payload)]),
    good("a half-close", [1, halfClose]),
    good("an end with a response", [1, end({ response: payload })]),
    good("an end with an empty response is not an end without one", [1, end({ response: new Uint8Array() })]),
    good("an end without a response", [1, end({})]),
    good("an end with an error, a detail, a header and a trailer", [
      2,
      end({
        code: 5,
        message: "not here",
        details: [detail],
        header: [metadata("a-key", "a value")],
        trailer: [metadata("some-bin", Buffer.from("00ff", "hex"))],
      }),
    ]),
    good("a cancel", [1, cancel]),
    good("a cancel after the deadline", [1, { case: "cancel", value: { code: 4 } }]),
    good("credit of a stream", [1, credit(65_536)]),
    good("credit of the connection", [0, credit(262_144)]),
    good("a ping", [0, ping]),
    good("a pong", [0, { case: "pong", value: { id: 7 } }]),
    good("a go-away that turns no call away", [0, { case: "goAway", value: { lastStreamId: 2 ** 31 - 1 } }]),
    good("a go-away that says why", [0, { case: "goAway", value: { lastStreamId: 5, code: 13, message: "why" } }]),
    good("a header", [2, { case: "header", value: { metadata: [metadata("a-key", "a value")] } }]),
    good(
      "frames follow one another without a gap",
      [1, open({ method: collect })],
      [0, ping],
      [1, data(payload)],
      [1, halfClose],
    ),
    { name: "a frame of no bytes carries nothing and is skipped", bytes: "00", frames: [] },
    { name: "a frame without a body is ignored", bytes: "020801", frames: [{ stream_id: 1 }] },
    { name: "a frame of an unknown body is ignored", bytes: "05080f820100", frames: [{ stream_id: 15 }] },
    {
      name: "an unknown field within a body is ignored",
      bytes: "0908013a050805f80101",
      frames: [{ stream_id: 1, body: "credit", credit: { bytes: 5 } }],
    },
  ];
}

/** Frames sent to a listener that serves EchoService, and what becomes of them. */
function fault(
  name: string,
  ends: "connection" | "stream" | "nothing",
  error: string | undefined,
  status: number | undefined,
  ...frames: readonly Uint8Array[]
): Case {
  return { name, to: "listener", bytes: runs(Buffer.concat(frames)), ends, error, status };
}

const internal = 13;
const resourceExhausted = 8;
const invalidArgument = 3;

function connectionFault(name: string, ...frames: readonly Uint8Array[]): Case {
  return fault(name, "connection", "frame_invalid", internal, ...frames);
}

function streamFault(name: string, error: string, status: number, ...frames: readonly Uint8Array[]): Case {
  return { ...fault(name, "stream", error, status, ...frames), stream_id: 1 };
}

function ignored(name: string, ...frames: readonly Uint8Array[]): Case {
  return fault(name, "nothing", undefined, undefined, ...frames);
}

/** Frames sent to a dialer that has opened stream 1 with a unary call. */
function toDialer(
  name: string,
  ends: "connection" | "stream" | "nothing",
  error: string | undefined,
  status: number | undefined,
  ...frames: readonly Uint8Array[]
): Case {
  return { ...fault(name, ends, error, status, ...frames), to: "dialer", stream_id: ends === "stream" ? 1 : undefined };
}

function tooLarge(name: string, bytes: string): Case {
  return fault(name, "connection", "frame_too_large", internal, Buffer.from(bytes, "hex"));
}

/** Bytes that are no frames. */
function malformed(): Case[] {
  return [
    tooLarge("a length of 131073 bytes ends the connection before the frame is there", "818008"),
    tooLarge("a length of four bytes ends the connection, whatever it says", "80808000"),
    connectionFault("a frame that does not decode ends the connection", Buffer.from("0508011a0561", "hex")),
    connectionFault("text that is not UTF-8 ends the connection", Buffer.from("07080112030a01ff", "hex")),
  ];
}

function streamIds(): Case[] {
  const opened = frame(1, open({ method: collect }));
  return [
    connectionFault(
      "an open with an id of the callee's parity ends the connection",
      frame(2, open({ method: collect })),
    ),
    connectionFault("an open with an id that is in use ends the connection", opened, opened),
    connectionFault(
      "an open with an id below the last one ends the connection",
      frame(5, open({ method: collect })),
      frame(3, open({ method: collect })),
    ),
    ignored("an open may leave ids out", frame(7, open({ method: collect }))),
    connectionFault("an open on stream 0 ends the connection", frame(0, open({ method: collect }))),
    connectionFault("data on a stream that was never opened ends the connection", frame(1, data(payload))),
    connectionFault("an end from the caller ends the connection", opened, frame(1, end({}))),
    connectionFault("a header from the caller ends the connection", opened, frame(1, { case: "header", value: {} })),
    connectionFault("a ping on a stream ends the connection", opened, frame(1, ping)),
    connectionFault("data on stream 0 ends the connection", frame(0, data(payload))),
    connectionFault("a cancel on stream 0 ends the connection", frame(0, cancel)),
    ignored("data on a stream that is closed is ignored", opened, frame(1, cancel), frame(1, data(payload))),
    ignored("a cancel on a stream that is closed is ignored", opened, frame(1, cancel), frame(1, cancel)),
    ignored(
      "a frame of an unknown body is ignored on a stream that was never opened",
      Buffer.from("05080f820100", "hex"),
    ),
  ];
}

function credits(): Case[] {
  const opened = frame(1, open({ method: collect }));
  const small = frame(1, data(new Uint8Array(1), true));
  const longest = frame(1, data(new Uint8Array(protocol.maxPieceBytes), true));
  const beyondCredit = frame(1, data(new Uint8Array(protocol.initialStreamCredit - protocol.dataFrameCost + 1)));
  return [
    connectionFault("credit of nothing for the connection ends it", frame(0, credit(0))),
    connectionFault("credit of nothing for a stream ends the connection", opened, frame(1, credit(0))),
    ignored(
      "credit for a stream that is closed is ignored, even of nothing",
      opened,
      frame(1, cancel),
      frame(1, credit(0)),
    ),
    ignored("a piece of 69632 bytes fits into the credit of a new stream", opened, longest),
    fault(
      "data that costs more than a new stream has ends the connection",
      "connection",
      "credit_exceeded",
      internal,
      opened,
      beyondCredit,
    ),
    connectionFault(
      "a piece of 69633 bytes ends the connection",
      opened,
      frame(1, data(new Uint8Array(protocol.maxPieceBytes + 1))),
    ),
    ignored("a piece of one byte is a piece", opened, small),
  ];
}

function streams(): Case[] {
  const opened = frame(1, open({ method: collect }));
  const unary = frame(1, open({ method: echo }));
  const many = Array.from({ length: 129 }, () => metadata("k", ""));
  return [
    streamFault(
      "a method that is not served ends the stream as unimplemented",
      "",
      12,
      frame(1, open({ method: "no.Service/Method" })),
    ),
    streamFault(
      "a half-close within a message ends the stream",
      "frame_invalid",
      internal,
      opened,
      frame(1, data(payload, true)),
      frame(1, halfClose),
    ),
    streamFault(
      "an empty piece ends the stream",
      "frame_invalid",
      internal,
      opened,
      frame(1, data(new Uint8Array(), true)),
    ),
    streamFault(
      "a second message of a unary call ends the stream",
      "frame_invalid",
      internal,
      unary,
      frame(1, data(payload)),
      frame(1, data(payload)),
    ),
    streamFault(
      "a half-close of a unary call without a message ends the stream",
      "frame_invalid",
      internal,
      unary,
      frame(1, halfClose),
    ),
    streamFault(
      "a message of 69633 bytes in an open ends the stream",
      "frame_invalid",
      internal,
      frame(1, open({ method: echo, message: new Uint8Array(69_633), halfClose: true })),
    ),
    streamFault(
      "a message that does not decode ends the stream",
      "message_invalid",
      invalidArgument,
      frame(1, open({ method: echo, message: Buffer.from("0a05", "hex"), halfClose: true })),
    ),
    streamFault(
      "metadata with a key in upper case ends the stream",
      "metadata_invalid",
      invalidArgument,
      frame(1, open({ method: echo, metadata: [metadata("Key", "")], halfClose: true })),
    ),
    streamFault(
      "metadata with an empty key ends the stream",
      "metadata_invalid",
      invalidArgument,
      frame(1, open({ method: echo, metadata: [metadata("", "")], halfClose: true })),
    ),
    streamFault(
      "metadata with a value beyond ASCII ends the stream",
      "metadata_invalid",
      invalidArgument,
      frame(1, open({ method: echo, metadata: [metadata("key", "ä")], halfClose: true })),
    ),
    streamFault(
      "129 entries of metadata end the stream",
      "metadata_too_large",
      resourceExhausted,
      frame(1, open({ method: echo, metadata: many, halfClose: true })),
    ),
    streamFault(
      "metadata of 16385 bytes ends the stream",
      "metadata_too_large",
      resourceExhausted,
      frame(1, open({ method: echo, metadata: [metadata("k-bin", new Uint8Array(16_380))], halfClose: true })),
    ),
  ];
}

function answers(): Case[] {
  return [
    toDialer(
      "a second message of a unary answer ends the stream",
      "stream",
      "frame_invalid",
      internal,
      frame(1, data(payload)),
      frame(1, data(payload)),
    ),
    toDialer(
      "a header after data ends the stream",
      "stream",
      "frame_invalid",
      internal,
      frame(1, data(payload)),
      frame(1, { case: "header", value: {} }),
    ),
    toDialer(
      "a second header ends the stream",
      "stream",
      "frame_invalid",
      internal,
      frame(1, { case: "header", value: {} }),
      frame(1, { case: "header", value: {} }),
    ),
    toDialer(
      "a header with bad metadata ends the stream",
      "stream",
      "metadata_invalid",
      invalidArgument,
      frame(1, { case: "header", value: { metadata: [metadata("Key", "")] } }),
    ),
    toDialer(
      "a success within a message fails the call",
      "stream",
      "frame_invalid",
      internal,
      frame(1, data(payload, true)),
      frame(1, end({})),
    ),
    toDialer(
      "a success of a unary call without a message fails the call",
      "stream",
      "frame_invalid",
      internal,
      frame(1, end({})),
    ),
    toDialer(
      "a success with a response after a message fails the call",
      "stream",
      "frame_invalid",
      internal,
      frame(1, data(payload)),
      frame(1, end({ response: payload })),
    ),
    toDialer(
      "header metadata in an end after a header fails the call",
      "stream",
      "frame_invalid",
      internal,
      frame(1, { case: "header", value: {} }),
      frame(1, end({ header: [metadata("k", "")], response: payload })),
    ),
    toDialer(
      "an error within a message is the call's error",
      "stream",
      "",
      5,
      frame(1, data(payload, true)),
      frame(1, end({ code: 5 })),
    ),
    toDialer("a status above 16 counts as unknown", "stream", "", 2, frame(1, end({ code: 17 }))),
    toDialer(
      "an end on a stream that the dialer never opened ends the connection",
      "connection",
      "frame_invalid",
      internal,
      frame(3, end({})),
    ),
    toDialer(
      "a half-close from the callee ends the connection",
      "connection",
      "frame_invalid",
      internal,
      frame(1, halfClose),
    ),
    toDialer(
      "a go-away below the stream fails its call as unavailable",
      "stream",
      "link_closed",
      14,
      frame(0, { case: "goAway", value: { lastStreamId: 0 } }),
    ),
    toDialer(
      "frames after the end are ignored",
      "nothing",
      undefined,
      undefined,
      frame(1, end({ response: payload })),
      frame(1, data(payload)),
      frame(1, end({})),
    ),
  ];
}

/** The file. */
export function makeFrames(): VectorFile {
  return {
    description: `Bytes of the frame stream. A case with frames decodes to those, names and values as in proto/dswarm/v1/frame.proto, defaults included. The others are sent whole (bytes) to a node with default settings, either a listener that serves dswarm.example.v1.EchoService or a dialer that has opened stream 1 by a unary call of EchoService/Echo (to). ends says what that ends: the connection (the node sends a go_away with status, then closes), the stream stream_id (a listener sends end with status, a dialer's call fails with status), or nothing (the connection still answers a ping). error is the code of docs/errors.md, empty where there is none. ${bytesNote}`,
    source: "scripts/vectors.ts",
    cases: [...goodFrames(), ...malformed(), ...streamIds(), ...credits(), ...streams(), ...answers()],
  };
}
