// What a node may set of its store of records.
import { checkNumbers } from "../util/arguments.ts";

/** What a node may set of its store of records. */
export interface StoreOptions {
  /**
   * Records held at most. Past it the farthest record of the peer that holds most gives way. More takes memory, about 1 KB each. At
   * least 1. @default 65536
   */
  readonly maxRecords?: number;
  /** Bytes of all records held at most, what the database keeps beside them included. At least 1. @default 268435456 */
  readonly maxBytes?: number;
  /**
   * Records at most that one peer stores here for itself; more are refused. As many again that it passes on for others, of which the
   * farthest gives way. Also the most that this node publishes. At least 1. @default 8192
   */
  readonly maxPeerRecords?: number;
  /** Bytes at most of the same records. At least 1. @default 33554432 */
  readonly maxPeerBytes?: number;
  /**
   * Providers held of one key at most. Past it one of the unproven, of the peer and host that stored most, gives way to a newcomer.
   * More makes a flood of invented providers dearer, and answers no longer: they list 64. At least 1. @default 256
   */
  readonly maxProviders?: number;
  /** Seconds that a record lives at most, whatever it is stored with. At least 1. @default 86400 */
  readonly maxTtlS?: number;
}

/** Checked settings of a store. */
export type StoreConfig = Readonly<Required<StoreOptions>>;

/** The defaults of StoreOptions. */
export const storeDefaults = Object.freeze({
  maxRecords: 65_536,
  maxBytes: 256 * 1024 * 1024,
  maxPeerRecords: 8192,
  maxPeerBytes: 32 * 1024 * 1024,
  maxProviders: 256,
  maxTtlS: 86_400,
}) satisfies StoreConfig;

const checkStoreOptions = checkNumbers(storeDefaults);

/**
 * Fills in defaults and checks.
 * @throws TypeError for one of a wrong type or that there is none of, RangeError for a value out of its range
 */
export function resolveStoreOptions(options: StoreOptions = {}): StoreConfig {
  checkStoreOptions("dht.store", options);
  const config = {
    maxRecords: options.maxRecords ?? storeDefaults.maxRecords,
    maxBytes: options.maxBytes ?? storeDefaults.maxBytes,
    maxPeerRecords: options.maxPeerRecords ?? storeDefaults.maxPeerRecords,
    maxPeerBytes: options.maxPeerBytes ?? storeDefaults.maxPeerBytes,
    maxProviders: options.maxProviders ?? storeDefaults.maxProviders,
    maxTtlS: options.maxTtlS ?? storeDefaults.maxTtlS,
  };
  for (const [name, value] of Object.entries(config)) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`${name}: ${value} is not a whole number of at least 1`);
  }
  return Object.freeze(config);
}
