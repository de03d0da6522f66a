// Where a node can be dialed: dswarm://KEY@HOST:PORT.
import { DswarmError } from "../util/errors.ts";
import { NodeId } from "./node-id.ts";

/** A host and a TCP port. */
export interface HostPort {
  /** IP address without brackets, or host name. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** A node and where it listens. */
export interface PeerAddress extends HostPort {
  readonly id: NodeId;
}

const scheme = "dswarm://";

/** "host:port", with brackets around an IPv6 address. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Reads "host:port" or "[ipv6]:port". Returns undefined where the text is neither. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port < 1 || port > 65535 ? undefined : { host, port };
}

/** "dswarm://KEY@HOST:PORT" with the key in base64url. */
export function formatPeerAddress(address: PeerAddress): string {
  return `${scheme}${address.id.toBase64url()}@${formatHostPort(address)}`;
}

/**
 * Reads "dswarm://KEY@HOST:PORT"; the key may have any text form of a NodeId.
 * @throws DswarmError `address_invalid`, or `node_id_invalid` for a bad key
 */
export function parsePeerAddress(text: string): PeerAddress {
  const at = text.lastIndexOf("@");
  const hostPort = at < 0 ? undefined : parseHostPort(text.slice(at + 1));
  if (!text.startsWith(scheme) || at <= scheme.length || hostPort === undefined) {
    throw new DswarmError("address_invalid", "expected dswarm://KEY@HOST:PORT");
  }
  return { id: NodeId.parse(text.slice(scheme.length, at)), ...hostPort };
}
