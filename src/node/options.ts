// Settings of a node.
import { type ChannelConfig, type ChannelOptions, networkKeyOf, resolveChannelOptions } from "../channel/options.ts";
import { type DhtConfig, type DhtOptions, resolveDhtOptions } from "../dht/options.ts";
import { type DiscoveryConfig, type DiscoveryOptions, resolveDiscoveryOptions } from "../discovery/options.ts";
import { checkKeyPair, type KeyPair } from "../identity/keys.ts";
import type { NodeId } from "../identity/node-id.ts";
import { type PeerAddress, parsePeerAddress } from "../identity/peer-address.ts";
import { type RpcConfig, type RpcOptions, resolveRpcOptions } from "../rpc/params.ts";
import {
  type Checks,
  checkArray,
  checkBoolean,
  checkBooleanOr,
  checkBytes,
  checkFunction,
  checkMethods,
  checkNumber,
  checkObject,
  checkOptions,
  checkText,
} from "../util/arguments.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { consoleLogger } from "../util/console-logger.ts";
import type { Logger } from "../util/log.ts";
import { isLoopback } from "../util/loopback.ts";

/** Settings of a node, all optional. */
export interface NodeOptions {
  /** Name of the network. Nodes of different networks do not see one another. Any text of 1 to 255 bytes. @default "dev" */
  readonly network?: string;
  /**
   * 32 secret bytes instead of the key that follows from the network's name. A name can be guessed, a random key cannot:
   * who lacks it cannot connect.
   * @default sha256 of the network's name
   */
  readonly networkKey?: Uint8Array;
  /** The node's keys. @default read from `dataDir`, or new ones */
  readonly keys?: KeyPair;
  /**
   * Directory for what outlives the process: the key (`key`, mode 0600), the TLS certificate (`certificate.pem`, and its key,
   * mode 0600), the records of the DHT (`records`), and contacts to come back by (`contacts.json`). One node at a time may use it.
   * @default none, a new key at each start
   */
  readonly dataDir?: string;
  /**
   * Whether the node starts without records where nothing in a damaged database can be read. The damaged one stays beside it.
   * Otherwise such a start fails with `database_damaged`.
   * @default false
   */
  readonly replaceDamaged?: boolean;
  /**
   * Where to listen and announce: an IPv4 address, the name of a network interface, or "0.0.0.0" for all. "localhost" is 127.0.0.1;
   * "::1" is 127.0.0.1, where peers dial, and ::1 for the API.
   * @default "127.0.0.1"
   */
  readonly host?: string;
  /** TCP port of /dht and /api, 1 to 65535, or 0 for a free one. @default 0 */
  readonly port?: number;
  /**
   * TCP port of 127.0.0.1, whatever `host` is, with the API without TLS: for browsers, which balk at self-signed certificates.
   * There is no /dht on it. 1 to 65535, or 0 for a free one. @default none
   */
  readonly httpPort?: number;
  /** Multicast discovery; false is none, true the defaults of DiscoveryOptions. @default true */
  readonly discovery?: Omit<DiscoveryOptions, "host"> | boolean;
  /** Addresses (`dswarm://KEY@HOST:PORT`) that the node connects to at its start, and again when it loses them. @default none */
  readonly bootstrap?: readonly string[];
  /**
   * Whether a peer with a proven key may connect, or be connected to. One that throws, or returns anything but true (a
   * promise, for example), refuses.
   * @default every peer
   */
  readonly authorize?: (id: NodeId) => boolean;
  /**
   * Peers remembered at most of those that announce themselves, and likewise of those that are known by an address
   * alone. 1 to 1000000. @default 4096
   */
  readonly maxPeers?: number;
  /**
   * Idle connections that the node keeps of those that it dialed for its DHT alone; the one used longest ago is closed first. Each takes
   * about 75 KiB at either end, and to dial a peer again about 3 ms. 1 to 65536. @default 128
   */
  readonly maxSpareConnections?: number;
  /**
   * Dials per second, in the long run, of addresses that nobody but strangers vouches for, where they fail; 16 seconds' worth at once.
   * With more, a node finds peers sooner among many false claims; with less, it troubles third parties less. 1 to 10000. @default 32
   */
  readonly unprovenDialsPerSecond?: number;
  /**
   * The same to one machine. On loopback, where all are one machine, it is `unprovenDialsPerSecond`. 1 to 10000. @default 8
   */
  readonly unprovenDialsPerHostPerSecond?: number;
  /**
   * Providers of a service that one search asks for a sign of life at most, when a client names no peer. More find a living one among
   * more dead ones; fewer cost less. 1 to 1024. @default 64
   */
  readonly maxProvidersTried?: number;
  /**
   * Milliseconds that one search for providers takes at most. More helps where many of those that are listed are gone and their hosts
   * do not answer; with less, calls fail sooner. 100 to 600000. @default 10000
   */
  readonly providerSearchMs?: number;
  /**
   * Bounds of connections.
   * @default those of ChannelOptions; on loopback, where all have one address, those of one address are those of all
   */
  readonly channel?: ChannelOptions;
  /**
   * Bounds of RPC.
   * @default those of RpcOptions; on loopback, where all have one address, the memory for one address is that for all
   */
  readonly rpc?: RpcOptions;
  /** The DHT. @default that of DhtOptions; off loopback, at most 2 contacts of one host in a k-bucket and 10 in the table */
  readonly dht?: DhtOptions;
  /**
   * Takes log lines, in pino's shape (docs/logs.md). What a handler throws is one of them: `handler_fault`.
   * @default writes errors to the console, at most 20 of one event in a minute, and keeps nothing else
   */
  readonly logger?: Logger;
  /** @default the clock of the machine */
  readonly clock?: Clock;
}

