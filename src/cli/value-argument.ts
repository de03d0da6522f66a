// A value as the command line has it: its text, or "-" for what comes on standard input.
import { buffer } from "node:stream/consumers";
import { CliError, exitCodes } from "./cli-error.ts";

const maxBytes = 65_536;

/** The bytes of a value: the UTF-8 of a text, or all of standard input for "-". @throws CliError for more than 65536 */
export async function valueOf(text: string): Promise<Uint8Array> {
  const bytes = text === "-" ? await buffer(process.stdin) : Buffer.from(text, "utf8");
  if (bytes.length > maxBytes) throw new CliError(`a value has at most ${maxBytes} bytes`, exitCodes.usage);
  return new Uint8Array(bytes);
}
