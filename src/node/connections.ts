// One RPC connection a peer: dialed when it is first needed, shared by all calls, replaced when it is lost.
import { dial } from "../channel/dial.ts";
import type { KeyPair } from "../identity/keys.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import type { Link } from "../link/link.ts";
import { RpcConnection } from "../rpc/mux.ts";
import type { ServiceRegistry } from "../rpc/serve.ts";
import type { Counters } from "../util/counters.ts";
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
  readonly counters: Counters;
  /** A peer has connected of which nothing was known. Must not throw. */
  readonly onNewPeer: (id: NodeId) => void;
  /** A handshake has proven a peer for the first time. Must not throw. */
  readonly onVerified: (id: NodeId) => void;
  /** A peer could not be reached at an address. Must not throw. */
  readonly onDialFailed: (id: NodeId, address: HostPort, error: unknown) => void;
  /** A connection is there, whoever dialed. Must not throw. */
  readonly onConnected: (id: NodeId) => void;
  /** The connection to a peer has ended; undefined after a planned end. Must not throw. */
  readonly onDisconnected: (id: NodeId, reason: DswarmError | undefined) => void;
}

/** What is under way on connections. */
export interface ConnectionsLoad {
  /** Calls open, of both ends. */
  readonly streams: number;
  /** Handlers that run. */
  readonly running: number;
  /** Received and not yet read by whoever the messages are for. */
  readonly unreadBytes: number;
  /** Given to the network and not yet taken by it. */
  readonly unsentBytes: number;
}

/** The connections with one peer. */
interface Peering {
  /** All that have not ended, the oldest first. Bounded by `maxPerPeer`. */
  readonly open: Set<RpcConnection>;
  /** The one for new calls; undefined while there are only such that are being given up. */
  current: RpcConnection | undefined;
  /** When `current` was taken, on the clock's `now`. */
  since: number;
  /** When it was last asked for, likewise. */
  usedAt: number;
  /** Whether nobody but the DHT has asked for it, which can dial it again. */
  isSpare: boolean;
}

/** For whom a connection is: the DHT asks so many peers that not all of its connections can be kept. */
export type ConnectionUse = "call" | "dht";

/** A peer that keeps more is broken, or piles them up. In order it takes two: one to use, one to give up. */
const maxPerPeer = 4;
const trimDelayMs = 1000;

/**
 * The connections of a node. Bounded by the listener's caps inbound; outbound by the peers that are called, and `maxSpareConnections`
 * idle ones that only the DHT has used.
 */
export class Connections {
  readonly #init: ConnectionsInit;
  readonly #peerings = new Map<string, Peering>();
  readonly #dialing = new Map<string, Promise<RpcConnection>>();
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  #stopTrim: (() => void) | undefined;

  constructor(init: ConnectionsInit) {
    this.#init = init;
    this.#backoff = new Backoff(init.config.clock);
  }

