// Which network interfaces discovery uses.
import type { NetworkInterfaceInfo } from "node:os";
import { isLoopback } from "../util/loopback.ts";

/** The table of `os.networkInterfaces`. */
export type InterfaceTable = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** A network interface with an IPv4 address. */
export interface NetInterface {
  readonly name: string;
  /** Its first IPv4 address, or the one asked for. */
  readonly address: string;
  readonly loopback: boolean;
}

/**
 * The interfaces meant by a host setting; empty where there is none.
 * @param host an interface's name, an IPv4 address of one, any loopback address, "localhost", or "0.0.0.0" for all
 */
export function findInterfaces(host: string, table: InterfaceTable): NetInterface[] {
  const all = listInterfaces(table);
  if (host === "0.0.0.0") return all.filter((candidate, i) => all.findIndex((o) => o.name === candidate.name) === i);
  const found = all.find((candidate) =>
    host === "localhost" || isLoopback(host)
      ? candidate.loopback
      : candidate.name === host || candidate.address === host,
  );
  return found === undefined ? [] : [found];
}

/** The interfaces that there are, for people: "lo (127.0.0.1), eth0 (192.0.2.2)". */
export function describeInterfaces(table: InterfaceTable): string {
  const all = listInterfaces(table);
  return all.length === 0 ? "none" : all.map(({ name, address }) => `${name} (${address})`).join(", ");
}

function listInterfaces(table: InterfaceTable): NetInterface[] {
  return Object.entries(table).flatMap(([name, addresses]) =>
    (addresses ?? [])
      .filter(({ family }) => family === "IPv4")
      .map(({ address, internal }) => ({ name, address, loopback: internal })),
  );
}
