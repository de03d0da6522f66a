// Who has been heard on one network, and when.
import type { NodeId } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import { createBoundedCache } from "../util/bounded-cache.ts";
import type { Clock } from "../util/clock.ts";
import { isLoopback } from "../util/loopback.ts";
import type { Announce } from "./announce.ts";
import type { DiscoveryConfig } from "./options.ts";
import { slowedIntervalMs } from "./pace.ts";

/** A peer as its announces show it: a candidate, until a Secret Handshake at one of its addresses. */
export interface DiscoveredPeer {
  readonly id: NodeId;
  /** Where it may be reached: the announces' source addresses (at most 4), loopback last, then those it lists (at most 4). */
  readonly addresses: readonly HostPort[];
  /** 32 bytes: sha256 of its TLS certificate's DER form, when it tells. */
  readonly certificateSha256: Uint8Array | undefined;
  /** Its epoch, milliseconds since the Unix epoch by its clock. */
  readonly epochMs: number;
  /** False for news of a peer that was known already. */
  readonly isNew: boolean;
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
  /** Source addresses and when each was last heard. The first is where the packet was first seen. Bounded by 4. */
  readonly sources: Map<string, number>;
  heardMs: number;
  /** The interval of a swarm of the size it had then: by it the sender chose when to announce next. */
  intervalMs: number;
}

const maxSources = 4;
const dayMs = 86_400_000;

/**
 * Peers heard on one network. A full table refuses strangers rather than forget the peer silent for longest: identities
 * are free, so a flood of them would otherwise drive out every peer that works, again and again; refused before its
 * signature is verified, it costs next to nothing, and a stranger who is left out can still dial us.
 */
export class PeerTable {
  readonly #config: DiscoveryConfig;
  readonly #clock: Clock;
  readonly #events: PeerEvents;
  /** By the text form of the id. Bounded by `maxPeers`. */
  readonly #peers = new Map<string, Peer>();
  /** The same peers by their packet. Bounded by `maxPeers`. */
  readonly #byPacket = new Map<string, Peer>();
  /** Epochs of those who left, so that a late packet does not bring them back. Bounded by `maxPeers`. */
  readonly #left;

  constructor(config: DiscoveryConfig, clock: Clock, events: PeerEvents) {
    this.#config = config;
    this.#clock = clock;
    this.#events = events;
    this.#left = createBoundedCache<{ readonly epochMs: number; readonly untilMs: number }>(config.maxPeers);
  }

  /** Peers known. */
  get size(): number {
    return this.#peers.size;
  }

  /** All peers, as new. */
  peers(): DiscoveredPeer[] {
    return Array.from(this.#peers.values(), (peer) => view(peer, true));
  }

  /** When the peer was last heard, by `Clock.now`; undefined for a stranger. */
  lastHeardMs(id: NodeId): number | undefined {
    return this.#peers.get(id.toString())?.heardMs;
  }

  /**
   * Notes a packet that is byte for byte the last one of a known peer, which needs no second look. A replay by somebody
   * else passes for it: it keeps a candidate alive, no more.
   * @param packet one character a byte
   * @param source address it came from
   * @returns whose it is, undefined when it is another packet
   */
  hear(packet: string, source: string): NodeId | undefined {
    const peer = this.#byPacket.get(packet);
    if (peer === undefined) return undefined;
    peer.heardMs = this.#clock.now();
    peer.intervalMs = slowedIntervalMs(this.#config, this.size);
    const isKnownSource = peer.sources.has(source);
    if (isKnownSource || peer.sources.size < maxSources) peer.sources.set(source, peer.heardMs);
    if (!isKnownSource && peer.sources.has(source)) this.#events.onPeer(view(peer, false));
    return peer.announce.id;
  }

  /**
   * Why a sound announce, not yet verified, is of no use: it is not newer than what is known of its sender, or it is a
   * stranger's and the table is full. Undefined when it is worth verifying.
   */
  judge(announce: Announce): "stale" | "full" | undefined {
    const key = announce.id.toString();
    const known = this.#peers.get(key);
    const epochMs = known?.announce.epochMs ?? this.#leftEpochMs(key);
    if (epochMs !== undefined && !supersedes(announce.epochMs, epochMs, this.#clock.wallMs())) return "stale";
    if (known !== undefined) return undefined;
    if (announce.leaving) return "stale";
    return this.size >= this.#config.maxPeers ? "full" : undefined;
  }

  /** Takes in a verified announce that `judge` had nothing against. */
  learn(announce: Announce, packet: string, source: string): void {
    const key = announce.id.toString();
    const known = this.#peers.get(key);
    if (announce.leaving) {
      if (known !== undefined) this.#forget(known, "left");
      return;
    }
    const now = this.#clock.now();
    const intervalMs = slowedIntervalMs(this.#config, this.size + (known === undefined ? 1 : 0));
    const peer: Peer = { announce, packet, sources: new Map([[source, now]]), heardMs: now, intervalMs };
    if (known !== undefined) this.#byPacket.delete(known.packet);
    this.#left.delete(key);
    this.#peers.set(key, peer);
    this.#byPacket.set(packet, peer);
    this.#events.onPeer(view(peer, known === undefined));
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
      if (silent.length > 0 && peer.sources.size > 0) this.#events.onPeer(view(peer, false));
    }
  }

  #forget(peer: Peer, reason: LeaveReason): void {
    const { id, epochMs } = peer.announce;
    this.#peers.delete(id.toString());
    this.#byPacket.delete(peer.packet);
    if (reason === "left") {
      const untilMs = this.#clock.now() + this.#config.expiryIntervals * peer.intervalMs;
      this.#left.set(id.toString(), { epochMs, untilMs });
    }
    this.#events.onLeave(id, reason);
  }

  #leftEpochMs(key: string): number | undefined {
    const left = this.#left.get(key);
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

function view({ announce, sources }: Peer, isNew: boolean): DiscoveredPeer {
  const { id, port, certificateSha256, epochMs } = announce;
  // Only this machine itself may send us to this machine.
  const isLocal = [...sources.keys()].every(isLoopback);
  const listed = announce.addresses.filter((address) => isLocal || !isLoopback(address));
  // Those that other machines can use, too, first: what proves to work is what others are told.
  const heard = [...sources.keys()].sort((a, b) => Number(isLoopback(a)) - Number(isLoopback(b)));
  const addresses = [...new Set([...heard, ...listed])].map((host) => ({ host, port }));
  return { id, addresses, certificateSha256, epochMs, isNew };
}
