// A node: one key, one port, and what runs on it.
//
//     https server ─┬─ /dht  ─► channel listener ─► connections ─► rpc ─► services
//                   └─ other ─► http (the API)            ▲
//     discovery, bootstrap ─► peer book ──────────────────┘
import { EventEmitter } from "node:events";
import type { RequestListener } from "node:http";
import type { DescService } from "@bufbuild/protobuf";
import type { Client, Interceptor, ServiceImpl } from "@connectrpc/connect";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import { ReflectionService } from "../../gen/dswarm/v1/reflection_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { createListener } from "../channel/listen.ts";
import { type Certificate, createCertificate } from "../channel/tls.ts";
import { createDhtService } from "../dht/service.ts";
import { createDiscovery } from "../discovery/discovery.ts";
import { generateKeyPair, type KeyPair } from "../identity/keys.ts";
import { NodeId } from "../identity/node-id.ts";
import { formatPeerAddress, type HostPort, parsePeerAddress } from "../identity/peer-address.ts";
import { createRpcClient } from "../rpc/client.ts";
import { type ServeOptions, ServiceRegistry } from "../rpc/serve.ts";
import { createRpcTransport } from "../rpc/transport.ts";
import { Counters } from "../util/counters.ts";
import { DswarmError } from "../util/errors.ts";
import { Lifetime } from "../util/lifetime.ts";
import { Bootstrap } from "./bootstrap.ts";
import { Connections } from "./connections.ts";
import { openDataDir } from "./data-dir.ts";
import { createHealthBook, type HealthBook } from "./health-service.ts";
import { anyAddress, bindAddress, reachableAddresses } from "./interfaces.ts";
import { type NodeConfig, type NodeOptions, resolveNodeOptions } from "./options.ts";
import { PeerBook, type PeerInfo } from "./peers.ts";
import { type PingOptions, type Pong, ping } from "./ping.ts";
import { Port } from "./port.ts";
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
  /** A connection to a peer is there, whoever dialed. */
  connected: [id: NodeId];
  /** The last connection to a peer has ended; undefined after a planned end. */
  disconnected: [id: NodeId, reason: DswarmError | undefined];
}

/** How to reach a peer: its id, any text form of it, or a `dswarm://` address. */
export type PeerName = NodeId | string;

/** Makes what answers HTTP requests on a node's port. */
export type HttpFactory = (node: DswarmNode) => RequestListener;

/**
 * Starts a node. Resolves when it listens and has announced itself.
 * @param http without it every request is answered 404
 * @throws DswarmError `bind_failed`, `interface_unknown`, `discovery_failed`, `data_dir_in_use`, `data_dir_invalid`,
 *   `key_file_invalid`, `address_invalid`, `node_id_invalid`, `node_closed`; RangeError and TypeError for other bad options
 */
