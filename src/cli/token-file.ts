// The file with the API's bearer token: of its owner alone, like a private key of ssh.
import { isToken } from "../api/options.ts";
import { ioMessageOf } from "../util/io-error.ts";
import { readSmallFile } from "../util/small-file.ts";
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
  let text: string | undefined;
  try {
    text = readSmallFile(path, { maxBytes: maxFileBytes, isSecret: true });
  } catch (error) {
    throw refusal(path, ioMessageOf(error));
  }
  if (text === undefined) throw refusal(path, "there is no such file");
  return text;
}

function refusal(path: string, why: string): CliError {
  return new CliError(`--token-file ${path}: ${why}`, exitCodes.usage);
}
