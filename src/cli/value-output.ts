// How values go out: their exact bytes to a file or a pipe; on a terminal as text where they are text, else as a dump.
import { writeFile } from "node:fs/promises";
import type { Record as DhtRecord } from "../../gen/dswarm/v1/dht_pb.ts";
import type { Context } from "./context.ts";
import { fileError } from "./file-error.ts";
import { counted, printable } from "./text.ts";

const dumpBytes = 256;
const rowBytes = 16;
/** What text may hold beside characters that show: a terminal does no harm with these. */
const textControls = /[\n\t]/g;

/** The value of a record, immutable or mutable; none of any other. */
export function valueOf(record: DhtRecord | undefined): Uint8Array {
  const kind = record?.kind;
  return kind?.case === "immutable" || kind?.case === "mutable" ? kind.value.value : new Uint8Array();
}

/**
 * Writes a value: to a file where one is named ("-" is standard output), else to standard output. A pipe or a file gets the
 * exact bytes, a terminal what a person can read.
 * @throws CliError for a file that cannot be written
 */
export async function writeValue(value: Uint8Array, out: string | undefined, { stdout }: Context): Promise<void> {
  if (out !== undefined && out !== "-") {
    await writeFile(out, value).catch((error: unknown) => {
      throw fileError("--out", out, error);
    });
    return;
  }
  if (out === "-" || !stdout.isTerminal) stdout.bytes(value);
  else for (const line of shownValue(value)) stdout.line(line);
}

/** A value for a terminal: its text, or the first bytes in hex with how to save all of them. */
export function shownValue(value: Uint8Array): string[] {
  const text = textOf(value);
  if (text !== undefined) return text.replace(/\n$/, "").split("\n");
  return [
    `${counted(value.length, "byte")}, not text; to save: --out FILE`,
    ...dumpLines(value.subarray(0, dumpBytes)),
    ...(value.length > dumpBytes ? ["…"] : []),
  ];
}

/** A value in one line. */
export function valueInLine(value: Uint8Array): string {
  const text = textOf(value);
  if (text !== undefined && !/[\n\t]/.test(text)) return text;
  return text === undefined ? `${counted(value.length, "byte")}, not text` : JSON.stringify(text);
}

/** Undefined for what is not UTF-8, or holds what a terminal would act on. */
function textOf(value: Uint8Array): string | undefined {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    return undefined;
  }
  const shown = text.replace(textControls, "");
  return printable(shown) === shown ? text : undefined;
}

/** As `hexdump -C` prints: offset, bytes, characters. */
function dumpLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += rowBytes) {
    const row = Buffer.from(bytes.subarray(at, at + rowBytes));
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const characters = Array.from(row, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."));
    lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(rowBytes * 3 - 1)}  |${characters.join("")}|`);
  }
  return lines;
}
