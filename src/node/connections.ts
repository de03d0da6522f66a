// One RPC connection a peer: dialed when it is first needed, shared by all calls, replaced when it is lost.

import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { portTokenBytes } from "../channel/port-knock.ts";
import type { KeyPair } from "../identity/keys.ts";
import type { NodeId } from "../identity/node-id.ts";
import { formatHostPort, type HostPort, type PeerAddress } from "../identity/peer-address.ts";
import type { Link } from "../link/link.ts";
import { createRpcClient } from "../rpc/client.ts";
import { MemoryBudget } from "../rpc/memory-budget.ts";
import { type CallAcceptor, RpcConnection } from "../rpc/mux.ts";
import type { ServiceRegistry } from "../rpc/serve.ts";
import { createRpcTransport } from "../rpc/transport.ts";
import { equalBytes } from "../util/bytes.ts";
import type { Counters } from "../util/counters.ts";
import { DswarmError, dswarmErrorOf } from "../util/errors.ts";
import { DialGovernor, type Standing } from "./dial-governor.ts";
import type { NodeConfig } from "./options.ts";
import type { PeerBook } from "./peers.ts";
import { portTokensOf } from "./port-tokens.ts";

/** What the connections of a node are made of. */
export interface ConnectionsInit {
  readonly config: NodeConfig;
  readonly keys: KeyPair;
  readonly peers: PeerBook;
  readonly registry: ServiceRegistry;
  readonly counters: Counters;
  /** Makes a link whose other end has proven its key. Rejects with the signal's reason when it aborts. */
  readonly dial: (address: PeerAddress, signal: AbortSignal) => Promise<Link>;
  /** Whether the program serves something to peers. */
  readonly isServing: () => boolean;
  /** A peer has connected of which nothing was known. Must not throw. */
  readonly onNewPeer: (id: NodeId) => void;
  /**
   * Brings a token of 16 bytes to a port. Rejects with the signal's reason when it aborts. Without it, a port is proven by a
   * handshake there.
   */
  readonly knock?: ((address: HostPort, token: Uint8Array, signal: AbortSignal) => Promise<void>) | undefined;
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
  /** Received in messages, whole or in pieces, and not yet read by whoever they are for. */
  readonly unreadBytes: number;
  /** Made for peers and not yet taken by the network. */
  readonly unsentBytes: number;
  /** All that peers make the node hold, which `maxHeldBytes` bounds: received, unsent, and calls that run. */
  readonly heldBytes: number;
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
  /** Whether the peer has reached this node's port, and so can dial it again. */
  canDial: boolean;
  /** The one that the peer has dialed beside `current`, until it is known what for. */
  tried: Trial | undefined;
}

/** A connection on trial. */
interface Trial {
  readonly connection: RpcConnection;
  readonly areCrossing: boolean;
  readonly stop: () => void;
}

/** A dial under way. */
interface Dialing {
  readonly connection: Promise<RpcConnection>;
  readonly use: ConnectionUse;
}

/** For whom a connection is: the DHT asks so many peers that not all of its connections can be kept. */
export type ConnectionUse = "call" | "dht";

/** A peer that keeps more is broken, or piles them up. In order it takes two: one to use, one to give up. */
const maxPerPeer = 4;
const trimDelayMs = 1000;
// A peer that only checks an address closes its connection at once. Long enough for that on a busy machine.
const trialMs = 1000;
const maxProved = 2;
const notItsPort = "the peer does not listen there";

/**
 * The connections of a node. Bounded by the listener's caps inbound; outbound by the peers that are called, which
 * stay where this node serves something and they have not reached its port, and `maxSpareConnections` idle ones that only the DHT has used.
 */
