// A node: one key, one port, and what runs on it.
//
//     https server ─┬─ /dht  ─► channel listener ─► connections ─► rpc ─► services
//                   └─ other ─► http (the API)            ▲
//     http server, on loopback, if wanted ─► the same     │
//     discovery, bootstrap ─► peer book ──────────────────┤
//           └─────────────► dht ◄─► its records ──────────┘
import { EventEmitter } from "node:events";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import type { Client, HandlerContext, Interceptor, ServiceImpl, Transport } from "@connectrpc/connect";
import pLimit from "p-limit";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import { ReflectionService } from "../../gen/dswarm/v1/reflection_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { dial } from "../channel/dial.ts";
import { createListener, type Listener } from "../channel/listen.ts";
import { knock, PortTokens } from "../channel/port-knock.ts";
import { createPlainServer, createTlsServer, sharedCertificate } from "../channel/tls.ts";
import type { Contact } from "../dht/contact.ts";
import { openDatabase } from "../dht/database.ts";
import { Dht } from "../dht/dht.ts";
import type { Caller } from "../dht/dht-peers.ts";
import { dhtProtocol } from "../dht/params.ts";
import { RecordKey } from "../dht/record-key.ts";
import { type RecordChange, type RecordEntry, RecordStore } from "../dht/record-store.ts";
import { createDhtService } from "../dht/service.ts";
import { createDiscovery } from "../discovery/discovery.ts";
import type { DiscoveredPeer } from "../discovery/peer-table.ts";
import { generateKeyPair, type KeyPair } from "../identity/keys.ts";
import { NodeId } from "../identity/node-id.ts";
import {
  formatHostPort,
  formatPeerAddress,
  type HostPort,
  parseHostPort,
  parsePeerAddress,
} from "../identity/peer-address.ts";
import type { Link } from "../link/link.ts";
import type { MemoryNetwork } from "../link/memory-network.ts";
import { CallMeter } from "../rpc/call-meter.ts";
import { createRpcClient } from "../rpc/client.ts";
import { callerAddressKey, callerKey, hasEnded } from "../rpc/handler-context.ts";
import type { ResponseCheck } from "../rpc/message-codec.ts";
import { RpcConnection } from "../rpc/mux.ts";
import { type ServeOptions, ServiceRegistry } from "../rpc/serve.ts";
import { isFromPeer } from "../rpc/status.ts";
import { createRpcTransport, withInterceptors } from "../rpc/transport.ts";
import {
  type Checks,
  checkArray,
  checkBoolean,
  checkFunction,
  checkNumber,
  checkObject,
  checkOptions,
  checkService,
  checkSignal,
  checkText,
  wrongType,
} from "../util/arguments.ts";
import { createBoundedCache } from "../util/bounded-cache.ts";
import { type Clock, jittered } from "../util/clock.ts";
import { Counters } from "../util/counters.ts";
import { DswarmError, dswarmErrorOf } from "../util/errors.ts";
import { every } from "../util/every.ts";
import { ioMessageOf } from "../util/io-error.ts";
import { Lifetime } from "../util/lifetime.ts";
import { Bootstrap } from "./bootstrap.ts";
import { type KeptCertificate, keepCertificate } from "./certificate-file.ts";
import { Connections, type ConnectionsLoad } from "./connections.ts";
import { readContacts, writeContacts } from "./contact-file.ts";
import { openDataDir } from "./data-dir.ts";
import { EventLog } from "./event-log.ts";
import { createHealthBook, type HealthBook } from "./health-service.ts";
import { anyAddress, bindAddress, loopback6, reachableAddresses } from "./interfaces.ts";
import { type NodeConfig, type NodeOptions, resolveNodeOptions } from "./options.ts";
import { OwnConnection } from "./own-connection.ts";
import { PeerCalls } from "./peer-calls.ts";
import { PeerSchemas } from "./peer-schemas.ts";
import { PeerBook, type PeerInfo } from "./peers.ts";
import { type PingOptions, type Pong, ping } from "./ping.ts";
import { Port } from "./port.ts";
import { ProviderPool } from "./provider-pool.ts";
import { ProviderTransport } from "./provider-transport.ts";
import { createReflectionService } from "./reflection-service.ts";

/**
 * What a node tells, by event name. There is no event "error". What a listener throws does the node no harm and ends as
 * an uncaught exception, as with every EventEmitter.
 */
export interface NodeEvents {
  /** A peer was heard of, and was not known before. */
  peer: [peer: PeerInfo];
  /** A peer is not known any more: it took leave, or was silent for too long. */
  peerLost: [id: NodeId, reason: "left" | "expired"];
  /** Another node uses this node's key: its "host:port". Once a minute at most while that lasts. */
  keyUsedTwice: [address: string];
  /** A connection to a peer is there, whoever dialed. */
  connected: [id: NodeId];
  /** The last connection to a peer has ended; undefined after a planned end. */
  disconnected: [id: NodeId, reason: DswarmError | undefined];
}

/** How to reach a peer: its id, any text form of it, or a `dswarm://` address. */
export type PeerName = NodeId | string;

