// Who has been heard on one network, and when.
import type { NodeId } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import { createBoundedCache } from "../util/bounded-cache.ts";
import type { Clock } from "../util/clock.ts";
import { isLoopback } from "../util/loopback.ts";
import type { Announce } from "./announce.ts";
import type { DiscoveryConfig } from "./options.ts";
import { paceSize, slowedIntervalMs } from "./pace.ts";
import { type Source, SourceShares } from "./source-shares.ts";

/** A peer as its announces show it: a candidate, until a Secret Handshake at one of its addresses. */
export interface DiscoveredPeer {
  readonly id: NodeId;
  /** Where it may be reached: the announces' source addresses (at most 4), loopback last; with them, other addresses of loopback. */
  readonly addresses: readonly HostPort[];
  /** Address and port that the announce came from: whose share of what is done for strangers it has. */
  readonly source: string;
  /** Other addresses that it lists, at most 4: nothing but its word says that it is there. */
  readonly listed: readonly HostPort[];
  /** 32 bytes: sha256 of its TLS certificate's DER form, when it tells. */
  readonly certificateSha256: Uint8Array | undefined;
  /** Its epoch, milliseconds since the Unix epoch by its clock. */
  readonly epochMs: number;
  /** False for news of a peer that was known already. */
  readonly isNew: boolean;
  /** Whether it has announced something new of itself: its epoch is larger than before. */
  readonly isChanged: boolean;
}

/** How a peer went: it said so, or was silent for too long. */
export type LeaveReason = "left" | "expired";

/** Is told what changes in the table. */
export interface PeerEvents {
  onPeer(peer: DiscoveredPeer): void;
  onLeave(id: NodeId, reason: LeaveReason): void;
}

interface Peer {
  readonly announce: Announce;
  /** The packet, one character a byte: what it brings is known, so that it need not be verified again. */
  readonly packet: string;
  /** Where the packet was first seen. */
  readonly source: Source;
  /** Source addresses and when each was last heard. Bounded by 4; the one silent for longest goes. */
  readonly sources: Map<string, number>;
  heardMs: number;
  /** The interval of a swarm of the size it had then: by it the sender chose when to announce next. */
  intervalMs: number;
}

interface Departure {
  readonly epochMs: number;
  readonly untilMs: number;
}

const maxSources = 4;
const reservedShare = 8;
const dayMs = 86_400_000;

/** What became of an announce that was taken in. */
export interface Learned {
  /** Whether another peer had to give way. */
  readonly hasDisplaced: boolean;
}

/**
 * Peers heard on one network. Keys are free, so that a flood of strangers must drive out none but strangers: peers that a handshake
 * has proven stay, and of the others the source that has most gives way. So a newcomer always gets in.
 */
export class PeerTable {
  readonly #config: DiscoveryConfig;
  readonly #clock: Clock;
  readonly #events: PeerEvents;
  readonly #isOwn: (id: NodeId) => boolean;
  /** By the text form of the id. Bounded by `maxPeers`. */
  readonly #peers = new Map<string, Peer>();
  /** The same peers by their packet. Bounded by `maxPeers`. */
  readonly #byPacket = new Map<string, Peer>();
  /** Those that no handshake has proven, the one silent for longest first. Bounded by `maxPeers`. */
  readonly #unproven = new SourceShares<Peer>();
  /** Epochs of those who left, so that a late packet does not bring them back. Bounded by `maxPeers`. */
  readonly #left;
  /** The same of those that were never proven, which must not displace the others. Bounded by a quarter of `maxPeers`. */
  readonly #leftUnproven;

  /** @param isOwn whether an id is of a node of this process, which needs no proof */
  constructor(config: DiscoveryConfig, clock: Clock, events: PeerEvents, isOwn: (id: NodeId) => boolean = () => false) {
    this.#config = config;
    this.#clock = clock;
    this.#events = events;
    this.#isOwn = isOwn;
    this.#left = createBoundedCache<Departure>(config.maxPeers);
    this.#leftUnproven = createBoundedCache<Departure>(Math.ceil(config.maxPeers / 4));
  }

