// JSON of a message, made ready for the codec: each number in the form in which the codec reads it exactly, or refused.
import {
  type DescExtension,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Registry,
  ScalarType,
} from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation, isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { type ExactJson, mapValues, NumberText, roundedJson } from "./exact-json.ts";
import { exactlyOne } from "./field-rules.ts";

/** How JSON is read. */
export interface ProtobufJsonOptions {
  /** Finds what google.protobuf.Any and extensions hold. @default nothing */
  readonly registry?: Registry | undefined;
  /** Whether a field may be null, which then counts as not there. @default true, as protobuf JSON has it */
  readonly allowNull?: boolean;
}

// As many as the codec follows.
const maxDepth = 100;
/** Digits of a whole number at most: 2^64 has 20. */
const maxDigits = 24;
const numberPattern = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const keyPattern = /^-?(?:0|[1-9]\d*)$/;
const named64 = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
  ScalarType.SINT64,
]);
const named32 = new Set([
  ScalarType.INT32,
  ScalarType.UINT32,
  ScalarType.FIXED32,
  ScalarType.SFIXED32,
  ScalarType.SINT32,
]);
const floats = new Set([ScalarType.DOUBLE, ScalarType.FLOAT]);
const floatNames = new Set(["NaN", "Infinity", "-Infinity"]);

/**
 * The JSON of a message for the codec.
 * @throws SyntaxError that names the field: for a number that is not in the form of JSON or not of the field's type, for null
 *   where it is not allowed, for more than 100 levels
 */
export function protobufJson(message: DescMessage, json: ExactJson, options: ProtobufJsonOptions = {}): JsonValue {
  return new Reader(options).message(message, json, 0);
}

class Reader {
  readonly #registry: Registry | undefined;
  readonly #allowNull: boolean;

  constructor({ registry, allowNull = true }: ProtobufJsonOptions) {
    this.#registry = registry;
    this.#allowNull = allowNull;
  }

  message(desc: DescMessage, json: ExactJson, depth: number): JsonValue {
    if (depth > maxDepth) throw new SyntaxError(`more than ${maxDepth} levels`);
    const [wrapped] = desc.fields;
    if (isWrapperDesc(desc) && wrapped !== undefined) return this.#scalar(wrapped, wrapped.scalar, json);
    if (desc.typeName === "google.protobuf.Any") return this.#any(json, depth);
    if (!isObject(json) || hasCustomJsonRepresentation(desc)) return bounded(json, depth);
    return this.#fields(desc, json, depth);
  }

  #fields(desc: DescMessage, json: { readonly [key: string]: ExactJson }, depth: number): JsonObject {
    return mapValues(json, (value, key) => {
      const field = this.#fieldNamed(desc, key);
      return field === undefined ? bounded(value, depth) : this.#field(field, value, depth);
    });
  }

  #fieldNamed(desc: DescMessage, key: string): DescField | DescExtension | undefined {
    if (key.startsWith("[")) return this.#registry?.getExtension(key.slice(1, -1));
    return desc.fields.find(({ name, jsonName }) => name === key || jsonName === key);
  }

  #field(field: DescField | DescExtension, json: ExactJson, depth: number): JsonValue {
    if (json === null) {
      if (this.#allowNull || takesNull(field)) return null;
      throw new SyntaxError(`cannot decode ${field.toString()} from JSON: null is no value; leave the field out`);
    }
    // It would count as not there, and another field in its place as the only one.
    if (json === "" && field.kind === "field" && exactlyOne(field.parent).includes(field))
      throw new SyntaxError(`cannot decode ${field.toString()} from JSON: it is empty; leave the field out`);
    if (field.fieldKind === "list" && Array.isArray(json)) return json.map((each) => this.#value(field, each, depth));
    if (field.fieldKind === "map" && isObject(json)) {
      return mapValues(json, (value, key) => {
        if (isInteger(field.mapKey) && !keyPattern.test(key)) throw notANumber(field, key);
        return this.#value(field, value, depth);
      });
    }
    return this.#value(field, json, depth);
  }

  #value(field: DescField | DescExtension, json: ExactJson, depth: number): JsonValue {
    if (field.message !== undefined) return this.message(field.message, json, depth + 1);
    return this.#scalar(field, field.scalar, json);
  }

  #scalar(field: DescField | DescExtension, scalar: ScalarType | undefined, json: ExactJson): JsonValue {
    if (scalar === ScalarType.BYTES && typeof json === "string" && !isBase64(json))
      throw new SyntaxError(`cannot decode ${field.toString()} from JSON: invalid base64 string`);
    const text = numberTextOf(json);
    if (text === undefined) return bounded(json, 0);
    if (scalar !== undefined && isInteger(scalar)) {
      const integer = integerOf(text);
      if (integer === undefined) throw notANumber(field, text);
      return Number.isSafeInteger(Number(integer)) ? Number(integer) : `${integer}`;
    }
    if (scalar !== undefined && floats.has(scalar)) {
      if (typeof json === "string" && floatNames.has(json)) return json;
      if (!numberPattern.test(text) || !Number.isFinite(Number(text))) throw notANumber(field, text);
      return Number(text);
    }
    // An enum may be a number; all else is a text, or refused.
    return roundedJson(json);
  }

  #any(json: ExactJson, depth: number): JsonValue {
    if (!isObject(json)) return bounded(json, depth);
    const url = json["@type"];
    const name = typeof url === "string" ? url.slice(url.lastIndexOf("/") + 1) : "";
    const desc = this.#registry?.getMessage(name);
    if (desc === undefined) return bounded(json, depth);
    if (!hasCustomJsonRepresentation(desc)) return this.#fields(desc, json, depth + 1);
    return mapValues(json, (value, key) =>
      key === "value" ? this.message(desc, value, depth + 1) : bounded(value, depth),
    );
  }
}

