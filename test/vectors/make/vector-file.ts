// The form of a file of test vectors: a head, and cases whose names state facts.
import { createHash } from "node:crypto";

/** Bytes of a vector: hex, or parts of which long runs of one byte are written as `repeat` (hex of the byte) and `times`. */
export type VectorBytes = string | readonly (string | { readonly repeat: string; readonly times: number })[];

/** A value of a vector. What is undefined is left out of the file. */
export type VectorValue =
  | string
  | number
  | boolean
  | undefined
  | readonly VectorValue[]
  | { readonly [name: string]: VectorValue };

/** A file of test vectors. */
export interface VectorFile {
  readonly description: string;
  readonly source: string;
  readonly cases: readonly ({ readonly name: string } & { readonly [field: string]: VectorValue })[];
}

/** How `VectorBytes` are read, for descriptions. */
export const bytesNote =
  'Bytes are lower-case hex; where long, a list of parts, each hex or {"repeat": one byte in hex, "times": count}.';

/** Bytes as hex. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

const shortRun = 256;

/** Bytes as hex, runs of one byte that are longer than 256 shortened. */
export function runs(bytes: Uint8Array): VectorBytes {
  const parts: (string | { repeat: string; times: number })[] = [];
  let plainFrom = 0;
  for (let at = 0; at < bytes.length; ) {
    let end = at + 1;
    while (end < bytes.length && bytes[end] === bytes[at]) end++;
    if (end - at > shortRun) {
      if (at > plainFrom) parts.push(hex(bytes.subarray(plainFrom, at)));
      parts.push({ repeat: hex(bytes.subarray(at, at + 1)), times: end - at });
      plainFrom = end;
    }
    at = end;
  }
  if (parts.length === 0) return hex(bytes);
  if (plainFrom < bytes.length) parts.push(hex(bytes.subarray(plainFrom)));
  return parts;
}

/** The bytes of a vector. */
export function bytesOf(value: VectorBytes): Buffer {
  if (typeof value === "string") return Buffer.from(value, "hex");
  return Buffer.concat(
    value.map((part) =>
      typeof part === "string" ? Buffer.from(part, "hex") : Buffer.alloc(part.times, Buffer.from(part.repeat, "hex")),
    ),
  );
}

/** 32 bytes that a text stands for: its sha256. */
export function bytesFor(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

const lineWidth = 120;

/** The text of a file, as the project's formatter has it. */
export function printVectorFile(file: VectorFile): string {
  return `${print({ ...file }, "", 0)}\n`;
}

/** @param before characters before the value on its line */
function print(value: VectorValue, indent: string, before: number): string {
  if (typeof value !== "object") return JSON.stringify(value);
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    const items: readonly VectorValue[] = value;
    const inline = `[${items.map((item) => JSON.stringify(item)).join(", ")}]`;
    const isFlat = items.every((item) => typeof item !== "object");
    if (items.length === 0 || (isFlat && indent.length + before + inline.length < lineWidth)) return inline;
    return `[\n${items.map((item) => deeper + print(item, deeper, 0)).join(",\n")}\n${indent}]`;
  }
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  if (fields.length === 0) return "{}";
  const lines = fields.map(([name, field]) => {
    const label = `${deeper}${JSON.stringify(name)}: `;
    return label + print(field, deeper, label.length - deeper.length);
  });
  return `{\n${lines.join(",\n")}\n${indent}}`;
}
