// Which addresses count as one where each may have only so much.
import { isIPv6 } from "node:net";

const mapped = /^::ffff:(?=\d+\.)/i;
const zone = /%.*$/;
const hextetsOfShare = 4;

/**
 * What an IP address counts as: an IPv6 address as its /64, which one host has whole, an IPv4 address as itself, mapped to IPv6 or
 * not. Any other text counts as itself.
 */
export function addressShare(address: string): string {
  const bare = address.replace(mapped, "").replace(zone, "");
  if (!isIPv6(bare)) return bare;
  const [head = "", tail] = bare.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const hextets = [...before, ...Array.from({ length: zeros }, () => "0"), ...after].slice(0, hextetsOfShare);
  return `${hextets.map((hextet) => Number.parseInt(hextet, 16).toString(16)).join(":")}::/64`;
}