  /** Peers with a connection. */
  get size(): number {
    let count = 0;
    for (const { current } of this.#peerings.values()) if (current !== undefined) count += 1;
    return count;
  }

  /** What is under way now. */
  get load(): ConnectionsLoad {
    const load = { streams: 0, running: 0, unreadBytes: 0, unsentBytes: 0 };
    for (const { open } of this.#peerings.values()) {
      for (const { streams, running, unconsumedBytes, link, encoder } of open) {
        load.streams += streams;
        load.running += running;
        load.unreadBytes += unconsumedBytes;
        load.unsentBytes += link.bufferedBytes + encoder.length;
      }
    }
    return load;
  }

  isConnected(id: NodeId): boolean {
    return this.#peerings.get(id.toString())?.current !== undefined;
  }

  /**
   * The connection to a peer, at once when there is one, otherwise dialed on the addresses known of the peer in turn, those in
   * the peer book first. When that failed a moment ago it fails again at once.
   * @param heard addresses that others tell of the peer; they are not noted before one of them has worked
   * @param use one that was ever asked for by a call is kept until it is lost
   * @throws DswarmError (or rejects) `node_closed`, `peer_unknown`, `peer_not_allowed`, or what the last dial failed with
   */
  connect(
    id: NodeId,
    heard: readonly HostPort[] = [],
    use: ConnectionUse = "call",
  ): RpcConnection | Promise<RpcConnection> {
    const key = id.toString();
    const current = this.#usable(key);
    if (current !== undefined) {
      this.#noteUse(key, use);
      return current;
    }
    const underWay = this.#dialing.get(key);
    if (underWay !== undefined) return this.#connected(underWay, key, use);
    const failure = this.#backoff.failure(key);
    if (failure !== undefined) throw failure.error;
    const dialing = this.#dial(id, heard).finally(() => this.#dialing.delete(key));
    this.#dialing.set(key, dialing);
    return this.#connected(dialing, key, use);
  }

  /** There is news of a peer: the next call may dial it at once, whatever failed before. */
  retryNow(id: NodeId): void {
    this.#backoff.reset(id.toString());
  }

  /** Takes over a link that a peer dialed. */
  accept(link: Link): void {
    if (this.#closing.signal.aborted) void link.close();
    else this.#adopt(link, undefined);
  }

  /** Closes all: calls in flight may finish, peers are told. */
  async close(): Promise<void> {
    this.#closing.abort(new DswarmError("node_closed"));
    this.#stopTrim?.();
    await Promise.allSettled(this.#dialing.values());
    const ends: Promise<void>[] = [];
    for (const { open } of this.#peerings.values()) for (const connection of open) ends.push(connection.close());
    await Promise.all(ends);
  }

  /** Ends all at once: calls in flight fail, and peers see their connection break. */
  abort(): void {
    const reason = new DswarmError("node_closed");
    this.#closing.abort(reason);
    this.#stopTrim?.();
    for (const { open } of this.#peerings.values()) for (const connection of open) connection.abort(reason);
  }

  #usable(key: string): RpcConnection | undefined {
    const current = this.#peerings.get(key)?.current;
    return current?.usable === true ? current : undefined;
  }

  async #connected(dialing: Promise<RpcConnection>, key: string, use: ConnectionUse): Promise<RpcConnection> {
    const connection = await dialing;
    this.#noteUse(key, use);
    if (use === "dht") this.#planTrim();
    return connection;
  }

  #noteUse(key: string, use: ConnectionUse): void {
    const peering = this.#peerings.get(key);
    if (peering === undefined) return;
    peering.usedAt = this.#init.config.clock.now();
    if (use === "call") peering.isSpare = false;
  }

  /** Soon, when queries that are under way now have ended. */
  #planTrim(): void {
    if (this.#closing.signal.aborted) return;
    this.#stopTrim ??= this.#init.config.clock.setTimeout(() => {
      this.#stopTrim = undefined;
      this.#trim();
    }, trimDelayMs);
  }