/** Checked settings of a node. */
export interface NodeConfig {
  readonly network: string;
  /** 32 bytes. */
  readonly networkKey: Uint8Array;
  readonly keys: KeyPair | undefined;
  readonly dataDir: string | undefined;
  readonly replaceDamaged: boolean;
  readonly host: string;
  readonly port: number;
  readonly httpPort: number | undefined;
  readonly discovery: DiscoveryConfig | undefined;
  readonly bootstrap: readonly PeerAddress[];
  /** Never throws. */
  readonly authorize: (id: NodeId) => boolean;
  readonly maxPeers: number;
  readonly maxSpareConnections: number;
  readonly unprovenDialsPerSecond: number;
  readonly unprovenDialsPerHostPerSecond: number;
  readonly maxProvidersTried: number;
  readonly providerSearchMs: number;
  readonly channel: ChannelConfig;
  readonly rpc: RpcConfig;
  readonly dht: DhtConfig;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The defaults of NodeOptions that are plain values. */
export const nodeDefaults = Object.freeze({
  network: "dev",
  host: "127.0.0.1",
  port: 0,
  discovery: true,
  replaceDamaged: false,
  maxPeers: 4096,
  maxSpareConnections: 128,
  unprovenDialsPerSecond: 32,
  unprovenDialsPerHostPerSecond: 8,
  maxProvidersTried: 64,
  providerSearchMs: 10_000,
});

const checks: Checks<NodeOptions> = {
  network: checkText,
  networkKey: checkBytes,
  keys: checkKeyPair,
  dataDir: checkText,
  replaceDamaged: checkBoolean,
  host: checkText,
  port: checkNumber,
  httpPort: checkNumber,
  discovery: checkBooleanOr(checkObject),
  bootstrap: checkArray(checkText),
  authorize: checkFunction,
  maxPeers: checkNumber,
  maxSpareConnections: checkNumber,
  unprovenDialsPerSecond: checkNumber,
  unprovenDialsPerHostPerSecond: checkNumber,
  maxProvidersTried: checkNumber,
  providerSearchMs: checkNumber,
  channel: checkObject,
  rpc: checkObject,
  dht: checkObject,
  logger: checkMethods("a logger", ["debug", "info", "warn", "error"]),
  clock: checkMethods("a clock", ["now", "wallMs", "setTimeout", "nextTurn", "random", "randomBytes"]),
};

// As BEP 42's readers bound them: enough for a household behind one address, too few to surround a key.
const contactsPerHost = 2;
const tableContactsPerHost = 10;

/**
 * Fills in defaults and checks.
 * @throws TypeError for an option of a wrong type or that there is none of, RangeError for one out of its range; DswarmError `address_invalid` or `node_id_invalid` for a
 *   bootstrap address
 */
export function resolveNodeOptions(options: NodeOptions = {}): NodeConfig {
  checkOptions("options", options, checks);
  const network = options.network ?? nodeDefaults.network;
  const networkBytes = Buffer.byteLength(network);
  if (networkBytes < 1 || networkBytes > 255) throw new RangeError("network: a name has 1 to 255 bytes");
  const networkKey = options.networkKey ?? networkKeyOf(network);
  if (networkKey.length !== 32) throw new RangeError(`networkKey: 32 bytes are needed, not ${networkKey.length}`);
  const host = options.host ?? nodeDefaults.host;
  if (host === "") throw new TypeError("host: empty");
  if (options.dataDir === "") throw new TypeError("dataDir: empty");
  const logger = options.logger ?? consoleLogger;
  const maxPeers = whole("maxPeers", options.maxPeers ?? nodeDefaults.maxPeers, 1, 1_000_000);
  const unprovenDialsPerSecond = options.unprovenDialsPerSecond ?? nodeDefaults.unprovenDialsPerSecond;
  const unprovenDialsPerHostPerSecond =
    options.unprovenDialsPerHostPerSecond ??
    (isOnLoopback(host) ? unprovenDialsPerSecond : nodeDefaults.unprovenDialsPerHostPerSecond);
  return Object.freeze({
    network,
    networkKey: Uint8Array.from(networkKey),
    keys: options.keys,
    dataDir: options.dataDir,
    replaceDamaged: options.replaceDamaged ?? nodeDefaults.replaceDamaged,
    host,
    port: whole("port", options.port ?? nodeDefaults.port, 0, 65_535),
    httpPort: options.httpPort === undefined ? undefined : whole("httpPort", options.httpPort, 0, 65_535),
    discovery: discoveryOf(options.discovery ?? nodeDefaults.discovery, host, maxPeers),
    bootstrap: Object.freeze((options.bootstrap ?? []).map(parsePeerAddress)),
    authorize: authorizeOf(options.authorize, logger),
    maxPeers,
    maxSpareConnections: whole(
      "maxSpareConnections",
      options.maxSpareConnections ?? nodeDefaults.maxSpareConnections,
      1,
      65_536,
    ),
    unprovenDialsPerSecond: whole("unprovenDialsPerSecond", unprovenDialsPerSecond, 1, 10_000),
    unprovenDialsPerHostPerSecond: whole("unprovenDialsPerHostPerSecond", unprovenDialsPerHostPerSecond, 1, 10_000),
    maxProvidersTried: whole("maxProvidersTried", options.maxProvidersTried ?? nodeDefaults.maxProvidersTried, 1, 1024),
    providerSearchMs: whole(
      "providerSearchMs",
      options.providerSearchMs ?? nodeDefaults.providerSearchMs,
      100,
      600_000,
    ),
    channel: channelOf(options.channel, host),
    rpc: rpcOf(options.rpc, host),
    dht: dhtOf(options.dht, host),
    logger,
    clock: options.clock ?? systemClock,
  });
}

function discoveryOf(
  options: Omit<DiscoveryOptions, "host"> | boolean,
  host: string,
  maxPeers: number,
): DiscoveryConfig | undefined {
  if (options === false) return undefined;
  const discovery = resolveDiscoveryOptions({ maxPeers, ...(options !== true && options), host });
  // What discovery tells once and the node has no room for, the node would never hear again.
  if (discovery.maxPeers > maxPeers) {
    throw new RangeError(`discovery.maxPeers: ${discovery.maxPeers} is above maxPeers, which is ${maxPeers}`);
  }
  return discovery;
}

function isOnLoopback(host: string): boolean {
  return host === "localhost" || isLoopback(host);
}

function channelOf(options: ChannelOptions = {}, host: string): ChannelConfig {
  const config = resolveChannelOptions(options);
  if (!isOnLoopback(host)) return config;
  return resolveChannelOptions({
    ...config,
    maxHalfOpenPerAddress: options.maxHalfOpenPerAddress ?? config.maxHalfOpen,
    maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? config.maxConnections,
  });
}

function rpcOf(options: RpcOptions = {}, host: string): RpcConfig {
  const config = resolveRpcOptions(options);
  if (host !== "localhost" && !isLoopback(host)) return config;
  const maxHeldBytesPerAddress = options.maxHeldBytesPerAddress ?? config.maxHeldBytes;
  return resolveRpcOptions({ ...config, maxHeldBytesPerAddress });
}

/** Where all have one address, it says nothing of who they are. */
function dhtOf(options: DhtOptions = {}, host: string): DhtConfig {
  if (isOnLoopback(host)) return resolveDhtOptions(options);
  return resolveDhtOptions({
    ...options,
    routing: { maxPerHost: contactsPerHost, maxPerHostInTable: tableContactsPerHost, ...options.routing },
  });
}

function authorizeOf(authorize: NodeOptions["authorize"], logger: Logger): NodeConfig["authorize"] {
  if (authorize === undefined) return () => true;
  return (id) => {
    try {
      // Programs without types may return anything.
      const verdict: unknown = authorize(id);
      return verdict === true;
    } catch (error) {
      logger.error({ event: "authorize_failed", err: error }, "who cannot be judged is refused");
      return false;
    }
  };
}

function whole(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`${name}: ${value} is not a whole number from ${min} to ${max}`);
}
