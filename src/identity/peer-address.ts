// Where a node can be dialed: dswarm://KEY@HOST:PORT.
import { isIPv4, isIPv6 } from "node:net";
import { checkNumber, checkObject, checkText, wrongType } from "../util/arguments.ts";
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

// [IPv6] or a host name of labels of 1 to 63 characters (RFC 1035, section 2.3.4), then the port.
const hostPortForm =
  /^(?:\[([0-9A-Fa-f:.]{2,45})\]|((?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?)):([1-9]\d{0,4})$/;
const maxHostChars = 253;
// A last label that is a number makes the whole an IPv4 address to resolvers, which then read "127.1" or "0x7f.1" too.
const endsInNumber = /(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$/i;

/** Reads "host:port" or "[ipv6]:port". Returns undefined where the text is neither. */
export function parseHostPort(text: string): HostPort | undefined {
  const [, ipv6, name, digits] = hostPortForm.exec(text) ?? [];
  const port = Number(digits);
  if (port > 65535) return undefined;
  if (ipv6 !== undefined) return isIPv6(ipv6) ? { host: ipv6, port } : undefined;
  if (name === undefined || name.length > maxHostChars) return undefined;
  return endsInNumber.test(name) && !isIPv4(name) ? undefined : { host: name, port };
}

/** "dswarm://KEY@HOST:PORT" with the key in base64url. @throws TypeError, or RangeError for a port that is none */
export function formatPeerAddress(address: PeerAddress): string {
  checkObject("address", address);
  const { id, host, port } = address;
  if (!(id instanceof NodeId)) throw wrongType("address.id", "a NodeId", id);
  checkText("address.host", host);
  checkNumber("address.port", port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new RangeError(`address.port: ${port} is no port`);
  return `${scheme}${address.id.toBase64url()}@${formatHostPort(address)}`;
}

/**
 * Reads "dswarm://KEY@HOST:PORT"; the key in base64url, base64 or hex, without a second "@".
 * @throws DswarmError `address_invalid`, or `node_id_invalid` for a bad key
 */
export function parsePeerAddress(text: string): PeerAddress {
  checkText("text", text);
  const at = text.lastIndexOf("@");
  const hostPort = at < 0 ? undefined : parseHostPort(text.slice(at + 1));
  const key = text.slice(scheme.length, Math.max(at, scheme.length));
  if (!text.startsWith(scheme) || key === "" || key.includes("@") || hostPort === undefined) {
    throw new DswarmError("address_invalid", "expected dswarm://KEY@HOST:PORT");
  }
  return { id: NodeId.parse(key), ...hostPort };
}
