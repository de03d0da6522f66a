// `dswarm url`: prints where a running node answers, for command lines such as curl -k "$(dswarm url)/api/ping".

import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { findNode } from "./find-node.ts";
import { RuntimeFiles } from "./runtime-files.ts";

/** The flags of `url`. */
export interface UrlFlags {
  readonly node?: string;
}

/** Prints "https://HOST:PORT". Asks nobody. Returns the exit code. */
export async function url({ node }: UrlFlags, { stdout, programName }: Context): Promise<number> {
  stdout.line(findNode(node, RuntimeFiles.open().list(), programName).url);
  return exitCodes.ok;
}
