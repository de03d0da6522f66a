// The peers that a node knows of: candidates until a Secret Handshake has proven them, and where they are reached.
import { compareDistance, type NodeId } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import type { Clock } from "../util/clock.ts";

/** How a node first heard of a peer. */
export type PeerOrigin = "announce" | "bootstrap" | "inbound";

/** What is known of a peer. */
export interface PeerInfo {
  readonly id: NodeId;
  readonly origin: PeerOrigin;
  /** Where it may be reached: first the address on which a handshake has proven it, if any. At most 8. */
  readonly addresses: readonly HostPort[];
  /** Whether a handshake has proven the key at least once. */
  readonly verified: boolean;
  /** When it was last heard of, on the clock's `now`; for one never heard of, when its address was given. */
  readonly lastHeardAt: number;
  /** Round-trip time of the last ping, or call of the DHT, that was answered, in milliseconds. */
  readonly rttMs: number | undefined;
}

/** A peer of which there is nothing but announces. */
export interface UnprovenPeer {
  readonly id: NodeId;
  /** Where its announces come from. */
  readonly addresses: readonly HostPort[];
  /** Address and port that its last new announce came from. */
  readonly source: string;
}

interface PeerEntry {
  readonly id: NodeId;
  readonly origin: PeerOrigin;
  /** Where it was last dialed with success. */
  proven: HostPort | undefined;
  /** Addresses given by the node's owner, the newest first; empty when there are none. */
  named: readonly HostPort[];
  /** Addresses of its announce; undefined when it does not announce itself. */
  announced: readonly HostPort[] | undefined;
  /** Where that came from. */
  source: string;
  /** Other addresses that it lists, which count once a handshake has proven it. */
  listed: readonly HostPort[];
  connected: boolean;
  verified: boolean;
  lastHeardAt: number;
  rttMs: number | undefined;
}

const maxAnnounced = 5;
const maxListed = 4;
const maxNamed = 2;
const maxAddresses = 8;

/**
 * Peers by id. A peer is known while it announces itself, is connected, or was named by the node's owner. Each has a bound of
 * its own, so that none keeps out the others: `maxPeers` announced (strangers past it are refused), `maxPeers` known by
 * their name alone (the one named longest ago goes), and what is connected, which connections bound.
 */
export class PeerBook {
  readonly #self: NodeId;
  readonly #clock: Clock;
  readonly #maxPeers: number;
  readonly #entries = new Map<string, PeerEntry>();
  /** Peers that are known by their name alone, the one named longest ago first. Bounded by `maxPeers`. */
  readonly #namedOnly = new Set<PeerEntry>();
  #announcedCount = 0;

  readonly #onProven: (id: NodeId, isProven: boolean) => void;

  /** @param onProven is told that a peer was proven at an address, or is not reached at any that was proven */
  constructor(
    self: NodeId,
    clock: Clock,
    maxPeers: number,
    onProven: (id: NodeId, isProven: boolean) => void = () => undefined,
  ) {
    this.#onProven = onProven;
    this.#self = self;
    this.#clock = clock;
    this.#maxPeers = maxPeers;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(id: NodeId): PeerInfo | undefined {
    const entry = this.#entries.get(id.toString());
    return entry && infoOf(entry);
  }

  /** Whether a handshake has proven a peer that is known. */
  isVerified(id: NodeId): boolean {
    return this.#entries.get(id.toString())?.verified ?? false;
  }

  /** Where a peer was last dialed with success. */
  provenAddress(id: NodeId): HostPort | undefined {
    return this.#entries.get(id.toString())?.proven;
  }

  /** The peers that announce themselves and are proven at no address, in no order. */
  *unproven(): Generator<UnprovenPeer> {
    for (const { id, proven, announced, source } of this.#entries.values()) {
      if (proven === undefined && announced !== undefined) yield { id, addresses: announced, source };
    }
  }

  /** Whether the node's owner has named an address of a peer. */
  isNamed(id: NodeId, address: HostPort): boolean {
    return this.#entries.get(id.toString())?.named.some((other) => isSame(other, address)) ?? false;
  }

  /** Notes that a peer was dialed at an address and has proven its key. */
  proven(id: NodeId, address: HostPort): void {
    const entry = this.#entries.get(id.toString());
    if (entry === undefined) return;
    entry.proven = address;
    this.#onProven(id, true);
  }

  /** Notes that a dial of an address has failed: it is not where the peer is proven to be any more. */
  failed(id: NodeId, address: HostPort): void {
    const entry = this.#entries.get(id.toString());
    if (entry?.proven === undefined || !isSame(entry.proven, address)) return;
    entry.proven = undefined;
    this.#onProven(id, false);
  }

