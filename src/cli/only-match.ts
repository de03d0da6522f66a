// Names that are cut short, as tables print them.
import { CliError } from "./cli-error.ts";
import { printable } from "./text.ts";

const maxShown = 8;

/**
 * The one of what begins with a name.
 * @param matches all that do; the same one may be there twice
 * @param none what to say where there is none
 * @throws CliError, which lists the matches where there are several
 */
export function onlyMatch(name: string, matches: readonly string[], none: string): string {
  const [found, ...others] = new Set(matches);
  if (found === undefined) throw new CliError(`${printable(name)}: ${none}`);
  if (others.length === 0) return found;
  const shown = [found, ...others].slice(0, maxShown).map(printable).join(", ");
  const rest = others.length + 1 - maxShown;
  throw new CliError(
    `${printable(name)} begins ${others.length + 1} names; give more of one: ${shown}${rest > 0 ? `, and ${rest} more` : ""}`,
  );
}
