// Corpora as text, so that a change shows what was added: one input a line, in base64, after an optional comment line.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

function pathOf(name: string): string {
  return fileURLToPath(new URL(`../corpus/${name}.txt`, import.meta.url));
}

/** The inputs that are kept for a target; none where there is no file. */
export function readCorpus(name: string): Uint8Array[] {
  const path = pathOf(name);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => decode(line));
}

/** Adds inputs to those that are kept for a target, each once. Comments and order of the file stay. */
export function addToCorpus(name: string, inputs: readonly Uint8Array[]): void {
  const path = pathOf(name);
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const known = new Set(text.split("\n"));
  const lines = inputs.map((input) => encode(input)).filter((line) => !known.has(line));
  if (lines.length > 0) writeFileSync(path, `${text}${[...new Set(lines)].join("\n")}\n`);
}

function encode(input: Uint8Array): string {
  // A line that is not empty stands for the input of no bytes.
  return input.length === 0 ? "=" : Buffer.from(input).toString("base64");
}

function decode(line: string): Uint8Array {
  return new Uint8Array(Buffer.from(line, "base64"));
}
