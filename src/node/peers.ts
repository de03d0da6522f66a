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
  /** Where it may be reached: first the address on which a handshake has proven it, if any. At most `maxAddresses`. */
  readonly addresses: readonly HostPort[];
  /** Whether a handshake has proven the key at least once. */
  readonly verified: boolean;
  /** When it was last heard of, on the clock's `now`. */
  readonly lastHeardAt: number;
  /** Round-trip time of the last ping in milliseconds. */
  readonly rttMs: number | undefined;
}

interface PeerEntry {
  readonly id: NodeId;
  readonly origin: PeerOrigin;
  proven: HostPort | undefined;
  candidates: readonly HostPort[];
  verified: boolean;
  lastHeardAt: number;
  rttMs: number | undefined;
}

const maxAddresses = 5;

/** Peers by id. Bounded by `maxPeers`: past it strangers are refused until others are forgotten. */
export class PeerBook {
  readonly #self: NodeId;
  readonly #clock: Clock;
  readonly #maxPeers: number;
  readonly #entries = new Map<string, PeerEntry>();

  constructor(self: NodeId, clock: Clock, maxPeers: number) {
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

  /** Notes addresses that a peer is said to have. Returns whether the peer is new. */
  addCandidate(id: NodeId, addresses: readonly HostPort[], origin: PeerOrigin): boolean {
    const known = this.#entries.get(id.toString());
    const entry = known ?? this.#create(id, origin);
    if (entry === undefined) return false;
    entry.lastHeardAt = this.#clock.now();
    if (addresses.length > 0) entry.candidates = addresses.slice(0, maxAddresses);
    return known === undefined;
  }

  /**
   * Notes that a handshake has proven a peer.
   * @param address where it was dialed; undefined when it dialed us, whose port is not the one it listens on
   * @returns whether the peer is new
   */
  markVerified(id: NodeId, address: HostPort | undefined): boolean {
    const isNew = this.addCandidate(id, [], "inbound");
    const entry = this.#entries.get(id.toString());
    if (entry === undefined) return false;
    entry.verified = true;
    entry.proven = address ?? entry.proven;
    return isNew;
  }

  markHeard(id: NodeId, rttMs?: number): void {
    const entry = this.#entries.get(id.toString());
    if (entry === undefined) return;
    entry.lastHeardAt = this.#clock.now();
    entry.rttMs = rttMs ?? entry.rttMs;
  }

  /** Returns whether the peer was known. */
  forget(id: NodeId): boolean {
    return this.#entries.delete(id.toString());
  }

  /** The peers by their XOR distance to a key of 32 bytes, the closest first. */
  closest(target: Uint8Array = this.#self.bytes, count = Number.POSITIVE_INFINITY): PeerInfo[] {
    return [...this.#entries.values()]
      .sort((a, b) => compareDistance(target, a.id.bytes, b.id.bytes))
      .slice(0, count)
      .map(infoOf);
  }

  #create(id: NodeId, origin: PeerOrigin): PeerEntry | undefined {
    if (this.#entries.size >= this.#maxPeers || id.equals(this.#self)) return undefined;
    const entry: PeerEntry = {
      id,
      origin,
      proven: undefined,
      candidates: [],
      verified: false,
      lastHeardAt: this.#clock.now(),
      rttMs: undefined,
    };
    this.#entries.set(id.toString(), entry);
    return entry;
  }
}

function infoOf(entry: PeerEntry): PeerInfo {
  const { id, origin, proven, candidates, verified, lastHeardAt, rttMs } = entry;
  const others = candidates.filter(({ host, port }) => host !== proven?.host || port !== proven.port);
  return { id, origin, addresses: proven === undefined ? others : [proven, ...others], verified, lastHeardAt, rttMs };
}
