// Decodes messages of services. Those of singular scalar fields in the form that every encoder writes (each field at most once,
// in order) are read by hand; all others, and all bytes that are not plainly such a message, go through the generated codec,
// which decides what they mean. A property test holds the two to the same results.
import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { pooledBytes } from "./byte-views.ts";

type HotScalar = ScalarType.BYTES | ScalarType.STRING | ScalarType.UINT32 | ScalarType.BOOL;

interface FieldReader {
  readonly name: string;
  readonly scalar: HotScalar;
}

interface MessageReader {
  /** What a message without bytes decodes to. Copied for each message, so that all have one shape. */
  readonly zero: Readonly<Record<string, unknown>>;
  /** By tag: number << 3 | wire type. */
  readonly byTag: readonly (FieldReader | undefined)[];
}

/** By schema, made at its first use. */
const readers = new WeakMap<DescMessage, MessageReader | "generated">();

// V8 keeps the bytes of arrays up to this size within the object: a copy costs no more than a view.
const viewBytes = 64;
const maxTag = 0x7f;
const lengthDelimited = 2;
const varintType = 0;

/**
 * A message from bytes. Byte fields may be views of them.
 * @throws Error for bytes that are no such message
 */
export function decodeMessage<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  let reader = readers.get(schema);
  if (reader === undefined) {
    reader = compile(schema);
    readers.set(schema, reader);
  }
  const message = reader === "generated" ? undefined : read(reader, bytes);
  // Of a copy, where the message is a small part of a chunk: whoever keeps it would keep the chunk alive.
  return (message as MessageShape<D> | undefined) ?? fromBinary(schema, pooledBytes(bytes));
}

function compile(schema: DescMessage): MessageReader | "generated" {
  const byTag: (FieldReader | undefined)[] = Array.from({ length: maxTag + 1 }, () => undefined);
  for (const field of schema.fields) {
    const scalar = hotScalarOf(field);
    if (scalar === undefined) return "generated";
    const isVarint = scalar === ScalarType.UINT32 || scalar === ScalarType.BOOL;
    byTag[(field.number << 3) | (isVarint ? varintType : lengthDelimited)] = { name: field.localName, scalar };
  }
  return { zero: create(schema), byTag };
}

/** Undefined for a field that is not read by hand: with presence, which prototypes show, in a oneof, or of a longer tag. */
function hotScalarOf(field: DescField): HotScalar | undefined {
  if (field.fieldKind !== "scalar" || field.oneof !== undefined || field.number > 15) return undefined;
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) return undefined;
  switch (field.scalar) {
    case ScalarType.BYTES:
    case ScalarType.STRING:
    case ScalarType.UINT32:
    case ScalarType.BOOL:
      return field.scalar;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
    case ScalarType.INT32:
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.FIXED32:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED32:
    case ScalarType.SFIXED64:
    case ScalarType.SINT32:
    case ScalarType.SINT64:
      break;
  }
  return undefined;
}

/** Where the reading of a message stands. Reading never yields, so one for the process will do. */
let at = 0;

/** Returns undefined for bytes that are not of the usual form. */
function read({ zero, byTag }: MessageReader, bytes: Uint8Array): Record<string, unknown> | undefined {
  const message: Record<string, unknown> = { ...zero };
  let lastTag = 0;
  at = 0;
  while (at < bytes.length) {
    const tag = bytes[at++] ?? 0;
    const field = byTag[tag];
    if (field === undefined || tag <= lastTag) return undefined;
    lastTag = tag;
    const value = readValue(field.scalar, bytes);
    if (value === undefined) return undefined;
    message[field.name] = value;
  }
  return message;
}

function readValue(scalar: HotScalar, bytes: Uint8Array): Uint8Array | string | number | boolean | undefined {
  const number = varint(bytes);
  if (number < 0) return undefined;
  if (scalar === ScalarType.UINT32) return number;
  if (scalar === ScalarType.BOOL) return number > 1 ? undefined : number === 1;
  const start = at;
  at += number;
  if (at > bytes.length) return undefined;
  return scalar === ScalarType.BYTES ? ownedPart(bytes, start, at) : asciiText(bytes, start, at);
}

/** A view, or a copy of what is a small part of a larger memory. */
function ownedPart(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return end - start <= viewBytes ? bytes.slice(start, end) : pooledBytes(bytes.subarray(start, end));
}

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

function asciiText(bytes: Uint8Array, start: number, end: number): string | undefined {
  for (let i = start; i < end; i++) if ((bytes[i] ?? 0) > 0x7f) return undefined;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
