// gRPC's status codes by their numbers.
import { Code } from "@connectrpc/connect";

/** The codes of errors, 1 to 16. */
const codes = Object.values(Code).filter((code) => typeof code === "number");

/** Returns the code with this number, `unknown` for another number. */
export function codeOf(number: number): Code {
  return codes[number - 1] ?? Code.Unknown;
}
