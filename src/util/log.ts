// What dswarm asks of a logger: pino's shape, so that a pino logger fits as it is.

/** Structured logging: the fields first (`event` names what happened and never changes), then a text for people. */
export interface Logger {
  debug(fields: LogFields, text?: string): void;
  info(fields: LogFields, text?: string): void;
  warn(fields: LogFields, text?: string): void;
  error(fields: LogFields, text?: string): void;
}

/** Fields of one log line. Never a private key, token or payload. */
export interface LogFields {
  /** Stable name of what happened, for example "handshake_failed". */
  readonly event: string;
  readonly [field: string]: unknown;
}

function ignore(): void {}

/** Keeps nothing. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
