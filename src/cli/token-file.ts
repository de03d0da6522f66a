// The file with the API's bearer token: of its owner alone, like a private key of ssh.
import { readFileSync, statSync } from "node:fs";
import { isToken } from "../api/options.ts";
import { messageOf } from "../util/errors.ts";
import { CliError, exitCodes } from "./cli-error.ts";

const maxFileBytes = 4096;

/**
 * Reads the token of a file; white space around it does not count.
 * @throws CliError, exit code 2, when there is none, others may read it, or it is no token; its text is in no message
 */
export function readTokenFile(path: string): string {
  const token = textOf(path).trim();
  if (!isToken(token)) {
    throw refusal(path, "a token has at least 16 characters of A-Z a-z 0-9 . _ ~ + / - and then = only");
  }
  return token;
}

function textOf(path: string): string {
  try {
    const stats = statSync(path);
    // Reading a pipe or a device might never end.
    if (!stats.isFile() || stats.size > maxFileBytes) throw refusal(path, "not a file with a token");
    if (process.platform !== "win32" && (stats.mode & 0o077) !== 0) {
      throw refusal(path, `others may read or change it; run: chmod 600 ${path}`);
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    throw error instanceof CliError ? error : refusal(path, messageOf(error));
  }
}

function refusal(path: string, why: string): CliError {
  return new CliError(`--token-file ${path}: ${why}`, exitCodes.usage);
}
