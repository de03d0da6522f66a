// One RPC connection a peer: dialed when it is first needed, shared by all calls, replaced when it is lost.
import { dial } from "../channel/dial.ts";
import type { KeyPair } from "../identity/keys.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import type { Link } from "../link/link.ts";
import { RpcConnection } from "../rpc/mux.ts";
import type { ServiceRegistry } from "../rpc/serve.ts";
import { DswarmError } from "../util/errors.ts";
import { Backoff } from "./backoff.ts";
import type { NodeConfig } from "./options.ts";
import type { PeerBook } from "./peers.ts";

/** What the connections of a node are made of. */
export interface ConnectionsInit {
  readonly config: NodeConfig;
  readonly keys: KeyPair;
  readonly peers: PeerBook;
  readonly registry: ServiceRegistry;
  /** A connection is there, whoever dialed. `isNewPeer` when nothing was known of the peer before. */
  readonly onConnected: (id: NodeId, isNewPeer: boolean) => void;
  /** The connection to a peer has ended; undefined after a planned end. */
  readonly onDisconnected: (id: NodeId, reason: DswarmError | undefined) => void;
}

/** The connections of a node. Bounded by the listener's caps inbound and by the peers that are called outbound. */
export class Connections {
  readonly #init: ConnectionsInit;
  /** The connection for new calls, by id. */
  readonly #current = new Map<string, RpcConnection>();
  /** Every connection that has not ended, those that are being replaced included. */
  readonly #all = new Set<RpcConnection>();
  readonly #dialing = new Map<string, Promise<RpcConnection>>();
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();

  constructor(init: ConnectionsInit) {
    this.#init = init;
    this.#backoff = new Backoff(init.config.clock);
  }

  /** Peers with a connection. */
  get size(): number {
    return this.#current.size;
  }

  isConnected(id: NodeId): boolean {
    return this.#current.has(id.toString());
  }

  /**
   * The connection to a peer, at once when there is one, otherwise dialed on the addresses known of the peer in turn. When
   * that failed a moment ago it fails again at once.
   * @throws DswarmError (or rejects) `node_closed`, `peer_unknown`, `peer_not_allowed`, or what the last dial failed with
   */
  connect(id: NodeId): RpcConnection | Promise<RpcConnection> {
    const key = id.toString();
    const current = this.#current.get(key);
    if (current?.usable === true) return current;
    const underWay = this.#dialing.get(key);
    if (underWay !== undefined) return underWay;
    const failure = this.#backoff.failure(key);
    if (failure !== undefined) throw failure.error;
    const dialing = this.#dial(id).finally(() => this.#dialing.delete(key));
    this.#dialing.set(key, dialing);
    return dialing;
  }

  /** There is news of a peer: the next call may dial it at once, whatever failed before. */
  retryNow(id: NodeId): void {
    this.#backoff.reset(id.toString());
  }

  /** Takes over a link that a peer dialed. */
  accept(link: Link): void {
    if (this.#closing.signal.aborted) link.abort(new DswarmError("node_closed"));
    else this.#adopt(link, undefined);
  }

  /** Closes all: calls in flight may finish, peers are told. */
  async close(): Promise<void> {
    this.#closing.abort(new DswarmError("node_closed"));
    await Promise.allSettled(this.#dialing.values());
    await Promise.all([...this.#all].map((connection) => connection.close()));
  }

  async #dial(id: NodeId): Promise<RpcConnection> {
    const { config, keys, peers } = this.#init;
    this.#closing.signal.throwIfAborted();
    if (id.equals(keys.id)) throw new DswarmError("self_connection");
    if (config.authorize !== undefined && !config.authorize(id)) throw new DswarmError("peer_not_allowed");
    const { channel, clock, networkKey } = config;
    const { signal } = this.#closing;
    let error: unknown = new DswarmError("peer_unknown");
    for (const address of peers.get(id)?.addresses ?? []) {
      try {
        const link = await dial({ address: { id, ...address }, keys, networkKey, config: channel, clock, signal });
        return this.#adopt(link, address);
      } catch (thrown) {
        signal.throwIfAborted();
        error = thrown;
      }
    }
    this.#backoff.failed(id.toString(), error);
    throw error;
  }

  #adopt(link: Link, dialed: HostPort | undefined): RpcConnection {
    const { config, peers, registry, onConnected } = this.#init;
    const { remoteId } = link;
    const key = remoteId.toString();
    const connection: RpcConnection = new RpcConnection(link, {
      config: config.rpc,
      clock: config.clock,
      acceptor: registry,
      onClosed: (reason) => this.#onClosed(connection, key, reason),
    });
    this.#all.add(connection);
    this.#backoff.reset(key);
    const isNewPeer = peers.markVerified(remoteId, dialed);
    const current = this.#current.get(key);
    if (current?.usable === true && this.#outlives(current, connection)) {
      this.#retire(connection);
      return current;
    }
    this.#current.set(key, connection);
    if (current === undefined) onConnected(remoteId, isNewPeer);
    else this.#retire(current);
    return connection;
  }

  /**
   * Whether an existing connection is kept and the new one closed. When both ends have dialed at once, both keep the one that
   * the smaller key dialed. Two of the same direction: the dialer has lost the old one, so the new one is kept.
   */
  #outlives(current: RpcConnection, added: RpcConnection): boolean {
    if (current.link.role === added.link.role) return false;
    const { localId, remoteId, role } = current.link;
    const dialer = role === "dialer" ? localId : remoteId;
    const other = role === "dialer" ? remoteId : localId;
    return Buffer.compare(dialer.bytes, other.bytes) < 0;
  }

  #retire(connection: RpcConnection): void {
    connection.close().catch(() => undefined);
  }

  #onClosed(connection: RpcConnection, key: string, reason: DswarmError | undefined): void {
    this.#all.delete(connection);
    if (this.#current.get(key) !== connection) return;
    this.#current.delete(key);
    this.#init.onDisconnected(connection.link.remoteId, reason);
  }
}
