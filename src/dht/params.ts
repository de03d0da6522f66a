// Numbers of the DHT: those fixed by the protocol, and those that each node chooses for itself.
import { checkNumbers } from "../util/arguments.ts";

/** Fixed by the protocol (proto/dswarm/v1/dht.proto). */
export const dhtProtocol = {
  /** Bits of an id or a key. */
  idBits: 256,
  /** Addresses of a contact at most. */
  maxAddresses: 4,
  /** Characters of an address at most. */
  maxAddressLength: 64,
  /** Others that a request to store names at most. */
  maxForwards: 4,
  /** Bytes of a request at most. The largest record and four ids take half. */
  maxRequestBytes: 131_072,
  /** Bytes of an answer at most. The largest that a node answers takes half. */
  maxAnswerBytes: 262_144,
} as const;

/**
 * Contacts of one answer at most: half more than k. With k alone, of the k closest that are there some would be told by nobody
 * where others nearby are dead and still listed.
 */
export function maxContactsOf(k: number): number {
  return Math.ceil(k * 1.5);
}

/** What a node may set of its routing table. */
export interface RoutingOptions {
  /** Contacts of a k-bucket at most, and as many replacements. 1 to 1024. @default 20 */
  readonly k?: number;
  /** Requests in a row without an answer after which a contact gives way to a replacement. At least 1. @default 3 */
  readonly maxMisses?: number;
  /** Requests in a row without an answer after which a contact goes even where nothing replaces it. At least `maxMisses`. @default 5 */
  readonly maxMissesAlone?: number;
  /**
   * Contacts of a k-bucket at most that have the same host, so that one machine cannot fill it with keys of its own; likewise of
   * the replacements, and of those that a lookup asks as long as there are others. At least 1; from `k` on there is no such bound,
   * which loopback needs, where all have one host.
   * @default that of `k`
   */
  readonly maxPerHost?: number;
  /**
   * Contacts of the whole table at most that have the same host, replacements not counted. At least 1. Real networks want one, as a
   * host that has its part of every k-bucket would have much of the table; loopback, where all have one host, cannot do with it.
   * @default no bound
   */
  readonly maxPerHostInTable?: number;
  /** Queries of a lookup at once on each of its paths (paper, section 2.3). 1 to 64. @default 3 */
  readonly alpha?: number;
  /** Paths of a lookup of which none asks a peer that another has asked (S/Kademlia, section 4.4). 1 to 16. @default 1 */
  readonly disjointPaths?: number;
  /** Milliseconds without a lookup in a k-bucket's range after which it is to be refreshed (paper, section 2.3). @default 3600000 */
  readonly refreshMs?: number;
}

/** Checked settings of a routing table. */
export type RoutingConfig = Readonly<Required<RoutingOptions>>;

/** The defaults of RoutingOptions. */
export const routingDefaults = Object.freeze({
  k: 20,
  maxMisses: 3,
  maxMissesAlone: 5,
  alpha: 3,
  disjointPaths: 1,
  refreshMs: 3_600_000,
});

const checkRoutingOptions = checkNumbers({ ...routingDefaults, maxPerHost: 0, maxPerHostInTable: 0 });

/**
 * Fills in defaults and checks.
 * @throws TypeError for one of a wrong type or that there is none of, RangeError for a value out of its range
 */
export function resolveRoutingOptions(options: RoutingOptions = {}): RoutingConfig {
  checkRoutingOptions("dht.routing", options);
  const k = options.k ?? routingDefaults.k;
  const config = {
    k,
    maxMisses: options.maxMisses ?? routingDefaults.maxMisses,
    maxMissesAlone: options.maxMissesAlone ?? routingDefaults.maxMissesAlone,
    maxPerHost: options.maxPerHost ?? k,
    maxPerHostInTable: options.maxPerHostInTable ?? Infinity,
    alpha: options.alpha ?? routingDefaults.alpha,
    disjointPaths: options.disjointPaths ?? routingDefaults.disjointPaths,
    refreshMs: options.refreshMs ?? routingDefaults.refreshMs,
  };
  for (const [name, value] of Object.entries(config)) {
    const isUnbounded = name === "maxPerHostInTable" && value === Infinity;
    if (!isUnbounded && (!Number.isInteger(value) || value < 1))
      throw new RangeError(`${name}: ${value} is not a whole number of at least 1`);
  }
  for (const [name, most] of [
    ["k", 1024],
    ["alpha", 64],
    ["disjointPaths", 16],
  ] as const) {
    if (config[name] > most) throw new RangeError(`${name}: ${config[name]} is above ${most}`);
  }
  if (config.maxMissesAlone < config.maxMisses) {
    throw new RangeError(`maxMissesAlone: ${config.maxMissesAlone} is below maxMisses, which is ${config.maxMisses}`);
  }
  return Object.freeze(config);
}
