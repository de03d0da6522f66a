// How a peer is named on the command line: by its id, by the first characters of it, or by its number among the nodes that
// run here.
import { NodeId } from "../identity/node-id.ts";
import { messageOf } from "../util/errors.ts";
import type { NodeClient } from "./api-client.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { RuntimeFiles } from "./runtime-files.ts";
import { counted, printable } from "./text.ts";

const place = /^\d{1,4}$/;
// "@" and base64, or base64url, shorter than a whole id.
const prefix = /^@?[A-Za-z0-9+/_-]{4,42}$/;
const timeoutMs = 10_000;

/** @throws CliError with exit code 2 for what names no peer, whatever there is */
export function checkPeerName(name: string): void {
  if (!place.test(name) && !prefix.test(name)) parsed(name);
}

/** As `checkPeerName`, of what may be a record's key as well. */
export function checkKeyName(name: string): void {
  if (isOfPeer(name)) checkPeerName(name);
}

/** The key that is meant: the id of a peer where a peer is named, otherwise the name itself. */
export async function keyNamed(name: string, client: NodeClient): Promise<string> {
  return isOfPeer(name) ? await peerNamed(name, client) : name;
}

function isOfPeer(name: string): boolean {
  return name.startsWith("@") || place.test(name);
}

/**
 * The id of a peer.
 * @param client of the node that is asked which peers there are, where the name is not the whole id
 * @throws CliError when no peer, or more than one, has the name
 */
export async function peerNamed(name: string, client: NodeClient): Promise<string> {
  if (place.test(name)) return numbered(Number(name));
  if (!prefix.test(name)) return parsed(name);
  const start = `@${name.replace(/^@/, "").replaceAll("-", "+").replaceAll("_", "/")}`;
  const [status, { peers }] = await Promise.all([
    client.getStatus({}, { timeoutMs }),
    client.listPeers({}, { timeoutMs }),
  ]);
  const ids = new Set([status, ...peers, ...RuntimeFiles.open().list()].map(({ id }) => id));
  const [found, ...more] = [...ids].filter((id) => id.startsWith(start));
  if (found === undefined) {
    throw new CliError(`${printable(name)}: no peer that the node knows has such an id; "peers" lists them`);
  }
  if (more.length > 0) {
    throw new CliError(`${printable(name)}: the ids of ${counted(more.length + 1, "peer")} begin so; give more of it`);
  }
  return found;
}

function numbered(number: number): string {
  const running = RuntimeFiles.open().list();
  const node = running[number - 1];
  if (node !== undefined) return node.id;
  throw new CliError(`${number}: ${counted(running.length, "node")} of yours run on this machine; "ls" lists them`);
}

function parsed(name: string): string {
  try {
    return NodeId.parse(name).toString();
  } catch (error) {
    throw new CliError(`${printable(name)}: ${messageOf(error)}`, exitCodes.usage);
  }
}
