// What a command ends with: exit codes, the error that carries one, and how a mistake in the command line is told.
import type { JsonValue } from "@bufbuild/protobuf";
import { printable } from "./text.ts";

/** Exit codes of the command line; `--help` lists them. */
export const exitCodes = Object.freeze({ ok: 0, failure: 1, usage: 2, interrupted: 130 });

/** A failure whose message is complete for the one at the keyboard: what is wrong and what to do. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;

  /**
   * @param exitCode one of `exitCodes` @default 1, failure
   * @param options `cause`: where it is a DswarmError, `--json` tells its code
   */
  constructor(message: string, exitCode: number = exitCodes.failure, options: ErrorOptions = {}) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** A detail of an error, as Connect's protocol has it. */
export interface FailureDetail {
  /** Name of its message type. */
  readonly type: string;
  /** Its bytes, as base64. */
  readonly value: string;
  /** What they say, where the schema of the service has the type. */
  readonly debug?: JsonValue;
}

/** A failure as a line of JSON on stderr. */
export interface FailureLine {
  readonly event: "failed";
  /** An error code of dswarm's own, or a gRPC status code's name, or "failed", "usage", "internal". */
  readonly code: string;
  readonly message: string;
  /** What a peer has added. Absent where that is nothing. */
  readonly details?: readonly FailureDetail[];
}

/**
 * A mistake in the command line as a line of JSON.
 * @param text what commander prints
 */
export function usageLine(text: string): string {
  const message = printable(
    text
      .trim()
      .replace(/^error: /, "")
      .replaceAll("\n", " "),
  );
  return `${JSON.stringify({ event: "failed", code: "usage", message } satisfies FailureLine)}\n`;
}
