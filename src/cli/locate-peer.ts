// Where a peer is, for the commands that call it from a node of their own.
import { NodeId } from "../identity/node-id.ts";
import { formatPeerAddress, parseHostPort } from "../identity/peer-address.ts";
import type { NodeClient } from "./api-client.ts";
import { CliError } from "./cli-error.ts";
import { printable } from "./text.ts";

/** Where a peer is. */
export interface LocatedPeer {
  /** "dswarm://KEY@HOST:PORT". */
  readonly address: string;
  /** Name of its network. */
  readonly network: string;
}

/**
 * Asks a node where a peer is.
 * @param id "@" and base64 of its key
 * @throws CliError when the node knows no address of it
 */
export async function locatePeer(
  id: string,
  client: NodeClient,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<LocatedPeer> {
  const { id: ownId, address, network } = await client.getStatus({}, options);
  if (ownId === id) return { address, network };
  const { peer } = await client.findPeer({ id }, options);
  const where = parseHostPort(peer?.addresses[0] ?? "");
  if (where === undefined)
    throw new CliError(`no address is known of ${printable(id)}; "peers" lists those that are known`);
  return { address: formatPeerAddress({ id: NodeId.parse(id), ...where }), network };
}
