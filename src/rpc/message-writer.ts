// Encodes messages of services. Those of singular scalar fields, which most small calls have, are written straight from what
// the caller gave into one allocation of the right size; all others, and every value that is not plainly of its field's type,
// go through the generated codec. A property test holds the two to the same bytes.
import {
  create,
  type DescField,
  type DescMessage,
  type MessageInitShape,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { protocol } from "./params.ts";

/** Writes one field. Both methods get its value, which is not undefined. */
interface FieldWriter {
  readonly name: string;
  /** Bytes of the field, tag included; 0 for a default that is not written, -1 for a value that is not plainly of its type. */
  size(value: unknown): number;
  /** Writes the field if its size is not 0. Returns the place behind it. */
  write(output: Buffer, at: number, value: never): number;
}

type MessageWriter = readonly FieldWriter[] | "generated";

/** By schema, made at its first use. */
const writers = new WeakMap<DescMessage, MessageWriter>();

// Messages smaller than this come from Node's own pool, which costs little.
const minScratchBytes = 4096;
/** Where large messages are written that are read at once. Made at its first use. */
let scratch: Buffer | undefined;

/** Memory of its own, or such as the next message may be written to: for whoever has read the message before that. */
export type MessageMemory = "own" | "scratch";

/**
 * A message as bytes.
 * @throws Error for a message that its schema does not allow
 */
export function encodeMessage<D extends DescMessage>(
  schema: D,
  message: MessageInitShape<D>,
  memory: MessageMemory = "own",
): Uint8Array {
  let writer = writers.get(schema);
  if (writer === undefined) {
    writer = compile(schema);
    writers.set(schema, writer);
  }
  const bytes = writer === "generated" ? undefined : write(schema, writer, message, memory);
  return bytes ?? toBinary(schema, create(schema, message));
}

/** The same bytes in memory that stays. */
export function keptMessage(bytes: Uint8Array): Uint8Array {
  return bytes.buffer === scratch?.buffer ? Uint8Array.from(bytes) : bytes;
}

function outputOf(bytes: number, memory: MessageMemory): Buffer {
  if (memory === "own" || bytes < minScratchBytes || bytes > protocol.maxPieceBytes) return Buffer.allocUnsafe(bytes);
  scratch ??= Buffer.allocUnsafeSlow(protocol.maxPieceBytes);
  return scratch.subarray(0, bytes);
}

function compile(schema: DescMessage): MessageWriter {
  const fields = [...schema.fields].sort((a, b) => a.number - b.number).map(fieldWriter);
  return fields.every((field) => field !== undefined) ? fields : "generated";
}

function write(
  schema: DescMessage,
  fields: readonly FieldWriter[],
  message: Record<string, unknown>,
  memory: MessageMemory,
): Uint8Array | undefined {
  const typeName = message["$typeName"];
  if ((typeName !== undefined && typeName !== schema.typeName) || message["$unknown"] !== undefined) return undefined;
  let size = 0;
  for (const field of fields) {
    const value = message[field.name];
    if (value === undefined) continue;
    const fieldSize = field.size(value);
    if (fieldSize < 0) return undefined;
    size += fieldSize;
  }
  const output = outputOf(size, memory);
  let at = 0;
  for (const field of fields) {
    const value = message[field.name];
    if (value !== undefined) at = field.write(output, at, value as never);
  }
  return output;
}

const lengthDelimited = 2;
const varint = 0;

function fieldWriter(field: DescField): FieldWriter | undefined {
  // One tag byte only, and no oneof: there a default value is written too, and the value has another place.
  if (field.fieldKind !== "scalar" || field.oneof !== undefined || field.number > 15) return undefined;
  const isImplicit = field.presence === FeatureSet_FieldPresence.IMPLICIT;
  const name = field.localName;
  const tag = (field.number << 3) | (isLengthDelimited(field.scalar) ? lengthDelimited : varint);
  switch (field.scalar) {
    case ScalarType.BYTES:
      return {
        name,
        size: (value) => (value instanceof Uint8Array ? delimitedSize(value.length, isImplicit) : -1),
        write(output, at, value: Uint8Array) {
          if (isImplicit && value.length === 0) return at;
          const start = writeVarint(output, writeVarint(output, at, tag), value.length);
          output.set(value, start);
          return start + value.length;
        },
      };
    case ScalarType.STRING:
      return {
        name,
        size: (value) => (isAscii(value) ? delimitedSize(value.length, isImplicit) : -1),
        write(output, at, value: string) {
          if (isImplicit && value.length === 0) return at;
          const start = writeVarint(output, writeVarint(output, at, tag), value.length);
          output.write(value, start, "latin1");
          return start + value.length;
        },
      };
    case ScalarType.UINT32:
      return {
        name,
        size: (value) => (isUint32(value) ? (isImplicit && value === 0 ? 0 : 1 + varintSize(value)) : -1),
        write: (output, at, value: number) =>
          isImplicit && value === 0 ? at : writeVarint(output, writeVarint(output, at, tag), value),
      };
    case ScalarType.BOOL:
      return {
        name,
        size: (value) => (typeof value === "boolean" ? (isImplicit && !value ? 0 : 2) : -1),
        write: (output, at, value: boolean) =>
          isImplicit && !value ? at : writeVarint(output, writeVarint(output, at, tag), value ? 1 : 0),
      };
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

function isLengthDelimited(type: ScalarType): boolean {
  return type === ScalarType.BYTES || type === ScalarType.STRING;
}

function isAscii(value: unknown): value is string {
  return typeof value === "string" && Buffer.byteLength(value) === value.length;
}

function isUint32(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32;
}

function delimitedSize(length: number, isImplicit: boolean): number {
  return isImplicit && length === 0 ? 0 : 1 + varintSize(length) + length;
}

/** Bytes of a 32-bit number as a varint. */
function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

function writeVarint(output: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest > 0x7f) {
    output[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  output[at++] = rest;
  return at;
}
