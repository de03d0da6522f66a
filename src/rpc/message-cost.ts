// What a message would take once it is decoded and printed as JSON, found from its bytes alone. A few bytes can stand for much
// where the schema is a stranger's: an empty message of a thousand fields, or the number of an enum value with a long name.
import { type DescEnum, type DescField, type DescMessage, type Registry, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";

/** Bounds of a message. */
export interface CostLimits {
  /** Cells of 8 bytes in memory or in JSON, roughly. */
  readonly maxCells: number;
  /** Finds what google.protobuf.Any holds. @default nothing */
  readonly registry?: Registry | undefined;
}

// As many as the codec follows.
const maxDepth = 100;
const cellBytes = 8;
const messageCells = 8;
const fieldCells = 2;
const anyName = "google.protobuf.Any";

interface Shape {
  readonly byNumber: ReadonlyMap<number, DescField>;
  /** Of the message without anything in it: all the fields that are there nevertheless. */
  readonly emptyCells: number;
}

/** By schema, made at its first use. */
const shapes = new WeakMap<DescMessage, Shape>();
const longestNames = new WeakMap<DescEnum, number>();

/**
 * Checks what a message would take.
 * @throws ConnectError `resource_exhausted` where it is too much; Error for bytes that are no message
 */
export function checkMessageCost(schema: DescMessage, bytes: Uint8Array, limits: CostLimits): void {
  new Count(limits).add(schema, bytes, 0);
}

class Count {
  readonly #limits: CostLimits;
  #cells = 0;

  constructor(limits: CostLimits) {
    this.#limits = limits;
  }

  add(schema: DescMessage, bytes: Uint8Array, depth: number): void {
    this.#readFields(schema, new BinaryReader(bytes), depth, undefined);
    if (schema.typeName === anyName) this.#addAny(bytes, depth);
  }

  #spend(cells: number): void {
    this.#cells += cells;
    if (this.#cells > this.#limits.maxCells)
      throw new ConnectError("the answer takes more memory than there is for it", Code.ResourceExhausted);
  }

  #readFields(schema: DescMessage, reader: BinaryReader, depth: number, group: number | undefined): void {
    if (depth > maxDepth) throw new ConnectError("the answer is nested too deeply", Code.ResourceExhausted);
    const { byNumber, emptyCells } = shapeOf(schema);
    this.#spend(emptyCells);
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (wireType === WireType.EndGroup) {
        if (number === group) return;
        throw new Error("a group ends that has not begun");
      }
      this.#readField(byNumber.get(number), reader, number, wireType, depth);
    }
  }

  #readField(field: DescField | undefined, reader: BinaryReader, number: number, wireType: WireType, depth: number) {
    this.#spend(field === undefined ? messageCells : fieldCells + field.jsonName.length / cellBytes);
    if (wireType === WireType.StartGroup && field?.message !== undefined) {
      this.#readFields(field.message, reader, depth + 1, number);
    } else if (wireType === WireType.LengthDelimited) {
      this.#addBytes(field, reader.bytes(), depth);
    } else {
      if (field?.enum !== undefined) this.#spend(nameCells(field.enum));
      reader.skip(wireType, number);
    }
  }

  #addBytes(field: DescField | undefined, bytes: Uint8Array, depth: number): void {
    if (field?.fieldKind === "map") this.#addEntry(field, bytes, depth);
    else if (field?.message !== undefined) this.add(field.message, bytes, depth + 1);
    else if (field?.fieldKind === "list" && isPackable(field.scalar)) {
      this.#spend(elementsIn(bytes, field.scalar) * (1 + (field.enum === undefined ? 0 : nameCells(field.enum))));
    } else this.#spend(bytes.length / cellBytes);
  }

  #addEntry(field: DescField & { fieldKind: "map" }, bytes: Uint8Array, depth: number): void {
    this.#spend(messageCells);
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (wireType !== WireType.LengthDelimited) {
        if (number === 2 && field.enum !== undefined) this.#spend(nameCells(field.enum));
        reader.skip(wireType, number);
        continue;
      }
      const part = reader.bytes();
      if (number === 2 && field.message !== undefined) this.add(field.message, part, depth + 1);
      else this.#spend(part.length / cellBytes);
    }
    // Where the entry leaves it out, the value is an empty message.
    if (field.message !== undefined) this.#spend(shapeOf(field.message).emptyCells);
  }

  #addAny(bytes: Uint8Array, depth: number): void {
    let typeUrl = "";
    let value: Uint8Array | undefined;
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (number === 1 && wireType === WireType.LengthDelimited) typeUrl = reader.string();
      else if (number === 2 && wireType === WireType.LengthDelimited) value = reader.bytes();
      else reader.skip(wireType, number);
    }
    const schema = this.#limits.registry?.getMessage(typeUrl.slice(typeUrl.lastIndexOf("/") + 1));
    if (schema !== undefined) this.add(schema, value ?? new Uint8Array(), depth + 1);
  }
}

function shapeOf(schema: DescMessage): Shape {
  const known = shapes.get(schema);
  if (known !== undefined) return known;
  let emptyCells = messageCells;
  for (const field of schema.fields) {
    const isThere = field.fieldKind === "list" || field.fieldKind === "map" || isImplicit(field);
    if (!isThere) continue;
    emptyCells += fieldCells + field.jsonName.length / cellBytes;
    if (field.fieldKind === "enum") emptyCells += nameCells(field.enum);
  }
  const shape = { byNumber: new Map(schema.fields.map((field) => [field.number, field])), emptyCells };
  shapes.set(schema, shape);
  return shape;
}

function isImplicit({ presence }: DescField): boolean {
  return presence === FeatureSet_FieldPresence.IMPLICIT;
}

function nameCells(desc: DescEnum): number {
  let longest = longestNames.get(desc);
  if (longest === undefined) {
    longest = desc.values.reduce((length, { name }) => Math.max(length, name.length), 0) / cellBytes;
    longestNames.set(desc, longest);
  }
  return longest;
}

function isPackable(scalar: ScalarType | undefined): boolean {
  return scalar !== ScalarType.STRING && scalar !== ScalarType.BYTES;
}

const fixed64: ReadonlySet<ScalarType | undefined> = new Set([
  ScalarType.DOUBLE,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
]);
const fixed32: ReadonlySet<ScalarType | undefined> = new Set([
  ScalarType.FLOAT,
  ScalarType.FIXED32,
  ScalarType.SFIXED32,
]);

/** How many numbers are packed there. */
function elementsIn(bytes: Uint8Array, scalar: ScalarType | undefined): number {
  if (fixed64.has(scalar)) return bytes.length / 8;
  if (fixed32.has(scalar)) return bytes.length / 4;
  let count = 0;
  for (const byte of bytes) if (byte < 0x80) count += 1;
  return count;
}
