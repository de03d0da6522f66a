// `dswarm url`: prints where a running node answers, for command lines such as curl -k "$(dswarm url)/api/ping".
import { NodeId } from "../identity/node-id.ts";
import { withNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { findNode } from "./find-node.ts";
import type { AccessFlags } from "./node-access.ts";
import { checkPeerName, peerNamed } from "./peer-name.ts";
import { RuntimeFiles } from "./runtime-files.ts";

/** The flags of `url`. */
export interface UrlFlags extends AccessFlags {
  readonly node?: string;
}

/**
 * Prints "https://HOST:PORT", and asks nobody; of a peer "https://HOST:PORT/api/peers/KEY". Returns the exit code.
 * @param peer a peer that the node knows
 */
export async function url(peer: string | undefined, flags: UrlFlags, context: Context): Promise<number> {
  const { stdout, programName } = context;
  if (peer === undefined) {
    stdout.line(findNode(flags.node, RuntimeFiles.open().list(), programName).url);
    return exitCodes.ok;
  }
  checkPeerName(peer);
  await withNode(flags, context, async (client, target) => {
    const id = NodeId.parse(await peerNamed(peer, client));
    stdout.line(`${target.url}/api/peers/${id.toBase64url()}`);
  });
  return exitCodes.ok;
}