/** Where a peer is reached. */
export interface LocatedPeer {
  readonly address: HostPort;
  /** Whether the DHT was asked for it. */
  readonly isLookedUp: boolean;
}

/** Makes what answers HTTP requests on a node's port. */
export type HttpFactory = (node: DswarmNode) => RequestListener;

/**
 * Starts a node. Resolves when it listens and has announced itself.
 * @param http without it every request is answered 404
 * @param network takes the place of sockets, for tests: the node has no TCP port, no certificate, and no discovery unless it is asked for
 * @throws DswarmError `bind_failed`, `interface_unknown`, `discovery_failed`, `data_dir_in_use`, `data_dir_invalid`,
 *   `key_file_invalid`, `storage_failed`, `database_damaged`, `address_invalid`, `node_id_invalid`, `node_closed`; RangeError and TypeError for other bad options
 */
export async function startNode(
  options: NodeOptions = {},
  http?: HttpFactory,
  network?: MemoryNetwork,
): Promise<DswarmNode> {
  const config = resolveNodeOptions(options);
  const bindHost = bindAddress(config.host);
  const lifetime = new Lifetime();
  try {
    const keys = await keysOf(config, lifetime);
    const certificate = network === undefined ? await certificateOf(config, bindHost) : noCertificate;
    const counters = new Counters();
    const events = new EventLog(config.clock);
    const store = await openStore(keys.id, config, counters, events, lifetime);
    const node = new DswarmNode({ config, keys, certificate, bindHost, lifetime, counters, events, store, network });
    await node.start(http);
    return node;
  } catch (error) {
    await lifetime.close();
    throw error;
  }
}

async function keysOf({ keys, dataDir: path }: NodeConfig, lifetime: Lifetime): Promise<KeyPair> {
  if (path === undefined) return keys ?? generateKeyPair();
  const dataDir = await openDataDir(path);
  lifetime.onClose(() => dataDir.close());
  return keys ?? dataDir.keys;
}

async function certificateOf({ dataDir, clock, logger }: NodeConfig, bindHost: string): Promise<KeptCertificate> {
  const addresses = reachableAddresses(bindHost);
  if (dataDir !== undefined) return keepCertificate({ dataDir, addresses, clock, logger });
  return { certificate: await sharedCertificate(addresses), path: undefined };
}

async function openStore(
  self: NodeId,
  config: NodeConfig,
  counters: Counters,
  events: EventLog,
  lifetime: Lifetime,
): Promise<RecordStore> {
  const { dataDir, dht, logger, clock } = config;
  const path = dataDir === undefined ? undefined : join(dataDir, "records");
  const database = await openDatabase(path, { logger, clock, replaceDamaged: config.replaceDamaged });
  const onChange = (change: RecordChange, { key, kind, from }: RecordEntry): void =>
    events.add(`record_${change}`, { key: key.toString(), detail: kind, ...(from && { peer: from.toString() }) });
  const store = await RecordStore.open({ self, database, config: dht.store, clock, logger, counters, onChange });
  lifetime.onClose(() => store.close());
  return store;
}

/** What a node is made of. */
interface NodeParts {
  readonly config: NodeConfig;
  readonly keys: KeyPair;
  readonly certificate: KeptCertificate;
  readonly bindHost: string;
  readonly lifetime: Lifetime;
  readonly counters: Counters;
  readonly events: EventLog;
  readonly store: RecordStore;
  readonly network: MemoryNetwork | undefined;
}

/** Where the node looks for the peer that a client calls. */
interface ClientOptions {
  readonly interceptors?: readonly Interceptor[];
  readonly defaultTimeoutMs?: number;
  /** Looks at each answer before it is decoded. */
  readonly check?: ResponseCheck | undefined;
}

const noCertificate: KeptCertificate = {
  certificate: { key: "", cert: "", sha256: new Uint8Array(32) },
  path: undefined,
};

const serveChecks: Checks<ServeOptions> = { interceptors: checkArray(checkFunction) };
const clientChecks: Checks<ClientOptions> = {
  interceptors: checkArray(checkFunction),
  defaultTimeoutMs: checkNumber,
  check: checkFunction,
};
const pingChecks: Checks<PingOptions> = { signal: checkSignal, timeoutMs: checkNumber };

/** Services of every node, which its program has not added. */
const nodeServices: ReadonlySet<string> = new Set(
  [Health, ReflectionService, DhtService].map(({ typeName }) => typeName),
);
const loopbackAddress = "127.0.0.1";
const contactsSavedEveryMs = 60_000;
const candidateDelayMs = 1000;
const keyElsewhereReportedMs = 60_000;
const keyElsewhereShownMs = 3 * keyElsewhereReportedMs;
const heardAgainAtOnce = 128;
// Of all nodes of the process, which share its thread: where each begins as many handshakes as it may, all take so long that some fail,
// and nothing else is answered meanwhile.
const places = pLimit(24);
// One that takes longer gives its place to another: peers may accept connections and never answer.
const longestTurnMs = 2000;
const providerPingMs = 2000;
const maxPools = 256;

