// What every command is given.
import type { Terminal } from "./terminal.ts";

/** Where a command writes, and how it was called. */
export interface Context {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** The words that call this program. */
  readonly programName: string;
}
