// Which address a host setting means for the TCP port.
import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { DswarmError } from "../util/errors.ts";

/**
 * The IPv4 address to bind: the host itself where it is one, otherwise the first one of the interface with that name.
 * @throws DswarmError `interface_unknown`, naming those that there are
 */
export function bindAddress(host: string): string {
  if (isIPv4(host)) return host;
  if (host === "localhost") return "127.0.0.1";
  const table = networkInterfaces();
  const address = table[host]?.find(({ family }) => family === "IPv4")?.address;
  if (address !== undefined) return address;
  throw new DswarmError("interface_unknown", `${host}; there are ${Object.keys(table).join(", ")}`);
}