/** Does something once there is a place for it, which it has until it is done, and for two seconds at most. */
function inTurn<T>(work: () => Promise<T>, clock: Clock): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<T>();
  const turn = (): Promise<unknown> => {
    const over = Promise.withResolvers<void>();
    const stop = clock.setTimeout(over.resolve, longestTurnMs);
    const done = work();
    resolve(done);
    return Promise.race([done, over.promise]).finally(stop);
  };
  void places(turn).catch(() => undefined);
  return promise;
}

/** So many items that follow one another, from a random one on. */
function someOf<T>(items: readonly T[], count: number, clock: Clock): T[] {
  const from = Math.floor(clock.random() * items.length);
  return [...items.slice(from), ...items.slice(0, from)].slice(0, count);
}

/** A running node. Made by `startNode`. */
export class DswarmNode extends EventEmitter<NodeEvents> implements AsyncDisposable {
  readonly id: NodeId;
  readonly config: NodeConfig;
  readonly peers: PeerBook;
  /** What was counted since the start. */
  readonly counters: Counters;
  /** The calls that have ended, of peers and to peers. Those of `transport` are left out: their names may come from peers. */
  readonly calls = Object.freeze({ served: new CallMeter(), made: new CallMeter() });
  /** What happened of late. */
  readonly events: EventLog;
  /** What peers serve. */
  readonly schemas = new PeerSchemas<NodeId>((id, check) => this.client(ReflectionService, id, { check }));
  /** The schemas of services by their type names alone, as those tell that provide them. */
  readonly providedSchemas = new PeerSchemas<string>((typeName, check) =>
    createRpcClient(ReflectionService, this.providerTransport(typeName, { check })),
  );
  /** The DHT. */
  readonly dht: Dht;
  /** When the node was made, on the clock's `now`. */
  readonly startedAt: number;
  readonly #keys: KeyPair;
  readonly #certificate: KeptCertificate;
  readonly #bindHost: string;
  readonly #network: MemoryNetwork | undefined;
  readonly #lifetime: Lifetime;
  readonly #registry: ServiceRegistry;
  readonly #portTokens: PortTokens;
  readonly #health: HealthBook;
  readonly #connections: Connections;
  readonly #own: OwnConnection;
  /** Peers that the DHT is to hear of, with the source of each. Bounded by `maxPeers`. */
  readonly #heard = new Map<string, { readonly contact: Contact; readonly source: string }>();
  /** By the name of the service. Bounded by `maxPools`. */
  readonly #pools = createBoundedCache<ProviderPool>(maxPools);
  #stopHeard: (() => void) | undefined;
  #bootstrap: Bootstrap | undefined;
  #port = 0;
  #httpPort: number | undefined;
  #isAborted = false;
  #hasKnownOthers = false;
  #keyElsewhere: { readonly address: string; readonly heardAt: number } | undefined;