export class Connections {
  readonly #init: ConnectionsInit;
  readonly #peerings = new Map<string, Peering>();
  /** Those that are on trial. Bounded by one a peer. */
  readonly #tried = new Map<RpcConnection, Peering>();
  readonly #dialing = new Map<string, Dialing>();
  readonly #governor: DialGovernor;
  readonly #memory: MemoryBudget;
  readonly #closing = new AbortController();
  /** Of connections that peers have dialed: one with a call on it is in use. */
  readonly #acceptor: CallAcceptor = {
    refusalOf: (open) => this.#init.registry.refusalOf(open),
    accept: (connection, stream, open) => {
      const peering = this.#tried.size === 0 ? undefined : this.#tried.get(connection);
      if (peering !== undefined) this.#promote(peering);
      this.#init.registry.accept(connection, stream, open);
    },
  };
  #stopTrim: (() => void) | undefined;

  constructor(init: ConnectionsInit) {
    this.#init = init;
    this.#memory = new MemoryBudget(init.config.rpc);
    const { clock, unprovenDialsPerSecond, unprovenDialsPerHostPerSecond } = init.config;
    this.#governor = new DialGovernor({
      clock,
      perSecond: unprovenDialsPerSecond,
      perMachinePerSecond: unprovenDialsPerHostPerSecond,
      isHeld: (key, address) => this.#isHeld(key, address),
      isConnected: (key) => this.#usable(key) !== undefined,
    });
  }

  /** Peers with a connection. */
  get size(): number {
    let count = 0;
    for (const { current } of this.#peerings.values()) if (current !== undefined) count += 1;
    return count;
  }

  /** What is under way now. */
  get load(): ConnectionsLoad {
    const load = { streams: 0, running: 0, unreadBytes: 0, unsentBytes: 0, heldBytes: 0 };
    for (const { open } of this.#peerings.values()) {
      for (const connection of open) {
        connection.measureMemory();
        load.streams += connection.streams;
        load.running += connection.running;
        load.unreadBytes += connection.unconsumedBytes;
        load.unsentBytes += connection.memory.unsentBytes;
      }
    }
    load.heldBytes = this.#memory.heldBytes;
    return load;
  }

  isConnected(id: NodeId): boolean {
    return this.#peerings.get(id.toString())?.current !== undefined;
  }

  /**
   * The connection to a peer, at once when there is one. Otherwise the node dials the addresses known of the peer in turn, those in
   * the peer book first, as far as the dial governor lets it. When that failed a moment ago it fails again at once.
   * @param heard addresses that others tell of the peer; they are not noted before one of them has worked
   * @param use one that was ever asked for by a call is kept until it is lost
   * @throws DswarmError (or rejects) `node_closed`, `peer_unknown`, `peer_not_allowed`, `dial_limited`, or what the last dial failed
   *   with
   */
  connect(
    id: NodeId,
    heard: readonly HostPort[] = [],
    use: ConnectionUse = "call",
  ): RpcConnection | Promise<RpcConnection> {
    const key = id.toString();
    const peering = this.#peerings.get(key);
    const current = peering && this.#usableOf(peering);
    if (current !== undefined) {
      this.#noteUse(peering, use);
      return current;
    }
    const underWay = this.#dialing.get(key);
    if (underWay === undefined) return this.#connected(this.#startDial(id, heard, use), key, use);
    const joined = this.#connected(underWay.connection, key, use);
    if (underWay.use === use) return joined;
    // A call may dial where the DHT may not at present.
    return joined.catch((error: unknown) => {
      if (use !== "call" || dswarmErrorOf(error)?.code !== "dial_limited") throw error;
      return this.connect(id, heard, use);
    });
  }

  /**
   * Where a peer is reached for certain: an address at which it has proven its key. Where none of those that are heard is one, the node
   * tries them: by a token, if the peer is connected, else it dials them, and closes that connection at once.
   * @param heard addresses that the peer may have; the first two are looked at
   * @returns undefined where it is not reached
   */
  async prove(id: NodeId, heard: readonly HostPort[]): Promise<HostPort | undefined> {
    const { config, peers, keys } = this.#init;
    const known = peers.provenAddress(id);
    const claims = heard.slice(0, maxProved);
    if (known !== undefined && claims.some((address) => isSame(address, known))) return known;
    if (id.equals(keys.id) || !config.authorize(id)) return undefined;
    const current = this.#usable(id.toString());
    const { knock } = this.#init;
    const proven =
      current === undefined || knock === undefined
        ? await this.#firstProven(id, claims, "dht")
        : await this.#firstKnocked(id, claims, current, knock);
    return proven ?? peers.provenAddress(id);
  }

  /**
   * Where a peer is reached now: where the connection in use was dialed, or what proves itself when it is dialed.
   * @returns undefined where it is not reached
   */
  async locate(id: NodeId): Promise<HostPort | undefined> {
    const { peers } = this.#init;
    try {
      const { link } = await this.connect(id);
      const proven = peers.provenAddress(id);
      if (proven !== undefined && link.role === "dialer" && link.remoteAddress === formatHostPort(proven))
        return proven;
    } catch {
      return undefined;
    }
    return this.#firstProven(id, peers.get(id)?.addresses ?? [], "call");
  }

  /**
   * When the DHT may dial a peer to see where it is: now; soon, where limits allow it no more at present; or later, where its addresses
   * have pauses.
   * @param heard addresses that others tell of the peer
   */
  readiness(id: NodeId, heard: readonly HostPort[]): "now" | "soon" | "later" {
    const { peers } = this.#init;
    if (peers.provenAddress(id) !== undefined || this.#dialing.has(id.toString())) return "now";
    let best: "soon" | "later" = "later";
    for (const address of [...(peers.get(id)?.addresses ?? []), ...heard]) {
      const isClaim = this.#standing(id, address, "dht") === "claim";
      const readiness = isClaim ? this.#governor.readiness(id, address) : "now";
      if (readiness === "now") return "now";
      if (readiness === "soon") best = "soon";
    }
    return best;
  }

  /** A peer has announced something new of itself, from these addresses. Where it was proven, it may be dialed at once. */
  news(id: NodeId, addresses: readonly HostPort[]): void {
    for (const address of addresses) this.#governor.news(id, address);
  }

  /** A peer has reached this node's port, by a token. */
  reachedBy(id: NodeId): void {
    const peering = this.#peerings.get(id.toString());
    if (peering !== undefined) peering.canDial = true;
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
    for (const { tried } of this.#peerings.values()) tried?.stop();
    await Promise.allSettled(Array.from(this.#dialing.values(), ({ connection }) => connection));
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
    const peering = this.#peerings.get(key);
    return peering && this.#usableOf(peering);
  }

  #usableOf(peering: Peering): RpcConnection | undefined {
    if (peering.current?.usable === false) this.#promote(peering);
    return peering.current?.usable === true ? peering.current : undefined;
  }

  async #connected(dialing: Promise<RpcConnection>, key: string, use: ConnectionUse): Promise<RpcConnection> {
    const connection = await dialing;
    this.#noteUse(this.#peerings.get(key), use);
    if (use === "dht") this.#planTrim();
    return connection;
  }

  #noteUse(peering: Peering | undefined, use: ConnectionUse): void {
    if (peering === undefined) return;
    if (use === "call") peering.isSpare = false;
    // Only of spare ones it is asked, and the clock is not asked in vain with every call.
    else if (peering.isSpare) peering.usedAt = this.#init.config.clock.now();
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

  #startDial(id: NodeId, heard: readonly HostPort[], use: ConnectionUse): Promise<RpcConnection> {
    const key = id.toString();
    const connection = this.#dial(id, heard, use).finally(() => this.#dialing.delete(key));
    this.#dialing.set(key, { connection, use });
    return connection;
  }

  async #dial(id: NodeId, heard: readonly HostPort[], use: ConnectionUse): Promise<RpcConnection> {
    const { config, keys, peers } = this.#init;
    const { signal } = this.#closing;
    signal.throwIfAborted();
    if (id.equals(keys.id)) throw new DswarmError("self_connection");
    if (!config.authorize(id)) throw new DswarmError("peer_not_allowed");
    let error: unknown;
    let refusal: unknown;
    const known = peers.get(id)?.addresses ?? [];
    const others = heard.filter((address) => !known.some((one) => isSame(one, address)));
    for (const address of [...known, ...others]) {
      try {
        const link = await this.#dialAt(id, address, use);
        if (!("refusal" in link)) return this.#adopt(link, address);
        refusal = link.refusal;
      } catch (thrown) {
        signal.throwIfAborted();
        error = thrown;
      }
      // The peer may have dialed us meanwhile.
      const current = this.#usable(id.toString());
      if (current !== undefined) return current;
    }
    throw error ?? refusal ?? new DswarmError("peer_unknown");
  }

  /** Dials addresses in turn until the peer proves its key at one; closes that connection. */
  async #firstProven(id: NodeId, addresses: readonly HostPort[], use: ConnectionUse): Promise<HostPort | undefined> {
    for (const address of addresses) {
      const link = await this.#dialAt(id, address, use).catch(() => undefined);
      if (link === undefined || "refusal" in link) continue;
      this.#init.peers.proven(id, address);
      void link.close();
      return address;
    }
    return undefined;
  }

  /** Brings a token to addresses in turn until the peer names one of them. */
  async #firstKnocked(
    id: NodeId,
    addresses: readonly HostPort[],
    connection: RpcConnection,
    knock: NonNullable<ConnectionsInit["knock"]>,
  ): Promise<HostPort | undefined> {
    const { peers, config } = this.#init;
    for (const address of addresses) {
      const tried = await this.#tryAt(id, address, "dht", async (signal) => {
        const token = config.clock.randomBytes(portTokenBytes);
        await knock(address, token, signal);
        const tokens = await portTokensOf(connection, config.clock);
        if (!tokens.some((one) => equalBytes(one, token))) throw new DswarmError("authentication_failed", notItsPort);
        return { address };
      }).catch(() => undefined);
      if (tried === undefined || "refusal" in tried) continue;
      peers.proven(id, address);
      return address;
    }
    return undefined;
  }

  /** Dials one address, if the governor lets it. */
  #dialAt(id: NodeId, address: HostPort, use: ConnectionUse): Promise<Link | { readonly refusal: unknown }> {
    return this.#tryAt(id, address, use, (signal) => this.#init.dial({ id, ...address }, signal));
  }

  /** Makes a connection to an address, if the governor lets it. `attempt` resolves when the key is proven there. */
  async #tryAt<T>(
    id: NodeId,
    address: HostPort,
    use: ConnectionUse,
    attempt: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | { readonly refusal: unknown }> {
    const { peers, counters, onDialFailed } = this.#init;
    const { signal } = this.#closing;
    const permit = this.#governor.admit(id, address, this.#standing(id, address, use));
    if ("refusal" in permit) {
      counters.add("dial.refused");
      return permit;
    }
    counters.add("dial.made");
    try {
      const made = await attempt(signal);
      permit.proven();
      return made;
    } catch (thrown) {
      if (signal.aborted) {
        permit.ended();
        throw thrown;
      }
      const error = explained(thrown);
      permit.failed(error);
      peers.failed(id, address);
      onDialFailed(id, address, error);
      throw error;
    }
  }

  #standing(id: NodeId, address: HostPort, use: ConnectionUse): Standing {
    if (this.#init.peers.isNamed(id, address)) return "owner";
    if (this.#governor.isProven(id, address)) return "proven";
    return use === "call" ? "call" : "claim";
  }

  /** Whether this node has dialed the connection with a key at an address. */
  #isHeld(key: string, address: HostPort): boolean {
    const current = this.#usable(key);
    return current?.link.role === "dialer" && current.link.remoteAddress === formatHostPort(address);
  }

  #adopt(link: Link, dialed: HostPort | undefined): RpcConnection {
    const { config, peers, registry, counters, onNewPeer, onVerified, onConnected } = this.#init;
    const { remoteId } = link;
    const key = remoteId.toString();
    const connection: RpcConnection = new RpcConnection(link, {
      config: config.rpc,
      clock: config.clock,
      acceptor: link.role === "listener" ? this.#acceptor : registry,
      memory: this.#memory,
      counters,
      keepInUse: () => this.#keepInUse(connection, key),
      onClosed: (reason) => this.#onClosed(connection, key, reason),
    });
    const isProven = peers.isVerified(remoteId);
    const isNewPeer = peers.connected(remoteId, dialed);
    const peering = this.#peerings.get(key) ?? {
      open: new Set(),
      current: undefined,
      since: 0,
      usedAt: config.clock.now(),
      isSpare: true,
      canDial: false,
      tried: undefined,
    };
    this.#peerings.set(key, peering);
    peering.canDial ||= link.role === "listener";
    const { current } = peering;
    const isUsable = current?.usable === true;
    const areCrossing = isUsable && this.#areCrossing(current, peering.since, connection);
    const isKept = !areCrossing || isDialedBySmallerKey(connection.link);
    const isTried = isKept && isUsable && link.role === "listener";
    if (isKept && !isTried) {
      peering.current = connection;
      peering.since = config.clock.now();
    }
    this.#add(peering, connection);
    if (isTried) this.#try(peering, connection, areCrossing);
    else this.#giveUp(isKept ? current : connection, isUsable && !areCrossing);
    if (isNewPeer) onNewPeer(remoteId);
    if (!isProven) onVerified(remoteId);
    if (current === undefined) onConnected(remoteId);
    return peering.current ?? connection;
  }

  /**
   * A node that serves is not idle: a peer that cannot dial it reaches what it serves by this connection alone. The health of the peer,
   * which every node tells, is asked for, so that both ends count a call.
   */
  #keepInUse(connection: RpcConnection, key: string): void {
    const { config, isServing } = this.#init;
    const peering = this.#peerings.get(key);
    if (peering?.current !== connection || connection.link.role !== "dialer" || !connection.usable) return;
    if (peering.isSpare || peering.canDial || !isServing()) return;
    const authority = connection.link.remoteId.toBase64url();
    const connect = () => connection;
    const transport = createRpcTransport({ connect, clock: config.clock, authority, maxRepeats: 0 });
    // Both ends count the call, even if it fails.
    void createRpcClient(Health, transport)
      .check({})
      .catch(() => undefined);
  }

  /**
   * A peer dials beside a connection that is there when it has lost that one, when both ends have dialed at once, or to see
   * whether it reaches this node. In the last case the new connection ends soon, and until then calls go on the old one.
   */
  #try(peering: Peering, added: RpcConnection, areCrossing: boolean): void {
    peering.tried?.stop();
    this.#giveUp(peering.tried?.connection, false);
    const stop = this.#init.config.clock.setTimeout(() => this.#promote(peering), trialMs);
    peering.tried = { connection: added, areCrossing, stop };
    this.#tried.set(added, peering);
  }

  /** Takes the connection on trial in place of the one that there was. */
  #promote(peering: Peering): void {
    const { tried, current } = peering;
    if (tried === undefined) return;
    tried.stop();
    peering.tried = undefined;
    this.#tried.delete(tried.connection);
    if (!tried.connection.usable) return;
    peering.current = tried.connection;
    peering.since = this.#init.config.clock.now();
    this.#giveUp(current, !tried.areCrossing && current?.usable === true);
  }

  /** Calls on a connection that is given up finish in their own time; on one that the peer has lost they cannot. */
  #giveUp(connection: RpcConnection | undefined, isLost: boolean): void {
    void connection?.close(isLost ? this.#init.config.rpc.drainTimeoutMs : Number.POSITIVE_INFINITY);
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
    if (peering.tried?.connection === connection) {
      peering.tried.stop();
      peering.tried = undefined;
      this.#tried.delete(connection);
    }
    if (peering.current !== connection) return;
    peering.current = undefined;
    this.#promote(peering);
    if (peering.current !== undefined) return;
    this.#init.onDisconnected(connection.link.remoteId, reason);
  }
}

function isSame(a: HostPort, b: HostPort): boolean {
  return a.host === b.host && a.port === b.port;
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