  /**
   * Notes what a peer announces. Returns whether the peer is new; it stays unknown when there is no room for it.
   * @param addresses where its announces come from
   * @param listed others that it lists: claims, which count once a handshake has proven the peer
   * @param source address and port that it came from
   */
  announced(id: NodeId, addresses: readonly HostPort[], listed: readonly HostPort[] = [], source = ""): boolean {
    const known = this.#entries.get(id.toString());
    if (known?.announced === undefined && this.#announcedCount >= this.#maxPeers) return false;
    const entry = known ?? this.#create(id, "announce");
    if (entry === undefined) return false;
    if (entry.announced === undefined) this.#announcedCount += 1;
    entry.announced = addresses.slice(0, maxAnnounced);
    entry.listed = listed.slice(0, maxListed);
    entry.source = source;
    entry.lastHeardAt = this.#clock.now();
    this.#settle(entry);
    return known === undefined;
  }

  /**
   * Notes that a peer announces itself no more.
   * @param hasLeft whether it took leave: then a connection to it, which is about to end, does not keep it known
   * @returns whether it is forgotten
   */
  unannounced(id: NodeId, hasLeft: boolean): boolean {
    const entry = this.#entries.get(id.toString());
    if (entry === undefined) return false;
    if (entry.announced !== undefined) this.#announcedCount -= 1;
    entry.announced = undefined;
    entry.listed = [];
    entry.connected &&= !hasLeft;
    return this.#settle(entry);
  }

  /** Notes an address that the node's owner gives. Returns whether the peer is new. */
  named(id: NodeId, address: HostPort): boolean {
    const known = this.#entries.get(id.toString());
    const entry = known ?? this.#create(id, "bootstrap");
    if (entry === undefined) return false;
    entry.named = [address, ...entry.named.filter((other) => !isSame(other, address))].slice(0, maxNamed);
    this.#settle(entry);
    return known === undefined;
  }

  /**
   * Notes that a handshake has proven a peer, with which there is a connection now.
   * @param address where it was dialed; undefined when it dialed us, whose port is not the one it listens on
   * @returns whether the peer is new
   */
  connected(id: NodeId, address: HostPort | undefined): boolean {
    const known = this.#entries.get(id.toString());
    const entry = known ?? this.#create(id, "inbound");
    if (entry === undefined) return false;
    entry.connected = true;
    entry.verified = true;
    entry.lastHeardAt = this.#clock.now();
    if (address !== undefined) this.proven(id, address);
    this.#settle(entry);
    return known === undefined;
  }

  /** Notes that there is no connection any more. Returns whether the peer is forgotten. */
  disconnected(id: NodeId): boolean {
    const entry = this.#entries.get(id.toString());
    if (entry?.connected !== true) return false;
    entry.connected = false;
    return this.#settle(entry);
  }

  /** Notes a sign of life. */
  heard(id: NodeId, rttMs: number): void {
    const entry = this.#entries.get(id.toString());
    if (entry === undefined) return;
    entry.lastHeardAt = this.#clock.now();
    entry.rttMs = rttMs;
  }

  /** The peers by their XOR distance to a key of 32 bytes, the closest first. */
  closest(target: Uint8Array = this.#self.bytes, count: number = Number.POSITIVE_INFINITY): PeerInfo[] {
    return [...this.#entries.values()]
      .sort((a, b) => compareDistance(target, a.id.bytes, b.id.bytes))
      .slice(0, count)
      .map(infoOf);
  }

  #create(id: NodeId, origin: PeerOrigin): PeerEntry | undefined {
    if (id.equals(this.#self)) return undefined;
    const entry: PeerEntry = {
      id,
      origin,
      proven: undefined,
      named: [],
      announced: undefined,
      source: "",
      listed: [],
      connected: false,
      verified: false,
      lastHeardAt: this.#clock.now(),
      rttMs: undefined,
    };
    this.#entries.set(id.toString(), entry);
    return entry;
  }

  /** Forgets an entry that nothing holds any more, and keeps those that a name alone holds few. */
  #settle(entry: PeerEntry): boolean {
    this.#namedOnly.delete(entry);
    if (entry.connected || entry.announced !== undefined) return false;
    if (entry.named.length === 0) return this.#entries.delete(entry.id.toString());
    this.#namedOnly.add(entry);
    const [oldest] = this.#namedOnly;
    if (this.#namedOnly.size > this.#maxPeers && oldest !== undefined) {
      this.#namedOnly.delete(oldest);
      this.#entries.delete(oldest.id.toString());
    }
    return false;
  }
}

function isSame(a: HostPort, b: HostPort): boolean {
  return a.host === b.host && a.port === b.port;
}

function infoOf(entry: PeerEntry): PeerInfo {
  const { id, origin, proven, named, announced = [], listed, verified, lastHeardAt, rttMs } = entry;
  const believed = verified ? listed : [];
  const all = [...(proven === undefined ? [] : [proven]), ...named, ...announced, ...believed].slice(0, maxAddresses);
  const addresses = all.filter((address, i) => all.findIndex((other) => isSame(other, address)) === i);
  return { id, origin, addresses, verified, lastHeardAt, rttMs };
}
