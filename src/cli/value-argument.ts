// A value as the command line has it: its text, "-" for what comes on standard input, or a file.
import { open } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { CliError, exitCodes } from "./cli-error.ts";
import { fileError } from "./file-error.ts";

const maxBytes = 65_536;

/**
 * The bytes of a value: the UTF-8 of a text, all of standard input for "-", or those of a file.
 * @throws CliError with exit code 2 for more than 65536 bytes, and unless either the text or the file is given, and for a
 *   file that cannot be read
 */
export async function valueGiven(text: string | undefined, file: string | undefined): Promise<Uint8Array> {
  if ((text === undefined) === (file === undefined)) {
    throw new CliError("give a value, - for standard input, or --file FILE", exitCodes.usage);
  }
  const bytes = file === undefined ? await bytesOf(text ?? "") : await readNamed(file);
  if (bytes.length > maxBytes) throw new CliError(`a value has at most ${maxBytes} bytes`, exitCodes.usage);
  return new Uint8Array(bytes);
}

async function bytesOf(text: string): Promise<Uint8Array> {
  return text === "-" ? await buffer(process.stdin) : Buffer.from(text, "utf8");
}

async function readNamed(path: string): Promise<Uint8Array> {
  try {
    return await read(path);
  } catch (error) {
    throw fileError("--file", path, error);
  }
}

/** The bytes of a file, of a large one no more than tell that it is too large. */
async function read(path: string): Promise<Uint8Array> {
  await using file = await open(path);
  const bytes = Buffer.alloc(maxBytes + 1);
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}