export async function startNode(options: NodeOptions = {}, http?: HttpFactory): Promise<DswarmNode> {
  const config = resolveNodeOptions(options);
  const bindHost = bindAddress(config.host);
  const lifetime = new Lifetime();
  try {
    const keys = await keysOf(config, lifetime);
    const certificate = await createCertificate(reachableAddresses(bindHost), config.clock);
    const node = new DswarmNode(config, keys, certificate, bindHost, lifetime);
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

/** A running node. Made by `startNode`. */
export class DswarmNode extends EventEmitter<NodeEvents> implements AsyncDisposable {
  readonly id: NodeId;
  readonly config: NodeConfig;
  readonly peers: PeerBook;
  /** What was counted since the start. */
  readonly counters = new Counters();
  /** When the node was made, on the clock's `now`. */
  readonly startedAt: number;
  readonly #keys: KeyPair;
  readonly #certificate: Certificate;
  readonly #bindHost: string;
  readonly #lifetime: Lifetime;
  readonly #registry: ServiceRegistry;
  readonly #health: HealthBook;
  readonly #connections: Connections;
  #bootstrap: Bootstrap | undefined;
  #port = 0;

  /** Not for use outside: call `startNode`. */
  constructor(config: NodeConfig, keys: KeyPair, certificate: Certificate, bindHost: string, lifetime: Lifetime) {
    super();
    this.#lifetime = lifetime;
    this.config = config;
    this.id = keys.id;
    this.startedAt = config.clock.now();
    this.#keys = keys;
    this.#certificate = certificate;
    this.#bindHost = bindHost;
    this.peers = new PeerBook(keys.id, config.clock, config.maxPeers);
    this.#registry = new ServiceRegistry({ ...config, counters: this.counters });
    this.#health = createHealthBook((typeName) => this.services.some((service) => service.typeName === typeName));
    this.#registry.serve(DhtService, createDhtService());
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
      onNewPeer: (id) => this.#tellPeer(id),
      onConnected: (id) => this.#tell("connected", id),
      onDisconnected: (id, reason) => this.#onDisconnected(id, reason),
    });
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

  /** "dswarm://KEY@HOST:PORT", with which others may bootstrap. */
  get address(): string {
    const [host = this.#bindHost] = reachableAddresses(this.#bindHost);
    return formatPeerAddress({ id: this.id, host, port: this.#port });
  }

  /** sha256 of the TLS certificate's DER form, 32 bytes. */
  get certificateSha256(): Uint8Array {
    return this.#certificate.sha256;
  }

  /** Peers with an open connection. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Services that peers may call. */
  get services(): readonly DescService[] {
    return this.#registry.services;
  }

  isConnected(id: NodeId): boolean {
    return this.#connections.isConnected(id);
  }

  /** Binds the port and starts discovery. Not for use outside: call `startNode`. */
  async start(http: HttpFactory = () => notFound): Promise<void> {
    await this.#listen(http(this));
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
   * @throws RangeError when the service is served already
   */
  serve<S extends DescService>(
    service: S,
    implementation: Partial<ServiceImpl<S>>,
    options?: ServeOptions,
  ): () => void {
    const withdraw = this.#registry.serve(service, implementation, options);
    this.#health.servicesChanged();
    return () => {
      withdraw();
      this.#health.servicesChanged();
    };
  }

  /** Says whether a service that is served can be called at present, for those who ask `grpc.health.v1.Health`. */
  setHealth(service: DescService, serving: boolean): void {
    this.#health.set(service.typeName, serving);
  }

  /**
   * A client that calls a service of a peer. It connects with the first call and again whenever the connection is lost.
   * @param peer an address (`dswarm://…`) is noted as one that the peer may have
   * @throws DswarmError `node_id_invalid`, `address_invalid`
   */
  client<S extends DescService>(
    service: S,
    peer: PeerName,
    options: { readonly interceptors?: readonly Interceptor[]; readonly defaultTimeoutMs?: number } = {},
  ): Client<S> {
    const id = this.#peerId(peer);
    const { clock } = this.config;
    const connect = () => this.#connections.connect(id);
    return createRpcClient(service, createRpcTransport({ ...options, connect, clock, authority: id.toBase64url() }));
  }

  /**
   * Pings a peer, connecting first where there is no connection.
   * @throws ConnectError; DswarmError `node_id_invalid`, `address_invalid`
   */
  async ping(peer: PeerName, options: PingOptions = {}): Promise<Pong> {
    const id = this.#peerId(peer);
    const { clock } = this.config;
    const connect = () => this.#connections.connect(id);
    const pong = await ping({ connect, clock, authority: id.toBase64url() }, options);
    this.peers.heard(id, pong.rttMs);
    return pong;
  }

  /** Takes leave, finishes calls in flight, closes connections and the port. Idempotent. */
  close(): Promise<void> {
    return this.#lifetime.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #listen(http: RequestListener): Promise<void> {
    const { config, counters } = this;
    const { networkKey, clock, logger, authorize } = config;
    const listener = createListener({
      keys: this.#keys,
      networkKey,
      config: config.channel,
      clock,
      logger,
      counters,
      authorize,
      onLink: (link) => this.#connections.accept(link),
    });
    const certificate = this.#certificate;
    const port = await Port.open({
      certificate,
      host: this.#bindHost,
      port: config.port,
      listener,
      http,
      logger,
      clock,
    });
    this.#port = port.number;
    this.#lifetime.onClose(() => port.close());
    this.#lifetime.onClose(() => this.#connections.close());
    this.#lifetime.onClose(() => this.#health.close());
  }

  async #discover(): Promise<void> {
    const { discovery: options, networkKey, clock, logger } = this.config;
    if (options === undefined) return;
    const discovery = await createDiscovery({
      keys: this.#keys,
      networkKey,
      port: this.#port,
      certificateSha256: this.#certificate.sha256,
      options,
      clock,
      logger,
      counters: this.counters,
      onPeer: ({ id, addresses }) => this.#onCandidate(id, addresses),
      onLeave: (id, reason) => this.#onLeave(id, reason),
    });
    this.#lastHeardMs = (id) => discovery.lastHeardMs(id);
    this.#lifetime.onClose(() => discovery.close());
  }

  #lastHeardMs: (id: NodeId) => number | undefined = () => undefined;

  /** Milliseconds since a peer was last heard of, by an announce, a handshake or a ping. */
  silenceMs(peer: PeerInfo): number {
    const heardAt = Math.max(peer.lastHeardAt, this.#lastHeardMs(peer.id) ?? 0);
    return Math.max(0, this.config.clock.now() - heardAt);
  }

  #onCandidate(id: NodeId, addresses: readonly HostPort[]): void {
    this.#connections.retryNow(id);
    if (this.peers.announced(id, addresses)) this.#tellPeer(id);
  }

  #onLeave(id: NodeId, reason: "left" | "expired"): void {
    if (this.peers.unannounced(id, reason === "left")) this.#tell("peerLost", id, reason);
  }

  #onDisconnected(id: NodeId, reason: DswarmError | undefined): void {
    const isForgotten = this.peers.disconnected(id);
    this.#bootstrap?.lost(id);
    this.#tell("disconnected", id, reason);
    // When it is this node that closes, the peers are not lost.
    if (isForgotten && !this.#lifetime.closed) this.#tell("peerLost", id, reason === undefined ? "left" : "expired");
  }

  #tellPeer(id: NodeId): void {
    const peer = this.peers.get(id);
    if (peer !== undefined) this.#tell("peer", peer);
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

  #peerId(peer: PeerName): NodeId {
    if (peer instanceof NodeId) return peer;
    if (!peer.startsWith("dswarm://")) return NodeId.parse(peer);
    const { id, host, port } = parsePeerAddress(peer);
    const known = this.peers.get(id)?.addresses ?? [];
    if (!known.some((address) => address.host === host && address.port === port)) this.#connections.retryNow(id);
    if (this.peers.named(id, { host, port })) this.#tellPeer(id);
    return id;
  }
}

const notFound: RequestListener = (_request, response) => void response.writeHead(404).end();
