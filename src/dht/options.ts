// What a node may set of its DHT.
import { checkBoolean, checkNothing, checkNumbers } from "../util/arguments.ts";
import { type RoutingConfig, type RoutingOptions, resolveRoutingOptions } from "./params.ts";
import { resolveStoreOptions, type StoreConfig, type StoreOptions } from "./store-options.ts";

/** What a node may set of its DHT, all optional. */
export interface DhtOptions {
  /** The routing table. @default that of RoutingOptions */
  readonly routing?: RoutingOptions;
  /** The store of records. @default that of StoreOptions */
  readonly store?: StoreOptions;
  /** Client mode: the node uses the DHT, but keeps nothing for others and stays out of their tables. @default false */
  readonly isClient?: boolean;
  /** Answers with a mutable record after which the one with the largest sequence is taken. 1 to 1024. @default 3 */
  readonly readQuorum?: number;
  /** Whether a value that was got is left with the closest peer that did not have it (paper, section 2.3). @default false */
  readonly cacheOnPath?: boolean;
  /** Seconds that what this node publishes lives, unless it is published again. 1 to 86400. @default 86400 */
  readonly ttlS?: number;
  /** Milliseconds after which a record that nobody has stored here again is given to the k closest. At least 1000. @default 3600000 */
  readonly replicationMs?: number;
  /** Milliseconds after which what this node publishes is published again. At least 1000. @default 79200000 */
  readonly republishMs?: number;
  /**
   * Records that one peer may store here in a second in the long run; more are refused. Each 16 KiB of a value count as one record
   * more. At least 1. @default 1000
   */
  readonly storesPerSecond?: number;
  /** Records that one peer may store here at once. At least 5, as one of 64 KiB counts as 5. @default 4000 */
  readonly storeBurst?: number;
  /**
   * Records that all peers of one host may store here in a second in the long run. More makes a host with many keys take more of this
   * node's time. At least 1. @default 4000
   */
  readonly hostStoresPerSecond?: number;
  /** Records that all peers of one host may store here at once. At least 5. @default 16000 */
  readonly hostStoreBurst?: number;
  /** Milliseconds that giving records away may take when the node leaves. @default 3000 */
  readonly handOverMs?: number;
  /**
   * Bytes of records a second, in the long run, that the node gives by itself to newcomers of one host, and four times as many to all. More
   * serves newcomers of a full store sooner; less leaves more to replication. At least 1. @default 1048576
   */
  readonly handOverBytesPerSecond?: number;
  /** Bytes that it so gives at once to one host, and four times as many to all. At least 1. @default 67108864 */
  readonly handOverBurstBytes?: number;
  /**
   * Milliseconds that taking back what the node provides may take when the node leaves. More reaches slower peers; with 0 it takes nothing
   * back, and callers find out by themselves. @default 1500
   */
  readonly withdrawMs?: number;
}

/** Checked settings of a DHT. */
export interface DhtConfig extends Readonly<Required<Omit<DhtOptions, "routing" | "store">>> {
  readonly routing: RoutingConfig;
  readonly store: StoreConfig;
}

/** The defaults of DhtOptions that are plain values. */
export const dhtDefaults = Object.freeze({
  isClient: false,
  readQuorum: 3,
  cacheOnPath: false,
  ttlS: 86_400,
  replicationMs: 3_600_000,
  republishMs: 79_200_000,
  storesPerSecond: 1000,
  storeBurst: 4000,
  hostStoresPerSecond: 4000,
  hostStoreBurst: 16_000,
  handOverMs: 3000,
  handOverBytesPerSecond: 1024 * 1024,
  handOverBurstBytes: 64 * 1024 * 1024,
  withdrawMs: 1500,
});

const checkDhtOptions = checkNumbers(dhtDefaults, {
  isClient: checkBoolean,
  cacheOnPath: checkBoolean,
  routing: checkNothing,
  store: checkNothing,
});

/**
 * Fills in defaults and checks.
 * @throws TypeError for one of a wrong type or that there is none of, RangeError for a value out of its range
 */
export function resolveDhtOptions(options: DhtOptions = {}): DhtConfig {
  checkDhtOptions("dht", options);
  const { routing, store, ...plain } = options;
  const config = { ...dhtDefaults, ...withoutUndefined(plain) };
  const checks = [
    ["readQuorum", 1, 1024],
    ["ttlS", 1, 86_400],
    ["replicationMs", 1000, Number.MAX_SAFE_INTEGER],
    ["republishMs", 1000, Number.MAX_SAFE_INTEGER],
    ["storesPerSecond", 1, Number.MAX_SAFE_INTEGER],
    ["storeBurst", 5, Number.MAX_SAFE_INTEGER],
    ["hostStoresPerSecond", 1, Number.MAX_SAFE_INTEGER],
    ["hostStoreBurst", 5, Number.MAX_SAFE_INTEGER],
    ["handOverMs", 0, 3_600_000],
    ["handOverBytesPerSecond", 1, Number.MAX_SAFE_INTEGER],
    ["handOverBurstBytes", 1, Number.MAX_SAFE_INTEGER],
    ["withdrawMs", 0, 3_600_000],
  ] as const;
  for (const [name, min, max] of checks) {
    const value = config[name];
    if (!(Number.isInteger(value) && value >= min && value <= max)) {
      throw new RangeError(`${name}: ${value} is not a whole number from ${min} to ${max}`);
    }
  }
  return Object.freeze({ ...config, routing: resolveRoutingOptions(routing), store: resolveStoreOptions(store) });
}

function withoutUndefined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
