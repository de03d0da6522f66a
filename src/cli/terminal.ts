// Writing lines for people: colours only where the stream is a terminal that has them (NO_COLOR and FORCE_COLOR hold), and
// no wider than it is.
import { styleText } from "node:util";

/** A style of text, for example "bold". */
export type Style = Parameters<typeof styleText>[0];

/** A stream that takes lines. */
export interface Terminal {
  /** Writes a line; the newline is added. */
  readonly line: (text?: string) => void;
  /** Writes bytes as they are. */
  readonly bytes: (bytes: Uint8Array) => void;
  /** Text in a style, for example "bold", where the stream shows styles. */
  readonly paint: (style: Style, text: string) => string;
  /** Characters that a line has room for; infinite where the stream is no terminal. It may change. */
  readonly columns: number;
  /** Whether somebody is there to watch. */
  readonly isTerminal: boolean;
}

/** A terminal on a stream of the process. COLUMNS, where it is set, says how wide it is, whatever it is. */
export function terminalOn(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv = process.env): Terminal {
  const told = Number(environment["COLUMNS"]);
  return {
    isTerminal: stream.isTTY,
    line: (text = "") => void stream.write(`${text}\n`),
    bytes: (bytes) => void stream.write(bytes),
    paint: (style, text) => styleText(style, text, { stream }),
    get columns() {
      if (Number.isSafeInteger(told) && told > 0) return told;
      return stream.isTTY && stream.columns > 0 ? stream.columns : Number.POSITIVE_INFINITY;
    },
  };
}
