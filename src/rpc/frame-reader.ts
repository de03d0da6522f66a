// Decodes one frame. The frames of every call, in the form that encoders write, are read by hand; all others go through the
// generated codec, which decides what they mean. A property test holds the two to the same results.
import { fromBinary } from "@bufbuild/protobuf";
import { type Frame, FrameSchema } from "../../gen/dswarm/v1/frame_pb.ts";

// Unknown fields are not kept: a peer cannot make a node remember what it does not understand.
const readOptions = { readUnknownFields: false };

// Tags: field number << 3 | wire type. Those of the body: proto/dswarm/v1/frame.proto.
const streamIdTag = 0x08;
const openTag = 0x12;
const dataTag = 0x1a;
const halfCloseTag = 0x22;
const endTag = 0x2a;
const creditTag = 0x3a;
const methodTag = 0x0a;
const timeoutTag = 0x10;
const openMessageTag = 0x22;
const openHalfCloseTag = 0x28;
const payloadTag = 0x0a;
const moreTag = 0x10;
const responseTag = 0x32;
const creditBytesTag = 0x08;

/**
 * Decodes a frame without its length. Byte fields are views of `bytes`.
 * @throws Error for bytes that are no Frame
 */
export function readFrame(bytes: Uint8Array): Frame {
  return readHotFrame(bytes) ?? fromBinary(FrameSchema, bytes, readOptions);
}

/** Where the reading of a frame stands. Reading never yields, so one for the process will do. */
let at = 0;

/** Returns undefined for a frame that is not of the usual form. */
function readHotFrame(bytes: Uint8Array): Frame | undefined {
  at = 0;
  if (bytes[at++] !== streamIdTag) return undefined;
  const streamId = varint(bytes);
  const bodyTag = bytes[at++];
  const length = varint(bytes);
  if (streamId < 0 || length < 0 || at + length !== bytes.length) return undefined;
  const body = readBody(bytes, bodyTag);
  // Whatever was left, or read beyond the end, makes it a frame of another form.
  return body === undefined || at !== bytes.length ? undefined : { $typeName: "dswarm.v1.Frame", streamId, body };
}

function readBody(bytes: Uint8Array, bodyTag: number | undefined): Frame["body"] | undefined {
  switch (bodyTag) {
    case openTag:
      return readOpen(bytes);
    case dataTag: {
      const payload = bytes[at] === payloadTag ? lengthDelimited(bytes) : noBytes;
      const more = flag(bytes, moreTag);
      if (payload === undefined || more === undefined) return undefined;
      return { case: "data", value: { $typeName: "dswarm.v1.Data", payload, more } };
    }
    case endTag: {
      const response = bytes[at] === responseTag ? lengthDelimited(bytes) : undefined;
      return {
        case: "end",
        value: {
          $typeName: "dswarm.v1.End",
          code: 0,
          message: "",
          details: none,
          header: none,
          trailer: none,
          ...(response && { response }),
        },
      };
    }
    case creditTag: {
      if (bytes[at++] !== creditBytesTag) return undefined;
      const credit = varint(bytes);
      return credit < 0 ? undefined : { case: "credit", value: { $typeName: "dswarm.v1.Credit", bytes: credit } };
    }
    case halfCloseTag:
      return { case: "halfClose", value: { $typeName: "dswarm.v1.HalfClose" } };
    case undefined:
    default:
      return undefined;
  }
}

function readOpen(bytes: Uint8Array): Frame["body"] | undefined {
  if (bytes[at] !== methodTag) return undefined;
  at++;
  const method = methodText(bytes, varint(bytes));
  let timeoutMs = 0;
  if (bytes[at] === timeoutTag) {
    at++;
    timeoutMs = varint(bytes);
  }
  const message = bytes[at] === openMessageTag ? lengthDelimited(bytes) : undefined;
  const halfClose = flag(bytes, openHalfCloseTag);
  if (method === undefined || timeoutMs < 0 || halfClose === undefined) return undefined;
  return {
    case: "open",
    value: {
      $typeName: "dswarm.v1.Open",
      method,
      timeoutMs,
      metadata: none,
      ...(message && { message }),
      halfClose,
    },
  };
}

const noBytes = new Uint8Array(0);
/** Shared by all frames, which nobody changes. */
const none: never[] = [];
Object.freeze(none);

/** A varint of at most 28 bits. Negative for a larger one, or one that is cut off. */
function varint(bytes: Uint8Array): number {
  let value = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = bytes[at++];
    if (byte === undefined) return -1;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return -1;
}

/** The bytes of a field whose tag is next. */
function lengthDelimited(bytes: Uint8Array): Uint8Array | undefined {
  at++;
  const length = varint(bytes);
  if (length < 0 || at + length > bytes.length) {
    // Never mistaken for the end of the frame: a field that is cut off is not one that is missing.
    at = bytes.length + 1;
    return undefined;
  }
  at += length;
  return bytes.subarray(at - length, at);
}

/** A boolean field that may be there. Undefined where it is not written as encoders do. */
function flag(bytes: Uint8Array, tag: number): boolean | undefined {
  if (bytes[at] !== tag) return false;
  at += 2;
  return bytes[at - 1] === 1 ? true : undefined;
}

interface KnownMethod {
  readonly bytes: Uint8Array;
  readonly text: string;
}

const maxKnownMethods = 32;
/** Method names seen last, so that each is made a string once. Bounded by `maxKnownMethods`. */
const knownMethods: KnownMethod[] = [];
let nextKnown = 0;

/** The method name of so many bytes that is next. Undefined where it is none in ASCII. */
function methodText(bytes: Uint8Array, length: number): string | undefined {
  const start = at;
  at += length;
  if (length < 0 || at > bytes.length) return undefined;
  for (const known of knownMethods) if (isAt(bytes, start, known.bytes, length)) return known.text;
  const name = Uint8Array.from(bytes.subarray(start, at));
  for (const byte of name) if (byte > 0x7f) return undefined;
  const known = { bytes: name, text: Buffer.from(name).toString("latin1") };
  knownMethods[nextKnown] = known;
  nextKnown = (nextKnown + 1) % maxKnownMethods;
  return known.text;
}

function isAt(bytes: Uint8Array, start: number, name: Uint8Array, length: number): boolean {
  if (name.length !== length) return false;
  // From the end: methods of one service differ there.
  for (let i = length - 1; i >= 0; i--) if (bytes[start + i] !== name[i]) return false;
  return true;
}
