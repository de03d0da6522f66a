// Which addresses a host setting means for the TCP port.
import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { DswarmError } from "../util/errors.ts";

/** IPv6 loopback, which `bindAddress` takes for loopback as such. */
export const loopback6 = "::1";

/** Bound to it, a port is reached at every IPv4 address of the machine. */
export const anyAddress = "0.0.0.0";

/**
 * The IPv4 address to bind: the host itself where it is one, 127.0.0.1 for "localhost" and "::1", otherwise the first one of the
 * interface with that name.
 * @throws DswarmError `interface_unknown`, naming those that there are
 */
export function bindAddress(host: string): string {
  if (isIPv4(host)) return host;
  if (host === "localhost" || host === loopback6) return "127.0.0.1";
  const table = new Map(Object.entries(networkInterfaces()));
  const address = table.get(host)?.find(({ family }) => family === "IPv4")?.address;
  if (address !== undefined) return address;
  throw new DswarmError("interface_unknown", `${host}; there are ${[...table.keys()].join(", ")}`);
}

/** The IPv4 addresses at which a bound port is reached, those of other machines' reach first. At least one. */
export function reachableAddresses(boundTo: string): string[] {
  if (boundTo !== anyAddress) return [boundTo];
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const own = all.filter(({ family }) => family === "IPv4");
  const outer = own.filter(({ internal }) => !internal);
  return [...new Set([...outer.map(({ address }) => address), "127.0.0.1"])];
}
