// `dswarm keygen`: makes a key.
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { generateKeyPair, loadOrCreateKeyFile } from "../identity/keys.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";

/** The flags of `keygen`. */
export interface KeygenFlags {
  readonly out?: string;
  readonly json?: boolean;
}

/** Makes a key, in a file where one is given, and shows its id. Returns the exit code. */
export async function keygen({ out, json }: KeygenFlags, { stdout, stderr, programName }: Context): Promise<number> {
  if (out !== undefined) await refuseExisting(out);
  const { id } = out === undefined ? generateKeyPair() : await loadOrCreateKeyFile(out);
  if (json) {
    const forms = { id: id.toString(), base64url: id.toBase64url(), hex: id.toHex() };
    stdout.line(JSON.stringify(out === undefined ? forms : { ...forms, file: out }));
    return exitCodes.ok;
  }
  stdout.line(id.toString());
  if (out === undefined) {
    stderr.line(`This key is not kept. To make one and run a node with it:
  ${programName} keygen --out DIR/key
  ${programName} start --data-dir DIR`);
  } else {
    stderr.line(`Its secret half is in ${out} (mode 0600): whoever has it is the node.`);
  }
  return exitCodes.ok;
}

async function refuseExisting(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return;
  throw new CliError(
    stats.isDirectory()
      ? `${path} is a directory; give a file, for example ${join(path, "key")}`
      : `${path} is there already and is not overwritten; give another path, or move it away`,
  );
}