  /** Not for use outside: call `startNode`. */
  constructor({ config, keys, certificate, bindHost, lifetime, counters, events, store, network }: NodeParts) {
    super();
    this.counters = counters;
    this.events = events;
    this.#lifetime = lifetime;
    this.config = config;
    this.id = keys.id;
    this.startedAt = config.clock.now();
    this.#keys = keys;
    this.#certificate = certificate;
    this.#bindHost = bindHost;
    this.#network = network;
    this.peers = new PeerBook(keys.id, config.clock, config.maxPeers, (id, isProven) => this.#setProven(id, isProven));
    this.#portTokens = new PortTokens(config.clock);
    this.#registry = new ServiceRegistry({ ...config, counters, meter: this.calls.served });
    this.#health = createHealthBook((typeName) => this.services.some((service) => service.typeName === typeName));
    this.#registry.serve(Health, this.#health.implementation);
    this.#registry.serve(
      ReflectionService,
      createReflectionService(() => this.services),
    );
    this.#connections = new Connections({
      config,
      keys,
      peers: this.peers,
      registry: this.#registry,
      counters,
      dial: async (address, signal) => {
        if (network !== undefined) return network.dial(keys.id, address);
        const { networkKey, channel } = config;
        return await dial({ address, keys, networkKey, config: channel, clock: config.clock, signal });
      },
      knock:
        network === undefined
          ? (address, token, signal) => {
              const { clock, channel } = config;
              return knock({ address, token, id: keys.id, timeoutMs: channel.handshakeTimeoutMs, clock, signal });
            }
          : undefined,
      isServing: () => this.services.some(({ typeName }) => !nodeServices.has(typeName)),
      onNewPeer: (id) => this.#tellPeer(id),
      onVerified: (id) => events.add("peer_verified", { peer: id.toString() }),
      onDialFailed: (id, address, error) => {
        const detail = dswarmErrorOf(error)?.code ?? "";
        counters.add(`dial.failed.${detail || "unknown"}`);
        events.add("dial_failed", { peer: id.toString(), address: formatHostPort(address), detail });
      },
      onConnected: (id) => this.#onConnected(id),
      onDisconnected: (id, reason) => this.#onDisconnected(id, reason),
    });
    const { clock, logger } = config;
    this.#own = new OwnConnection(keys.id, { config: config.rpc, clock, acceptor: this.#registry, counters });
    this.#lifetime.onClose(() => this.#own.close());
    this.dht = new Dht({
      keys,
      clock,
      config: config.dht,
      peers: new PeerCalls({
        clock,
        meter: this.calls.made,
        isConnected: (id) => this.isConnected(id),
        connect: (id, addresses) => this.#connections.connect(id, addresses, "dht"),
        onAnswer: (id, rttMs) => this.peers.heard(id, rttMs),
      }),
      store,
      inTurn: (work) => inTurn(work, clock),
      addresses: () => reachableAddresses(this.#bindHost).map((host) => ({ host, port: this.#port })),
      expectsPeers: () => this.#expectsPeers,
      proven: {
        address: (id) => this.peers.provenAddress(id),
        prove: ({ id, addresses }) => this.#connections.prove(id, addresses),
        readiness: ({ id, addresses }) => this.#connections.readiness(id, addresses),
      },
      counters,
      logger,
      onRepublishFailed: (id, error) => {
        const [kind = "", key = ""] = id.split(" ");
        events.add("republish_failed", { key, detail: `${kind}, ${dswarmErrorOf(error)?.code ?? "unknown"}` });
      },
    });
    const { answers } = this.dht;
    if (answers !== undefined) {
      const service = createDhtService(answers, callerOf, (id) => {
        const tokens = this.#portTokens.of(id);
        if (tokens.length > 0) this.#connections.reachedBy(id);
        return tokens;
      });
      this.#registry.serve(DhtService, service, {}, dhtProtocol.maxRequestBytes);
    }
  }

  /** TCP port of /dht and /api. */
  get port(): number {
    return this.#port;
  }

  /** Where the node listens; "0.0.0.0" is every address of the machine. */
  get host(): string {
    return this.#bindHost;
  }

  /** "https://localhost:PORT": the API for its owner on this machine. */
  get url(): string {
    const host = this.#bindHost === "127.0.0.1" || this.#bindHost === anyAddress ? "localhost" : this.#bindHost;
    return `https://${host}:${this.#port}`;
  }

  /** "http://127.0.0.1:PORT": the API without TLS, for browsers on this machine; undefined where there is no such port. */
  get httpUrl(): string | undefined {
    return this.#httpPort === undefined ? undefined : `http://${loopbackAddress}:${this.#httpPort}`;
  }

  /** "dswarm://KEY@HOST:PORT", with which others may bootstrap. */
  get address(): string {
    const [host = this.#bindHost] = reachableAddresses(this.#bindHost);
    return formatPeerAddress({ id: this.id, host, port: this.#port });
  }

  /** sha256 of the TLS certificate's DER form, 32 bytes. */
  get certificateSha256(): Uint8Array {
    return this.#certificate.certificate.sha256;
  }

  /** PEM file of the TLS certificate, for `curl --cacert`; undefined without a data directory. */
  get certificatePath(): string | undefined {
    return this.#certificate.path;
  }

  /** Peers with an open connection. */
  get connections(): number {
    return this.#connections.size;
  }

  /** What is under way on all connections. */
  get load(): ConnectionsLoad {
    return this.#connections.load;
  }

  /** Services that peers may call. */
  get services(): readonly DescService[] {
    return this.#registry.services;
  }

  /** Aborts when the node begins to close. */
  get closing(): AbortSignal {
    return this.#lifetime.signal;
  }

  isConnected(id: NodeId): boolean {
    checkId("id", id);
    return this.#connections.isConnected(id);
  }

  /** Whether a service of this node can be called; "" is the node as a whole. Undefined where it serves none of that name. */
  isServing(typeName: string): boolean | undefined {
    checkText("typeName", typeName);
    return this.#health.isServing(typeName);
  }

  /** Binds the port and starts discovery. Not for use outside: call `startNode`. */
  async start(http: HttpFactory = () => notFound): Promise<void> {
    await this.#listen(http(this));
    await this.#join();
    await this.#discover();
    // Somebody who was handed the node in the meantime may have closed it.
    if (this.#lifetime.closed) throw new DswarmError("node_closed");
    const bootstrap = new Bootstrap({
      id: this.id,
      config: this.config,
      peers: this.peers,
      connect: (id) => this.#connections.connect(id),
      isConnected: (id) => this.isConnected(id),
    });
    this.#bootstrap = bootstrap;
    this.#lifetime.onClose(() => bootstrap.close());
  }

  /**
   * Serves a service to peers.
   * @returns a function that withdraws it; calls that run go on
   * @throws RangeError when the service is served already, two of its methods have one name in TypeScript (`Get` and `get`), or one is called
   *   `__proto__`
   */
  serve<S extends DescService>(
    service: S,
    implementation: Partial<ServiceImpl<S>>,
    options?: ServeOptions,
  ): () => void {
    checkService("service", service);
    checkObject("implementation", implementation);
    checkOptions("options", options, serveChecks);
    const withdraw = this.#registry.serve(service, implementation, options);
    this.#health.servicesChanged();
    return () => {
      withdraw();
      this.#health.servicesChanged();
    };
  }

  /** Says whether a service that is served can be called at present, for those who ask `grpc.health.v1.Health`. */
  setHealth(service: DescService, serving: boolean): void {
    checkService("service", service);
    checkBoolean("serving", serving);
    this.#health.set(service.typeName, serving);
  }

  /**
   * Says in the DHT that this node provides a service, under the service's type name, and again while it runs.
   * @returns a function that takes it back
   * @throws DswarmError `store_refused`, `quota_exceeded`, `storage_failed`
   */
  async provide(service: DescService): Promise<() => Promise<void>> {
    checkService("service", service);
    const key = RecordKey.ofName(service.typeName);
    await this.dht.provide(key);
    return () => this.dht.unprovide(key);
  }

  /**
   * A client that calls a service of a peer. It connects with the first call and again whenever the connection is lost; a peer
   * of which no address works is looked for in the DHT. A node calls its own services in the same way.
   * @param peer an address (`dswarm://…`) is noted as one that the peer may have. Without a peer, the calls are shared out among those
   *   that provide the service in the DHT, by calls in flight and latency. The node tries providers until one answers, within
   *   `providerSearchMs` and `maxProvidersTried`; where none does, the calls fail with `provider_not_found`. A call that a handler may
   *   have seen is not made again, unless its method has an `idempotency_level` and the provider is unavailable
   * @throws DswarmError `node_id_invalid`, `address_invalid`; RangeError when two methods of the service have one name in TypeScript (`Get` and
   *   `get`), or one is called `__proto__`
   */
  client<S extends DescService>(service: S, peer?: PeerName, options: ClientOptions = {}): Client<S> {
    checkService("service", service);
    checkOptions("options", options, clientChecks);
    if (peer !== undefined)
      return createRpcClient(service, this.#transportTo(this.idOf(peer), [], { ...options, meter: this.calls.made }));
    const { interceptors } = options;
    const transport = this.#transportToAny(service.typeName, { ...options, meter: this.calls.made });
    // Around the choice of a provider: an interceptor runs once for each call, and what it makes again is its own doing.
    return createRpcClient(
      service,
      withInterceptors(transport, { clock: this.config.clock, authority: "provider", ...options }, interceptors),
    );
  }

  /**
   * Connect's transport to the providers of a service of which only the type name is known, as of `client` without a peer. It runs no
   * interceptors.
   */
  providerTransport(typeName: string, options: Omit<ClientOptions, "interceptors"> = {}): Transport {
    checkText("typeName", typeName);
    checkOptions("options", options, clientChecks);
    return this.#transportToAny(typeName, options);
  }

  /** Connect's transport to a peer, for clients and methods that are known only when they are called. @throws as `client` */
  transport(peer: PeerName, options: ClientOptions = {}): Transport {
    checkOptions("options", options, clientChecks);
    return this.#transportTo(this.idOf(peer), [], options);
  }

  /**
   * Pings a peer, connecting first where there is no connection.
   * @throws ConnectError; DswarmError `node_id_invalid`, `address_invalid`
   */
  async ping(peer: PeerName, options: PingOptions = {}): Promise<Pong> {
    checkOptions("options", options, pingChecks);
    return this.#ping(this.idOf(peer), [], options);
  }

  /**
   * Where a peer is reached now: an address that is proven and connected, or that proves itself when it is dialed. Where no known one
   * does, the DHT is asked.
   * @returns undefined where it is not reached, or cannot be dialed
   * @throws DswarmError `unreachable` where no node of the DHT answers that
   */
  async locate(id: NodeId, options: Pick<PingOptions, "signal"> = {}): Promise<LocatedPeer | undefined> {
    checkId("id", id);
    checkOptions("options", options, { signal: checkSignal });
    const { signal } = options;
    const known = await this.#connections.locate(id);
    signal?.throwIfAborted();
    if (known !== undefined) return { address: known, isLookedUp: false };
    const contact = await this.dht.findPeer(id, { signal });
    const [address] = contact?.addresses ?? [];
    return address && { address, isLookedUp: true };
  }

  /** Takes leave, finishes calls in flight, closes connections and the port. Idempotent. */
  close(): Promise<void> {
    return this.#lifetime.close();
  }

  /**
   * Ends at once, as when the process is killed: calls in flight fail, peers are told nothing, and nothing is handed over to them.
   * Resolves when the port and the data directory are free. Idempotent.
   */
  abort(): Promise<void> {
    this.#isAborted = true;
    this.#connections.abort();
    this.#own.abort();
    return this.#lifetime.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ping(id: NodeId, addresses: readonly HostPort[], options: PingOptions): Promise<Pong> {
    const { clock } = this.config;
    const connect = () => this.#reach(id, addresses);
    const pong = await ping({ connect, clock, meter: this.calls.made, authority: id.toBase64url() }, options);
    this.peers.heard(id, pong.rttMs);
    return pong;
  }

  #transportTo(
    id: NodeId,
    addresses: readonly HostPort[],
    options: ClientOptions & { readonly meter?: CallMeter },
  ): Transport {
    const { clock } = this.config;
    const connect = () => this.#reach(id, addresses);
    return createRpcTransport({ ...options, connect, clock, authority: id.toBase64url() });
  }

  #transportToAny(
    typeName: string,
    { defaultTimeoutMs, check, meter }: ClientOptions & { readonly meter?: CallMeter },
  ): Transport {
    const { clock, providerSearchMs: searchMs } = this.config;
    return new ProviderTransport({
      clock,
      pool: this.#providersOf(typeName),
      searchMs,
      defaultTimeoutMs,
      transportTo: ({ id, addresses }) => {
        const connect = () => this.#connections.connect(id, addresses);
        return createRpcTransport({ connect, clock, meter, check, authority: id.toBase64url(), maxRepeats: 0 });
      },
    });
  }

  /** The providers of a service that answer, for all its clients. */
  #providersOf(typeName: string): ProviderPool {
    let pool = this.#pools.get(typeName);
    if (pool === undefined) {
      pool = this.#createPool(RecordKey.ofName(typeName));
      this.#pools.set(typeName, pool);
    }
    return pool;
  }

  #createPool(key: RecordKey): ProviderPool {
    const { config } = this;
    const { clock } = config;
    return new ProviderPool({
      self: this.id,
      clock,
      config,
      search: (onRecord) => this.dht.eachProvider(key, onRecord),
      isConnected: (id) => this.isConnected(id),
      probe: async (contact) => {
        const { id, addresses } = contact;
        const startedAt = clock.now();
        const connect = () => this.#connections.connect(id, addresses);
        try {
          const timeoutMs = providerPingMs;
          const pong = await ping(
            { connect, clock, meter: this.calls.made, authority: id.toBase64url() },
            { timeoutMs },
          );
          this.peers.heard(id, pong.rttMs);
          return { contact, rttMs: pong.rttMs };
        } catch (error) {
          // Who refuses a ping serves no DHT, and is there.
          if (!isFromPeer(error)) throw error;
          return { contact, rttMs: clock.now() - startedAt };
        }
      },
      locate: (id) => this.dht.findPeer(id),
    });
  }

  /** The connection to a peer. Where it is not to be reached at any known address, the DHT is asked for others. */
  #reach(id: NodeId, addresses: readonly HostPort[]): RpcConnection | Promise<RpcConnection> {
    if (id.equals(this.id)) return this.#own.connect();
    let connection: RpcConnection | Promise<RpcConnection>;
    try {
      connection = this.#connections.connect(id, addresses);
    } catch (error) {
      connection = Promise.reject(error);
    }
    if (connection instanceof RpcConnection) return connection;
    return connection.catch(async (error: unknown) => {
      const code = dswarmErrorOf(error)?.code;
      if (code !== "peer_unknown" && code !== "unreachable") throw error;
      const contact = await this.dht.findPeer(id).catch((failure: unknown) => {
        // A DHT that is not reached has nothing to add to what failed.
        if (dswarmErrorOf(failure)?.code !== "unreachable") throw failure;
      });
      if (contact === undefined) throw error;
      return this.#connections.connect(id, contact.addresses);
    });
  }

  /**
   * Whether others are to be in the DHT: such as the owner has named for the bootstrap, as the last run knew, or as announce themselves and
   * are not reached. A node without any of these is meant to be alone.
   */
  get #expectsPeers(): boolean {
    const isNamed = this.config.bootstrap.some(({ id }) => !id.equals(this.id));
    return isNamed || this.#hasKnownOthers || this.peers.unproven().next().done !== true;
  }

  /** Starts the DHT, with the contacts of the last run. */
  async #join(): Promise<void> {
    const { dht, config } = this;
    this.#lifetime.onClose(() => {
      this.#stopHeard?.();
      return dht.close({ handOver: !this.#isAborted });
    });
    // Somebody who was handed the node may have closed it: what starts now would go on for ever.
    if (this.#lifetime.closed) return;
    dht.start();
    if (config.dataDir === undefined) return;
    const path = join(config.dataDir, "contacts.json");
    for (const contact of readContacts(path, config.logger)) {
      this.#hasKnownOthers = true;
      dht.candidate(contact);
    }
    const save = async (): Promise<void> => {
      try {
        await writeContacts(path, dht.table.snapshot());
      } catch (error) {
        config.logger.warn({ event: "contacts_unsaved", path, reason: ioMessageOf(error) }, "it is tried again later");
      }
    };
    const stop = every(config.clock, contactsSavedEveryMs, save);
    this.#lifetime.onClose(async () => {
      stop();
      await save();
    });
  }

  async #listen(http: RequestListener): Promise<void> {
    const { config, counters } = this;
    const { networkKey, clock, logger, authorize } = config;
    if (this.#network !== undefined) {
      this.#listenInMemory(this.#network);
      return;
    }
    const listener = createListener({
      keys: this.#keys,
      networkKey,
      config: config.channel,
      clock,
      logger,
      counters,
      authorize,
      onLink: (link) => this.#connections.accept(link),
      onFailed: ({ code }, address) => {
        this.events.add("handshake_failed", { address, detail: code });
        // The caller has proven this node's key, and no node dials itself.
        if (code === "self_connection") this.#onKeyElsewhere(address);
      },
    });
    const { certificate } = this.#certificate;
    const server = createTlsServer(certificate, this.#portTokens);
    listener.attach(server);
    const port = await Port.open({
      server,
      host: this.#bindHost,
      alsoHost: config.host === loopback6 ? loopback6 : undefined,
      port: config.port,
      http,
      endOthers: () => listener.close(),
      logger,
      clock,
    });
    this.#port = port.number;
    this.#lifetime.onClose(() => port.close());
    await this.#listenPlain(listener, http);
    this.#lifetime.onClose(() => this.#connections.close());
    this.#lifetime.onClose(() => this.#health.close());
  }

  #listenInMemory(network: MemoryNetwork): void {
    const { port, authorize } = this.config;
    const onLink = (link: Link): void => this.#connections.accept(link);
    const opened = network.listen({ id: this.id, authorize, onLink }, port);
    this.#port = opened.number;
    this.#lifetime.onClose(() => opened.close());
    this.#lifetime.onClose(() => this.#connections.close());
    this.#lifetime.onClose(() => this.#health.close());
  }

  async #listenPlain(listener: Listener, http: RequestListener): Promise<void> {
    const { httpPort, logger, clock } = this.config;
    if (httpPort === undefined) return;
    const server = createPlainServer();
    listener.attach(server, false);
    const port = await Port.open({ server, host: loopbackAddress, port: httpPort, http, logger, clock });
    this.#httpPort = port.number;
    this.#lifetime.onClose(() => port.close());
  }

  async #discover(): Promise<void> {
    const { discovery: options, networkKey, clock, logger } = this.config;
    if (options === undefined) return;
    const discovery = await createDiscovery({
      keys: this.#keys,
      networkKey,
      port: this.#port,
      certificateSha256: this.certificateSha256,
      nextEpochMs: (least) => this.#nextEpochMs(least),
      options,
      clock,
      logger,
      counters: this.counters,
      onPeer: (peer) => this.#onCandidate(peer),
      onLeave: (id, reason) => this.#onLeave(id, reason),
      onKeyElsewhere: (address) => this.#onKeyElsewhere(address),
    });
    this.#lastHeardMs = (id) => discovery.lastHeardMs(id);
    this.#setProven = (id, isProven) => discovery.setProven(id, isProven);
    this.#lifetime.onClose(every(clock, options.intervalMs, async () => this.#hearAgain()));
    for (const { id } of this.peers.closest()) {
      if (this.peers.provenAddress(id) !== undefined) discovery.setProven(id, true);
    }
    this.#lifetime.onClose(() => discovery.close({ takeLeave: !this.#isAborted }));
  }

  /** An epoch above those of earlier runs with this data directory, though the clock was put back since. */
  #nextEpochMs(least: number): number {
    const { sequences } = this.dht.store;
    const last = Number(sequences.last("epoch") ?? 0n);
    const epoch = Math.max(Math.floor(this.config.clock.wallMs()), last + 1, least);
    // Should that fail, the next run may be taken for an old one until peers have forgotten this one.
    void sequences.next("epoch", BigInt(epoch)).catch(() => this.counters.add("epoch.unsaved"));
    return epoch;
  }

  #lastHeardMs: (id: NodeId) => number | undefined = () => undefined;
  #setProven: (id: NodeId, isProven: boolean) => void = () => undefined;

  /** Milliseconds since a peer was last heard of, by an announce, a handshake or a ping. */
  silenceMs(peer: PeerInfo): number {
    const heardAt = Math.max(peer.lastHeardAt, this.#lastHeardMs(peer.id) ?? 0);
    return Math.max(0, this.config.clock.now() - heardAt);
  }

  /** What is wrong with the node in a way that its owner should mend. */
  get warnings(): readonly string[] {
    const { clock } = this.config;
    const twin = this.#keyElsewhere;
    if (twin === undefined || clock.now() - twin.heardAt > keyElsewhereShownMs) return [];
    return [`another node uses this node's key, at ${twin.address}: stop one, or give it a key of its own`];
  }

  /** Another node has this node's key: peers reach now one, now the other. Reported once a minute at most. */
  #onKeyElsewhere(address: string): void {
    const { clock, logger } = this.config;
    const before = this.#keyElsewhere;
    if (before !== undefined && clock.now() - before.heardAt < keyElsewhereReportedMs) return;
    this.#keyElsewhere = { address, heardAt: clock.now() };
    this.counters.add("node.key_used_twice");
    this.events.add("key_used_twice", { address });
    this.#tell("keyUsedTwice", address);
    logger.error(
      { event: "key_used_twice", address },
      "another node uses this node's key: peers reach now one, now the other; stop one, or give it a key of its own",
    );
  }

  #onCandidate({ id, source, addresses, listed, isChanged }: DiscoveredPeer): void {
    if (isChanged) this.#connections.news(id, addresses);
    this.#heardOf({ id, addresses }, source);
    if (this.peers.announced(id, addresses, listed, source)) this.#tellPeer(id);
    if (this.peers.provenAddress(id) !== undefined) this.#setProven(id, true);
  }

  /** The DHT hears of a peer in a moment, when that one has heard of this node too and learns of it by no call. */
  #heardOf(contact: Contact, source: string): void {
    const { clock, maxPeers } = this.config;
    if (this.#lifetime.closed) return;
    const name = contact.id.toString();
    const [oldest] = this.#heard.keys();
    if (this.#heard.size >= maxPeers && oldest !== undefined && !this.#heard.has(name)) this.#heard.delete(oldest);
    this.#heard.set(name, { contact, source });
    this.#stopHeard ??= clock.setTimeout(
      () => {
        this.#stopHeard = undefined;
        const heard = [...this.#heard.values()];
        this.#heard.clear();
        for (const each of heard) this.dht.candidate(each.contact, each.source);
      },
      jittered(clock, candidateDelayMs, 0.5),
    );
  }

  /**
   * The DHT hears again of peers that announce themselves and were never dialed, some of each source: among many strangers, it may have
   * missed them. Where a dial has failed, the governor has a pause, and they wait.
   */
  #hearAgain(): void {
    const { clock } = this.config;
    const bySource = [...Map.groupBy(this.peers.unproven(), ({ source }) => source).values()];
    const share = Math.ceil(heardAgainAtOnce / bySource.length);
    for (const peers of someOf(bySource, heardAgainAtOnce, clock)) {
      for (const { id, addresses, source } of someOf(peers, share, clock))
        this.dht.candidate({ id, addresses }, source);
    }
  }

  #onConnected(id: NodeId): void {
    const addresses = this.peers.get(id)?.addresses ?? [];
    // One that has connected by itself is dialed to see where it is, but not at once, as many connections are short.
    if (this.peers.provenAddress(id) !== undefined) this.dht.candidate({ id, addresses });
    else if (addresses.length > 0) this.#heardOf({ id, addresses }, "connected");
    this.events.add("connection_opened", { peer: id.toString() });
    this.#tell("connected", id);
  }

  #onLeave(id: NodeId, reason: "left" | "expired"): void {
    if (reason === "left") this.dht.left(id);
    if (this.peers.unannounced(id, reason === "left")) this.#tellLost(id, reason);
  }

  #onDisconnected(id: NodeId, reason: DswarmError | undefined): void {
    const isForgotten = this.peers.disconnected(id);
    this.schemas.forget(id);
    this.#bootstrap?.lost(id);
    if (reason !== undefined) this.dht.broken(id);
    this.events.add("connection_closed", { peer: id.toString(), detail: reason?.code ?? "" });
    this.#tell("disconnected", id, reason);
    // When it is this node that closes, the peers are not lost.
    if (isForgotten && !this.#lifetime.closed) this.#tellLost(id, reason === undefined ? "left" : "expired");
  }

  #tellPeer(id: NodeId): void {
    const peer = this.peers.get(id);
    if (peer === undefined) return;
    const [address] = peer.addresses;
    this.events.add("peer_appeared", {
      peer: id.toString(),
      detail: peer.origin,
      ...(address && { address: formatHostPort(address) }),
    });
    this.#tell("peer", peer);
  }

  #tellLost(id: NodeId, reason: "left" | "expired"): void {
    this.events.add("peer_lost", { peer: id.toString(), detail: reason });
    this.#tell("peerLost", id, reason);
  }

  #tell<Name extends keyof NodeEvents>(name: Name, ...args: NodeEvents[Name]): void {
    try {
      // The types of EventEmitter cannot tell that a generic name goes with its own arguments.
      (this as EventEmitter).emit(name, ...args);
    } catch (error) {
      // Not through the network's code, which is in the midst of something.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  /**
   * The id of a peer. The node notes the address of one that is named by a `dswarm://` address.
   * @throws DswarmError `node_id_invalid`, `address_invalid`
   */
  idOf(peer: PeerName): NodeId {
    if (peer instanceof NodeId) return peer;
    if (typeof peer !== "string") throw wrongType("peer", "a NodeId, its text or an address", peer);
    if (!peer.startsWith("dswarm://")) return NodeId.parse(peer);
    const { id, host, port } = parsePeerAddress(peer);
    if (this.peers.named(id, { host, port })) this.#tellPeer(id);
    return id;
  }
}

function checkId(name: string, value: unknown): void {
  if (!(value instanceof NodeId)) throw wrongType(name, "a NodeId", value);
}

/** Who calls, for the DHT. */
function callerOf(context: HandlerContext): Caller {
  const { values } = context;
  const id = values.get(callerKey);
  const address = parseHostPort(values.get(callerAddressKey));
  if (id === undefined || address === undefined) throw new DswarmError("peer_unknown");
  return { id, host: address.host, hasGone: () => hasEnded(context) };
}

const notFound: RequestListener = (_request, response) => void response.writeHead(404).end();
