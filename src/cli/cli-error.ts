// What a command ends with: exit codes, and the error that carries one.

/** Exit codes of the command line; `--help` lists them. */
export const exitCodes = Object.freeze({ ok: 0, failure: 1, usage: 2, interrupted: 130 });

/** A failure whose message is complete for the one at the keyboard: what is wrong and what to do. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;

  /** @param exitCode one of `exitCodes` @default 1, failure */
  constructor(message: string, exitCode: number = exitCodes.failure) {
    super(message);
    this.exitCode = exitCode;
  }
}
