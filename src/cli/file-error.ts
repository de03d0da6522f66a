// Tells of a file that a flag names and that cannot be read or written.
import { ioCodeOf, ioMessageOf } from "../util/io-error.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { printable } from "./text.ts";

const mistakes: Readonly<Record<string, string>> = {
  EISDIR: "it is a directory; give a file",
  ELOOP: "it is a link that leads nowhere; give another path",
  ENAMETOOLONG: "the name is too long; give another path",
  ENOENT: "there is no such file or directory",
  ENOTDIR: "a file stands where a directory is needed; give another path",
};

/**
 * The error for the one at the keyboard: exit code 2 where the path is wrong, 1 where it cannot be used.
 * @param flag "--file"
 * @param error of the file system
 */
export function fileError(flag: string, path: string, error: unknown): CliError {
  const mistake = mistakes[ioCodeOf(error) ?? ""];
  const name = `${flag} ${printable(path)}`;
  if (mistake !== undefined) return new CliError(`${name}: ${mistake}`, exitCodes.usage);
  return new CliError(`${name}: ${ioMessageOf(error)}`);
}
