// How a call is turned away before anything is made for it. An error object would cost more than the call itself: the stack of
// one takes 10 to 20 µs.
import type { Code } from "@connectrpc/connect";
import { type ErrorCode, errorTable } from "../util/errors.ts";

/** The status that the caller of a refused call gets. */
export interface Refusal {
  /** gRPC status code. */
  readonly code: Code;
  /** For people, in Unicode. Its length must be bounded. */
  readonly message: string;
}

/** What is wrong with something received: the parts of a DswarmError that may never be made. */
export type Objection = readonly [code: ErrorCode, detail?: string];

/** The refusal that says the same as a DswarmError of the code and detail. */
export function refusalOf(code: ErrorCode, detail?: string): Refusal {
  const { message, connect } = errorTable[code];
  return { code: connect, message: detail === undefined ? message : `${message}: ${detail}` };
}
