// Diagnostics on stderr, through pino: a line for people each, or with --json the line that pino makes.
import { pino } from "pino";
import type { Logger } from "../util/log.ts";
import type { LogLevel } from "./node-flags.ts";
import type { Terminal } from "./terminal.ts";
import { printable, timeOfDay } from "./text.ts";

/** What a log line shows of an error. */
interface BriefError {
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string | undefined;
}

/** Fields of a log line that are shown at its head. */
const headFields = new Set(["level", "time", "event", "msg", "node"]);
const levelStyles = { error: "red", warn: "yellow", info: "green", debug: "dim" } as const;

/** A logger of the given level. Fields may come from peers: nothing in them acts on the terminal. */
export function createCliLogger(
  { logLevel, json }: { readonly logLevel: LogLevel; readonly json?: boolean },
  stderr: Terminal,
  bindings: { readonly node?: number } = {},
): Logger {
  const brief = (value: unknown): unknown => (value instanceof Error ? briefError(value, logLevel) : value);
  const write = (line: string): void => stderr.line(json ? line.trimEnd() : prettyLogLine(line, stderr));
  return pino(
    {
      level: logLevel,
      base: { ...bindings },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: brief, error: brief },
    },
    { write },
  );
}

/**
 * A log line for people: "14:03:59 warn handshake_failed: the hello is not … remoteAddress=127.0.0.1:40000".
 * @param line what pino wrote; anything else is shown as it is
 */
export function prettyLogLine(line: string, { paint }: Pick<Terminal, "paint">): string {
  const fields = parsed(line);
  if (fields === undefined) return printable(line.trimEnd());
  const level = shown(fields["level"]);
  const style = level in levelStyles ? levelStyles[level as keyof typeof levelStyles] : "dim";
  const rest = Object.entries(fields).filter(([name]) => !headFields.has(name));
  const head = [
    paint("dim", timeOfDay(Date.parse(shown(fields["time"])))),
    paint(style, level),
    ...(fields["node"] === undefined ? [] : [`node ${shown(fields["node"])}`]),
  ];
  const text =
    fields["msg"] === undefined ? shown(fields["event"]) : `${shown(fields["event"])}: ${shown(fields["msg"])}`;
  const tail = rest.map(([name, value]) => paint("dim", `${printable(name)}=${shown(value)}`));
  return [...head, text, ...tail].join(" ");
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "level" in value ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function shown(value: unknown): string {
  return printable(typeof value === "string" ? value : JSON.stringify(value));
}

function briefError(error: Error, level: LogLevel): BriefError {
  return {
    message: error.message,
    ...("code" in error && { code: error.code }),
    ...(level === "debug" && { stack: error.stack }),
  };
}
