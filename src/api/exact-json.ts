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

/**
 * Parses JSON text.
 * @throws SyntaxError for text that is no JSON, and for an object with a key twice
 */
export function parseExactJson(text: string): ExactJson {
  try {
    const value = parseWithSource(text, keepNumberText);
    checkKeys(text);
    return value;
  } catch (error) {
    // Of the call stack: the reviver follows all levels.
    if (error instanceof RangeError) throw new SyntaxError("the JSON has too many levels", { cause: error });
    throw error;
  }
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

const token = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

/**
 * Looks for keys that come twice in an object, of which JSON.parse keeps the last.
 * @param text valid JSON
 * @throws SyntaxError
 */
function checkKeys(text: string): void {
  /** The keys of each object that is open; undefined for an array. Bounded by the text. */
  const open: (Set<string> | undefined)[] = [];
  let isKeyNext = false;
  for (const [part] of text.matchAll(token)) {
    const keys = open.at(-1);
    if (part === "{" || part === "[") {
      open.push(part === "{" ? new Set() : undefined);
      isKeyNext = part === "{";
    } else if (part === "}" || part === "]") {
      open.pop();
      isKeyNext = false;
    } else if (part === ",") {
      isKeyNext = keys !== undefined;
    } else if (isKeyNext && keys !== undefined) {
      isKeyNext = false;
      const key: string = JSON.parse(part);
      if (keys.has(key)) throw new SyntaxError(`duplicate key ${JSON.stringify(key.slice(0, 64))}`);
      keys.add(key);
    }
  }
}
