// Which hosts a peer may name as an address of a contact, and which of them count as one machine.
import { BlockList, isIP, SocketAddress } from "node:net";

const unusable = new BlockList();
// "This network" and "any address" (RFC 1122, section 3.2.1.3), multicast, broadcast; likewise of IPv6 (RFC 4291, section 2.7).
unusable.addSubnet("0.0.0.0", 8, "ipv4");
unusable.addSubnet("224.0.0.0", 4, "ipv4");
unusable.addAddress("255.255.255.255", "ipv4");
unusable.addAddress("::", "ipv6");
unusable.addSubnet("ff00::", 8, "ipv6");

const mappedPrefix = "::ffff:";
const groupsOfIPv6 = 8;
const groupsOfNetwork = 4;

/**
 * The one form of a host that peers may name: an IP address, of IPv6 in lower case and shortened, and where IPv4 is mapped to
 * IPv6 that of IPv4. Returns undefined for an address that no single machine has, such as 0.0.0.0 and multicast, and for names:
 * a peer must not make this node ask the name service for whatever it likes, nor can a name be counted as one machine.
 */
export function canonicalHost(host: string): string | undefined {
  const family = isIP(host);
  // A zone ("%eth0") means something on the machine of whoever names it, nowhere else.
  if (family === 0 || host.includes("%")) return undefined;
  if (family === 4) return unusable.check(host, "ipv4") ? undefined : host;
  const { address } = new SocketAddress({ address: host, family: "ipv6" });
  if (address.startsWith(mappedPrefix) && address.includes("."))
    return canonicalHost(address.slice(mappedPrefix.length));
  return unusable.check(address, "ipv6") ? undefined : address;
}

/**
 * What counts as one host where a host's share is bounded: an IPv4 address or a name as it is, and of IPv6 the network of 64 bits,
 * as anyone who has one address has all of that.
 */
export function hostGroup(host: string): string {
  if (!host.includes(":")) return host;
  const address = canonicalHost(host) ?? host;
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const last = tail === "" ? [] : tail.split(":");
    while (groups.length + last.length < groupsOfIPv6) groups.push("0");
    groups.push(...last);
  }
  return groups.slice(0, groupsOfNetwork).join(":");
}
