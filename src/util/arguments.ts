// Checks of what programs hand in: a wrong type is told at once, by a TypeError that names the argument, what is expected and what came.
// TypeScript tells most of it sooner, but not to programs without types, nor of values that come from elsewhere.
import { isUint8Array } from "node:util/types";

/** Checks a value. Throws a TypeError where it is of another type. */
export type Check = (name: string, value: unknown) => void;

/** A check of each option. */
export type Checks<Options> = { readonly [Name in keyof Required<Options>]: Check };

/** The error of an argument of a wrong type. */
export function wrongType(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${name}: expected ${expected}, got ${kindOf(value)}`);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return Object.getPrototypeOf(value)?.constructor?.name ?? "an object";
  return `a ${typeof value}`;
}

function checkOf(expected: string, isOfType: (value: unknown) => boolean): Check {
  return (name, value) => {
    if (!isOfType(value)) throw wrongType(name, expected, value);
  };
}

/** Whether a value is an object, and no array. */
export function isObject(value: unknown): value is Readonly<Record<PropertyKey, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Bytes: a Uint8Array, a Buffer among them. */
export const checkBytes: Check = checkOf("bytes (Uint8Array)", isUint8Array);
/** A string. */
export const checkText: Check = checkOf("a string", (value) => typeof value === "string");
/** A number; its range is another matter. */
export const checkNumber: Check = checkOf("a number", (value) => typeof value === "number");
/** true or false. */
export const checkBoolean: Check = checkOf("a boolean", (value) => typeof value === "boolean");
/** A function. */
export const checkFunction: Check = checkOf("a function", (value) => typeof value === "function");
/** An AbortSignal, or what behaves like one. */
export const checkSignal: Check = checkOf(
  "an AbortSignal",
  (value) =>
    isObject(value) && typeof value["aborted"] === "boolean" && typeof value["addEventListener"] === "function",
);
/** Any object but an array. */
export const checkObject: Check = checkOf("an object", isObject);
/** The descriptor of a service, as protoc-gen-es generates it. */
export const checkService: Check = checkOf(
  "a service (DescService)",
  (value) => isObject(value) && value["kind"] === "service" && typeof value["typeName"] === "string",
);
/** Anything. */
export const checkNothing: Check = () => undefined;

/** An object that has these methods. */
export function checkMethods(expected: string, methods: readonly string[]): Check {
  return checkOf(expected, (value) => isObject(value) && methods.every((name) => typeof value[name] === "function"));
}

/** An array whose items pass a check. */
export function checkArray(check: Check): Check {
  return (name, value) => {
    if (!Array.isArray(value)) throw wrongType(name, "an array", value);
    for (const [index, item] of value.entries()) check(`${name}[${index}]`, item);
  };
}

/** A boolean, or what passes a check. */
export function checkBooleanOr(check: Check): Check {
  return (name, value) => {
    if (typeof value !== "boolean") check(name, value);
  };
}

/** Options that are all numbers, as those of an object of defaults. */
export function checkNumbers(defaults: object, others: Readonly<Record<string, Check>> = {}): Check {
  const checks = Object.fromEntries(Object.keys(defaults).map((name) => [name, checkNumber]));
  return (name, value) => checkOptions(name, value, { ...checks, ...others });
}

/**
 * Checks options: an object, or undefined for none. Each may be undefined.
 * @throws TypeError for anything else, an option that there is none of, and one of a wrong type
 */
export function checkOptions(name: string, options: unknown, checks: Readonly<Record<string, Check>>): void {
  if (options === undefined) return;
  if (!isObject(options)) throw wrongType(name, "an object", options);
  for (const [key, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
    if (check === undefined) {
      throw new TypeError(
        `${name}: there is no option ${JSON.stringify(key)}; there are ${Object.keys(checks).join(", ")}`,
      );
    }
    if (value !== undefined) check(key, value);
  }
}

/**
 * A sequence of a record, as a bigint: one, or a number that is exact.
 * @throws TypeError for another type, RangeError for a number that is no whole one or below 0
 */
export function sequenceFrom(name: string, value: unknown): bigint {
  if (typeof value !== "bigint" && typeof value !== "number")
    throw wrongType(name, "a bigint or a whole number", value);
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new RangeError(`${name}: ${value} is not a whole number up to 2^53 - 1; write larger ones as bigint`);
  }
  if (value < 0) throw new RangeError(`${name}: ${value} is below 0`);
  return BigInt(value);
}