  /** Peers known. */
  get size(): number {
    return this.#peers.size;
  }

  /** The size by which nodes choose their pace. */
  get paceSize(): number {
    return paceSize(this.size, this.#provenCount);
  }

  get #provenCount(): number {
    return this.size - this.#unproven.size;
  }

  /** All peers, as new. */
  peers(): DiscoveredPeer[] {
    return Array.from(this.#peers.values(), (peer) => view(peer, { isNew: true, isChanged: true }));
  }

  /**
   * Notes whether a peer is reached at its address, by a handshake that has proven its key. Seven eighths of the table may be proven
   * peers; what comes above gives way as strangers do.
   */
  setProven(id: NodeId, isProven: boolean): void {
    const peer = this.#peers.get(id.toString());
    if (peer === undefined) return;
    if (!isProven && !this.#isOwn(id) && !this.#isUnproven(peer)) this.#unproven.add(peer, peer.source);
    else if (isProven && this.#hasRoomForProven) this.#unproven.delete(peer);
  }

  /** When the peer was last heard, by `Clock.now`; undefined for a stranger. */
  lastHeardMs(id: NodeId): number | undefined {
    return this.#peers.get(id.toString())?.heardMs;
  }

  /**
   * Notes a packet that is byte for byte the last one of a known peer, which needs no second look. A replay by somebody
   * else passes for it: it keeps a candidate alive, no more.
   * @param packet one character a byte
   * @param source where it came from
   * @returns whose it is, undefined when it is another packet
   */
  hear(packet: string, { address: source }: Source): NodeId | undefined {
    const peer = this.#byPacket.get(packet);
    if (peer === undefined) return undefined;
    peer.heardMs = this.#clock.now();
    peer.intervalMs = slowedIntervalMs(this.#config, this.size);
    // The one silent for longest gives way first.
    if (this.#unproven.delete(peer)) this.#unproven.add(peer, peer.source);
    const isKnownSource = peer.sources.delete(source);
    const [silent] = peer.sources.keys();
    if (peer.sources.size >= maxSources && silent !== undefined) peer.sources.delete(silent);
    peer.sources.set(source, peer.heardMs);
    if (!isKnownSource) this.#events.onPeer(view(peer, { isNew: false, isChanged: false }));
    return peer.announce.id;
  }

  /**
   * Why a sound announce, not yet verified, is of no use: it is not newer than what is known of its sender, or it is a
   * stranger's and the table is full of peers that none gives way to. Undefined when it is worth verifying.
   */
  judge(announce: Announce): "stale" | "full" | undefined {
    const key = announce.id.toString();
    const known = this.#peers.get(key);
    const epochMs = known?.announce.epochMs ?? this.#leftEpochMs(key);
    if (epochMs !== undefined && !supersedes(announce.epochMs, epochMs, this.#clock.wallMs())) return "stale";
    if (known !== undefined) return undefined;
    if (announce.leaving) return "stale";
    return this.size >= this.#config.maxPeers && this.#unproven.size === 0 ? "full" : undefined;
  }

  /** Takes in a verified announce that `judge` had nothing against. */
  learn(announce: Announce, packet: string, source: Source): Learned {
    const { id } = announce;
    const key = id.toString();
    const known = this.#peers.get(key);
    if (announce.leaving) {
      if (known !== undefined) this.#forget(known, "left", announce.epochMs);
      return { hasDisplaced: false };
    }
    const hasDisplaced = known === undefined && this.#makeRoom();
    const now = this.#clock.now();
    const intervalMs = slowedIntervalMs(this.#config, this.size + (known === undefined ? 1 : 0));
    const sources = new Map([[source.address, now]]);
    const peer: Peer = { announce, packet, source, sources, heardMs: now, intervalMs };
    const wasProven = known !== undefined && !this.#unproven.delete(known);
    if (known !== undefined) this.#byPacket.delete(known.packet);
    this.#left.delete(key);
    this.#leftUnproven.delete(key);
    this.#peers.set(key, peer);
    this.#byPacket.set(packet, peer);
    if (!wasProven && !this.#isOwn(id)) this.#unproven.add(peer, source);
    this.#events.onPeer(view(peer, { isNew: known === undefined, isChanged: true }));
    return { hasDisplaced };
  }

  /** Forgets peers that were silent for too long, and source addresses from which they were. */
  sweep(): void {
    const now = this.#clock.now();
    const intervalMs = slowedIntervalMs(this.#config, this.size);
    for (const peer of this.#peers.values()) {
      const expiryMs = this.#config.expiryIntervals * Math.max(intervalMs, peer.intervalMs);
      if (now - peer.heardMs >= expiryMs) {
        this.#forget(peer, "expired");
        continue;
      }
      const silent = [...peer.sources].filter(([, heardMs]) => now - heardMs >= expiryMs);
      for (const [source] of silent) peer.sources.delete(source);
      if (silent.length > 0 && peer.sources.size > 0)
        this.#events.onPeer(view(peer, { isNew: false, isChanged: false }));
    }
  }

  #isUnproven(peer: Peer): boolean {
    return this.#unproven.has(peer);
  }

  get #hasRoomForProven(): boolean {
    const { maxPeers } = this.#config;
    return this.#provenCount < Math.max(maxPeers - Math.ceil(maxPeers / reservedShare), 1);
  }

  /** Returns whether a peer had to give way. */
  #makeRoom(): boolean {
    if (this.size < this.#config.maxPeers) return false;
    const { excess } = this.#unproven;
    if (excess === undefined) return false;
    this.#forget(excess, "expired");
    return true;
  }

  /** @param epochMs that of the announce by which it leaves */
  #forget(peer: Peer, reason: LeaveReason, epochMs = 0): void {
    const { id } = peer.announce;
    const isProven = !this.#unproven.delete(peer);
    this.#peers.delete(id.toString());
    this.#byPacket.delete(peer.packet);
    if (reason === "left") {
      const untilMs = this.#clock.now() + this.#config.expiryIntervals * peer.intervalMs;
      const left = isProven ? this.#left : this.#leftUnproven;
      left.set(id.toString(), { epochMs: Math.max(epochMs, peer.announce.epochMs), untilMs });
    }
    this.#events.onLeave(id, reason);
  }

  #leftEpochMs(key: string): number | undefined {
    const left = this.#left.get(key) ?? this.#leftUnproven.get(key);
    return left === undefined || left.untilMs <= this.#clock.now() ? undefined : left.epochMs;
  }
}

/**
 * Whether an announce replaces the one known of the same peer. The larger epoch wins, but one that is more than a day
 * ahead of our clock loses to any that is not: a peer whose clock was wrong for a while is not shut out by its own old
 * announce once the clock is right, and nobody is shut out because it is our clock that is behind. Epochs are forgotten with
 * the peer, so that in the end silence resolves what this does not.
 */
function supersedes(epochMs: number, knownMs: number, wallMs: number): boolean {
  const isAhead = epochMs > wallMs + dayMs;
  const isKnownAhead = knownMs > wallMs + dayMs;
  return isAhead === isKnownAhead ? epochMs > knownMs : isKnownAhead;
}

function view(
  { announce, source, sources }: Peer,
  { isNew, isChanged }: Pick<DiscoveredPeer, "isNew" | "isChanged">,
): DiscoveredPeer {
  const { id, port, certificateSha256, epochMs } = announce;
  // Those that other machines can use, too, first: what proves to work is what others are told.
  const heard = [...sources.keys()].sort((a, b) => Number(isLoopback(a)) - Number(isLoopback(b)));
  // Only this machine itself may send us to this machine.
  const isLocal = heard.every(isLoopback);
  const beside = isLocal ? announce.addresses.filter(isLoopback) : [];
  const listed = announce.addresses.filter((address) => !isLoopback(address) && !heard.includes(address));
  const at = (hosts: readonly string[]): HostPort[] => [...new Set(hosts)].map((host) => ({ host, port }));
  return {
    id,
    certificateSha256,
    epochMs,
    isNew,
    isChanged,
    source: `${source.address} ${source.port}`,
    addresses: at([...heard, ...beside]),
    listed: at(listed),
  };
}
