// Reads the values of flags. What is wrong with one is told in commander's words: "option '--port <n>' argument 'x' is
// invalid." and then the text here.
import { InvalidArgumentError } from "commander";

const maxNameBytes = 255;

/** Reads whole numbers of a range. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
  };
}

/** Reads a name of 1 to 255 bytes. */
export function nonEmpty(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes >= 1 && bytes <= maxNameBytes) return text;
  throw new InvalidArgumentError(`Give 1 to ${maxNameBytes} bytes.`);
}

/**
 * Reads texts that are not empty.
 * @param what "a path"
 */
export function given(what: string): (text: string) => string {
  return (text) => {
    if (text !== "") return text;
    throw new InvalidArgumentError(`Give ${what}.`);
  };
}

/** Adds a value to those of a flag that may be repeated. */
export function repeated(text: string, previous: readonly string[]): readonly string[] {
  return [...previous, text];
}

/** Which node of which swarm a process runs: "STARTED_MS:INDEX". */
export interface Place {
  /** When the swarm was started, milliseconds since the Unix epoch. */
  readonly startedAtMs: number;
  /** From 1. */
  readonly index: number;
}

/** Reads a place. */
export function placeOf(text: string): Place {
  const [, startedAt, index] = /^(\d{1,15}):(\d{1,4})$/.exec(text) ?? [];
  if (startedAt === undefined) throw new InvalidArgumentError("It is not for people.");
  return { startedAtMs: Number(startedAt), index: Number(index) };
}
