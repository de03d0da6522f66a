// Settings of discovery.

import { BlockList, isIPv4 } from "node:net";
import { checkNumbers, checkText } from "../util/arguments.ts";

/** Settings of discovery, all optional. Nodes of one process with equal settings share one socket. */
export interface DiscoveryOptions {
  /** IPv4 multicast group. @default "239.255.255.19" */
  readonly group?: string;
  /** UDP port of the group, 1 to 65535. @default 25519 */
  readonly udpPort?: number;
  /**
   * Where to announce and listen: the name of a network interface, its IPv4 address, or "0.0.0.0" for all interfaces
   * with an IPv4 address, loopback included. @default "127.0.0.1"
   */
  readonly host?: string;
  /**
   * Milliseconds between two announces of a node, 20 to 3,600,000; each is spread by 20 % on either side. In a swarm of
   * more than `intervalMs / 1000 * maxPacketsPerSecond` nodes (250 by default) the interval grows with the swarm.
   * @default 5000
   */
  readonly intervalMs?: number;
  /**
   * Intervals of silence after which a peer is forgotten, at least 2; the interval counts as slowed down for the swarm's
   * size. Peers are looked through every half interval. @default 3.5
   */
  readonly expiryIntervals?: number;
  /**
   * Announces per second that a swarm makes on average at most, 1 to 100,000, and so what every node of it receives. Each
   * node waits about `peers heard / maxPacketsPerSecond` seconds between two announces; only its first comes on top. Of the peers
   * heard, at most eight count for each that a handshake has proven.
   * @default 50
   */
  readonly maxPacketsPerSecond?: number;
  /**
   * Peers of one network remembered at most, 1 to 1,000,000. For a new one, a peer gives way that no handshake has proven: the one
   * silent for longest, of the source that has most. An eighth is kept free of proven peers. @default 4096
   */
  readonly maxPeers?: number;
  /**
   * A quarter of the signatures verified per second at most for one source address, and an eighth of those for all, 1 to 100,000; ten
   * seconds' worth at once. The sources take turns. Unchanged announces need no verification.
   * @default 100
   */
  readonly maxNewPerSecond?: number;
  /** Milliseconds between two looks for new and vanished network interfaces, 20 to 3,600,000. @default 10000 */
  readonly rescanMs?: number;
}

/** Settings of discovery, complete and checked. */
export type DiscoveryConfig = Readonly<Required<DiscoveryOptions>>;

/** The defaults of DiscoveryOptions. */
export const discoveryDefaults: DiscoveryConfig = Object.freeze({
  group: "239.255.255.19",
  udpPort: 25519,
  host: "127.0.0.1",
  intervalMs: 5000,
  expiryIntervals: 3.5,
  maxPacketsPerSecond: 50,
  maxPeers: 4096,
  maxNewPerSecond: 100,
  rescanMs: 10_000,
});

const multicast = new BlockList();
multicast.addSubnet("224.0.0.0", 4, "ipv4");

const checkDiscoveryOptions = checkNumbers(discoveryDefaults, { group: checkText, host: checkText });

/**
 * Completes and checks the settings.
 * @throws TypeError for a group that is no IPv4 multicast address, or an empty host; RangeError for a number out of range
 */
export function resolveDiscoveryOptions(options: DiscoveryOptions = {}): DiscoveryConfig {
  checkDiscoveryOptions("discovery", options);
  const group = options.group ?? discoveryDefaults.group;
  if (!isIPv4(group) || !multicast.check(group)) throw new TypeError(`group: not an IPv4 multicast address: ${group}`);
  const host = options.host ?? discoveryDefaults.host;
  if (host === "") throw new TypeError("host: empty");
  return Object.freeze({
    group,
    host,
    udpPort: whole("udpPort", options.udpPort, 1, 65_535),
    intervalMs: number("intervalMs", options.intervalMs, 20, 3_600_000),
    expiryIntervals: number("expiryIntervals", options.expiryIntervals, 2, 1000),
    maxPacketsPerSecond: number("maxPacketsPerSecond", options.maxPacketsPerSecond, 1, 100_000),
    maxPeers: whole("maxPeers", options.maxPeers, 1, 1_000_000),
    maxNewPerSecond: number("maxNewPerSecond", options.maxNewPerSecond, 1, 100_000),
    rescanMs: number("rescanMs", options.rescanMs, 20, 3_600_000),
  });
}

type NumberName = {
  [K in keyof DiscoveryConfig]: DiscoveryConfig[K] extends number ? K : never;
}[keyof DiscoveryConfig];

function number(name: NumberName, given: number | undefined, min: number, max: number): number {
  const value = given ?? discoveryDefaults[name];
  if (!(value >= min && value <= max)) throw new RangeError(`${name}: ${value} is not from ${min} to ${max}`);
  return value;
}

function whole(name: NumberName, given: number | undefined, min: number, max: number): number {
  const value = number(name, given, min, max);
  if (!Number.isInteger(value)) throw new RangeError(`${name}: ${value} is not a whole number`);
  return value;
}