/** Numbers and texts that may be one; undefined for all else. */
function numberTextOf(json: ExactJson): string | undefined {
  if (json instanceof NumberText) return json.text;
  if (typeof json === "number") return String(json);
  return typeof json === "string" ? json : undefined;
}

/** The whole number that a text is, as "1e3" and "5.0" are; undefined where it is none, or has more than 24 digits. */
function integerOf(text: string): bigint | undefined {
  const [, sign = "", whole = "", fraction = "", exponentText = "0"] = numberPattern.exec(text) ?? [];
  const exponent = Number(exponentText);
  const digits = whole + fraction;
  const point = whole.length + exponent;
  if (whole === "" || digits.length > maxDigits || point > maxDigits) return undefined;
  if (/[1-9]/.test(digits.slice(Math.max(point, 0)))) return undefined;
  const kept = point <= 0 ? "0" : digits.slice(0, point).padEnd(point, "0");
  return BigInt(`${sign}${kept}`);
}

/** Whether a text is base64 or base64url, with padding or without. The codec skips white space, and ends at the first padding. */
function isBase64(text: string): boolean {
  const [padding = ""] = /={1,2}$/.exec(text) ?? [];
  const digits = text.length - padding.length;
  if (digits % 4 === 1 || (padding !== "" && text.length % 4 !== 0)) return false;
  return !/[^A-Za-z0-9+/_-]/.test(text.slice(0, digits));
}

function isInteger(scalar: ScalarType): boolean {
  return named64.has(scalar) || named32.has(scalar);
}

function takesNull({ message, enum: enumeration }: DescField | DescExtension): boolean {
  return message?.typeName === "google.protobuf.Value" || enumeration?.typeName === "google.protobuf.NullValue";
}

/** JSON without a schema, as far as the codec would follow it. */
function bounded(json: ExactJson, depth: number): JsonValue {
  checkDepth(json, depth);
  return roundedJson(json);
}

function checkDepth(json: ExactJson, depth: number): void {
  if (depth > maxDepth) throw new SyntaxError(`more than ${maxDepth} levels`);
  if (typeof json !== "object" || json === null || json instanceof NumberText) return;
  for (const value of Object.values(json)) checkDepth(value, depth + 1);
}

function isObject(json: ExactJson): json is { [key: string]: ExactJson } {
  return typeof json === "object" && json !== null && !Array.isArray(json) && !(json instanceof NumberText);
}

function notANumber(field: DescField | DescExtension, text: string): SyntaxError {
  return new SyntaxError(
    `cannot decode ${field.toString()} from JSON: ${JSON.stringify(text.slice(0, 64))} is no number of its type`,
  );
}