  /** Closes spare connections, the one used longest ago first. Those that the peer dialed are the peer's to close. */
  #trim(): void {
    const spare = [...this.#peerings.values()].filter(
      ({ current, isSpare }) => isSpare && current?.usable === true && current.link.role === "dialer",
    );
    let surplus = spare.length - this.#init.config.maxSpareConnections;
    if (surplus <= 0) return;
    for (const { current } of spare.sort((a, b) => a.usedAt - b.usedAt)) {
      if (surplus === 0) return;
      if (current === undefined || current.streams > 0) continue;
      void current.close();
      surplus -= 1;
    }
    if (surplus > 0) this.#planTrim();
  }

  async #dial(id: NodeId, heard: readonly HostPort[]): Promise<RpcConnection> {
    const { config, keys, peers } = this.#init;
    const key = id.toString();
    this.#closing.signal.throwIfAborted();
    if (id.equals(keys.id)) throw new DswarmError("self_connection");
    if (!config.authorize(id)) throw new DswarmError("peer_not_allowed");
    const { channel, clock, networkKey } = config;
    const { signal } = this.#closing;
    let error: unknown;
    const known = peers.get(id)?.addresses ?? [];
    const others = heard.filter(({ host, port }) => !known.some((one) => one.host === host && one.port === port));
    for (const address of [...known, ...others]) {
      try {
        const link = await dial({ address: { id, ...address }, keys, networkKey, config: channel, clock, signal });
        return this.#adopt(link, address);
      } catch (thrown) {
        signal.throwIfAborted();
        error = explained(thrown);
        this.#init.onDialFailed(id, address, error);
      }
      // The peer may have dialed us meanwhile.
      const current = this.#usable(key);
      if (current !== undefined) return current;
    }
    // Where nothing was tried, there is nothing to be spared: an address may be found in a moment.
    if (error === undefined) throw new DswarmError("peer_unknown");
    this.#backoff.failed(key, error);
    throw error;
  }

  #adopt(link: Link, dialed: HostPort | undefined): RpcConnection {
    const { config, peers, registry, counters, onNewPeer, onVerified, onConnected } = this.#init;
    const { remoteId } = link;
    const key = remoteId.toString();
    const connection: RpcConnection = new RpcConnection(link, {
      config: config.rpc,
      clock: config.clock,
      acceptor: registry,
      counters,
      onClosed: (reason) => this.#onClosed(connection, key, reason),
    });
    this.#backoff.reset(key);
    const isProven = peers.isVerified(remoteId);
    const isNewPeer = peers.connected(remoteId, dialed);
    const peering = this.#peerings.get(key) ?? {
      open: new Set(),
      current: undefined,
      since: 0,
      usedAt: config.clock.now(),
      isSpare: true,
    };
    this.#peerings.set(key, peering);
    const { current } = peering;
    const isUsable = current?.usable === true;
    const areCrossing = isUsable && this.#areCrossing(current, peering.since, connection);
    const isKept = !areCrossing || isDialedBySmallerKey(connection.link);
    if (isKept) {
      peering.current = connection;
      peering.since = config.clock.now();
    }
    this.#add(peering, connection);
    // Calls on a connection that is given up finish in their own time; on one that the peer has lost they cannot.
    const isLost = isUsable && !areCrossing;
    const givenUp = isKept ? current : connection;
    void givenUp?.close(isLost ? config.rpc.drainTimeoutMs : Number.POSITIVE_INFINITY);
    if (isNewPeer) onNewPeer(remoteId);
    if (!isProven) onVerified(remoteId);
    if (current === undefined) onConnected(remoteId);
    return isKept ? connection : current;
  }

  #add({ open, current }: Peering, added: RpcConnection): void {
    open.add(added);
    for (const connection of open) {
      if (open.size <= maxPerPeer) return;
      if (connection === current || connection === added) continue;
      open.delete(connection);
      connection.abort(new DswarmError("link_closed"));
    }
  }

  /**
   * Whether both ends have dialed at once. Then both keep the connection that the smaller key dialed. Otherwise the dialer
   * has lost the older one, though it may still look alive from here: with a connection, nobody dials. Both have dialed at
   * once when no more than the time of a handshake lies between the two.
   */
  #areCrossing(current: RpcConnection, since: number, added: RpcConnection): boolean {
    const { clock, channel } = this.#init.config;
    return current.link.role !== added.link.role && clock.now() - since <= channel.handshakeTimeoutMs;
  }

  #onClosed(connection: RpcConnection, key: string, reason: DswarmError | undefined): void {
    const peering = this.#peerings.get(key);
    if (peering?.open.delete(connection) !== true) return;
    if (peering.open.size === 0) this.#peerings.delete(key);
    if (peering.current !== connection) return;
    peering.current = undefined;
    this.#init.onDisconnected(connection.link.remoteId, reason);
  }
}

/** A listener does not say what is wrong with a hello: it hangs up. One that closes down says that. */
function explained(thrown: unknown): unknown {
  if (!(thrown instanceof DswarmError) || thrown.code !== "handshake_truncated") return thrown;
  return new DswarmError("hello_invalid", "the peer hung up on it; it may be on another network", { cause: thrown });
}

function isDialedBySmallerKey({ role, localId, remoteId }: Link): boolean {
  const order = Buffer.compare(localId.bytes, remoteId.bytes);
  return role === "dialer" ? order < 0 : order > 0;
}
