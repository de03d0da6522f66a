// Which network interfaces discovery uses.
import { BlockList, isIP } from "node:net";
import type { NetworkInterfaceInfo } from "node:os";

/** The table of `os.networkInterfaces`. */
export type InterfaceTable = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** A network interface with an IPv4 address. */
export interface NetInterface {
  readonly name: string;
  /** Its first IPv4 address, or the one asked for. */
  readonly address: string;
  readonly loopback: boolean;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether a text is an IP address that reaches no other machine: 127.0.0.0/8, also mapped to IPv6, or ::1. */
export function isLoopback(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 4 ? "ipv4" : "ipv6");
}

/**
 * The interfaces meant by a host setting; empty where there is none.
 * @param host an interface's name, an IPv4 address of one, any loopback address, or "0.0.0.0" for all
 */
export function findInterfaces(host: string, table: InterfaceTable): NetInterface[] {
  const all = listInterfaces(table);
  if (host === "0.0.0.0") return all.filter((candidate, i) => all.findIndex((o) => o.name === candidate.name) === i);
  const found = all.find((candidate) =>
    isLoopback(host) ? candidate.loopback : candidate.name === host || candidate.address === host,
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
