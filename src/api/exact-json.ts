// JSON text as protobuf JSON means it (https://protobuf.dev/programming-guides/json/): 64-bit numbers exact, numbers in strings
// only in the form of JSON, no key twice. The codec alone reads numbers as JavaScript has them, rounded to 53 bits.
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

/** A number whose text says something that a JavaScript number, printed again, does not. */
export class NumberText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Parsed JSON in which some numbers are kept as text. */
export type ExactJson = null | boolean | number | string | NumberText | ExactJson[] | { [key: string]: ExactJson };

type Reviver = (key: string, value: ExactJson, context: { readonly source?: string }) => ExactJson;

// JSON.parse calls its reviver with the source text (ECMAScript proposal "JSON.parse source text access"), which types lack.
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => ExactJson;

/** The most objects and arrays inside each other, as in other implementations of protobuf JSON. */
const maxLevels = 100;

/**
 * Parses JSON text.
 * @throws SyntaxError for text that is no JSON, for an object with a key twice, and for more than 100 levels
 */
export function parseExactJson(text: string): ExactJson {
  // The reviver costs ten times the time and memory of parsing: it runs only where a number asks for it.
  return scan(text).hasUnusualNumber ? parseWithSource(text, keepNumberText) : JSON.parse(text);
}

const keepNumberText: Reviver = (_key, value, { source }) =>
  typeof value === "number" && source !== undefined && String(value) !== source ? new NumberText(source) : value;

/** The same value as JavaScript has it, for what holds numbers of no certain type. */
export function roundedJson(json: ExactJson): JsonValue {
  if (json instanceof NumberText) return Number(json.text);
  if (Array.isArray(json)) return json.map(roundedJson);
  if (typeof json !== "object" || json === null) return json;
  return mapValues(json, roundedJson);
}

/** An object with each value changed. It has no prototype, so that a key may be any text. */
export function mapValues(
  json: { readonly [key: string]: ExactJson },
  change: (value: ExactJson, key: string) => JsonValue,
): JsonObject {
  const object: JsonObject = Object.create(null);
  for (const [key, value] of Object.entries(json)) object[key] = change(value, key);
  return object;
}

const quotes = 0x22;
const comma = 0x2c;
const minus = 0x2d;
const digit0 = 0x30;
const digit9 = 0x39;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

const number = /-?\d[\d.eE+-]*/y;
/** Numbers that JavaScript holds exactly and prints as they are written; -0 it prints as 0. */
const usualNumber = /^(?:0|-?[1-9]\d{0,14})$/;

/**
 * Looks through JSON text once for what JSON.parse does not tell.
 * @throws SyntaxError for a key that is twice in an object, of which JSON.parse keeps the last, and for too many levels
 */
function scan(text: string): { hasUnusualNumber: boolean } {
  /** The keys of each object that is open; undefined for an array. Bounded by `maxLevels` and the text. */
  const open: (Set<string> | undefined)[] = [];
  let keys: Set<string> | undefined;
  let isKeyNext = false;
  let hasUnusualNumber = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === quotes) {
      const end = endOfString(text, i);
      if (isKeyNext && keys !== undefined) addKey(keys, text.slice(i, end));
      isKeyNext = false;
      i = end - 1;
    } else if (char === openBrace || char === openBracket) {
      if (open.length === maxLevels) throw new SyntaxError(`the JSON has more than ${maxLevels} levels`);
      isKeyNext = char === openBrace;
      keys = isKeyNext ? new Set() : undefined;
      open.push(keys);
    } else if (char === closeBrace || char === closeBracket) {
      open.pop();
      keys = open.at(-1);
      isKeyNext = false;
    } else if (char === comma) {
      isKeyNext = keys !== undefined;
    } else if (char === minus || (char >= digit0 && char <= digit9)) {
      number.lastIndex = i;
      const written = number.exec(text)?.[0] ?? "-";
      hasUnusualNumber ||= !usualNumber.test(written);
      i += written.length - 1;
    }
  }
  return { hasUnusualNumber };
}

/** The index after the string that begins at an index, or the text's length when nothing closes it. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === backslash) escapes += 1;
    if (escapes % 2 === 0) return end + 1;
  }
  return text.length;
}

function addKey(keys: Set<string>, quoted: string): void {
  const key: string = quoted.includes("\\") ? JSON.parse(quoted) : quoted.slice(1, -1);
  if (keys.has(key)) throw new SyntaxError(`duplicate key ${JSON.stringify(key.slice(0, 64))}`);
  keys.add(key);
}
