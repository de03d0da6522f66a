// Writing lines for people: colours only where the stream is a terminal that has them (NO_COLOR and FORCE_COLOR hold).
import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** A stream that takes lines. */
export interface Terminal {
  /** Writes a line; the newline is added. */
  readonly line: (text?: string) => void;
  /** Text in a style, for example "bold", where the stream shows styles. */
  readonly paint: (style: Style, text: string) => string;
}

/** A terminal on a stream of the process. */
export function terminalOn(stream: NodeJS.WriteStream): Terminal {
  return {
    line: (text = "") => void stream.write(`${text}\n`),
    paint: (style, text) => styleText(style, text, { stream }),
  };
}
