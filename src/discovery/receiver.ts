// What becomes of a datagram: one look at it for all nodes of the process that share the socket.
//
//     size ─► a known peer's packet, byte for byte? ──yes──► heard
//                          │ no
//                          ▼
//     fields ─► newer than what is known? ─► its source's turn ─► signature ─► peer table ─► the nodes of its network
import type { NodeId } from "../identity/node-id.ts";
import { asBuffer, toHex } from "../util/bytes.ts";
import type { Clock } from "../util/clock.ts";
import type { Counters } from "../util/counters.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { type DecodedAnnounce, type DropReason, decodeAnnounce, maxPacketBytes, verifyAnnounce } from "./announce.ts";
import type { DiscoveryConfig } from "./options.ts";
import { type PeerEvents, PeerTable } from "./peer-table.ts";
import type { Source } from "./source-shares.ts";
import { VerificationQueue } from "./verification-queue.ts";

/** A node that listens. */
export interface Listener extends PeerEvents {
  readonly id: NodeId;
  /** Counts what the shared socket brings, whichever node it is for. */
  readonly counters: Counters;
  readonly logger: Logger;
  /** A packet under this node's key was heard, this node's own among them; its signature was verified. */
  readonly onOwnPacket?: (packet: Uint8Array, source: string) => void;
  /** A node outside this process has come or come back, and may not know of this one. */
  onNewcomer(): void;
}

/** A listener's hold on what is shared. */
export interface Membership {
  /** Peers of the network that are heard at present, the process's own nodes among them. */
  size(): number;
  /** The size of the swarm by which nodes choose their pace. */
  paceSize(): number;
  /** Notes whether a handshake has proven a peer at its address. */
  setProven(id: NodeId, isProven: boolean): void;
  /** When a peer was last heard, by `Clock.now`; undefined for a stranger. */
  lastHeardMs(id: NodeId): number | undefined;
  leave(): void;
}

interface Network {
  readonly table: PeerTable;
  /** Bounded by the nodes of the process. */
  readonly listeners: Set<Listener>;
  /** Those of the listeners that have been told of the peers known before them. */
  readonly ready: Set<Listener>;
  /** Ids of the listeners, in text form. */
  ownIds: ReadonlySet<string>;
  cancelSweep: () => void;
}

/** A packet whose signature is to be verified. */
interface Unverified {
  readonly decoded: DecodedAnnounce;
  readonly packet: Uint8Array;
  /** One character a byte. */
  readonly text: string;
  readonly source: Source;
}

type Fate = "accepted" | "unchanged" | `dropped.${DropReason}`;

/** Checks datagrams and keeps the peers of each network that the process's nodes are on. */
export class Receiver {
  readonly #config: DiscoveryConfig;
  readonly #clock: Clock;
  readonly #unverified: VerificationQueue<Unverified>;
  /** By network id, 16 hex digits. Bounded by the nodes of the process. */
  readonly #networks = new Map<string, Network>();
  /** Counts not yet passed on. Bounded by the names of counters. */
  readonly #tally = new Map<string, number>();

  constructor(config: DiscoveryConfig, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
    this.#unverified = new VerificationQueue(clock, config.maxNewPerSecond, (unverified) => {
      this.count(`announce.${this.#verify(unverified)}`);
    });
  }

  /**
   * Adds a listener to a network. It is told of all peers known already in the event loop's next turn.
   * @param networkId 8 bytes
   */
  join(networkId: Uint8Array, listener: Listener): Membership {
    const key = toHex(networkId);
    const network = this.#networks.get(key) ?? this.#open(key);
    network.listeners.add(listener);
    network.ownIds = idsOf(network.listeners);
    const cancelIntroduction = this.#clock.nextTurn(() => {
      network.ready.add(listener);
      for (const peer of network.table.peers()) notify(network, peer.id, (to) => to.onPeer(peer), listener);
    });
    return {
      size: () => network.table.size,
      paceSize: () => network.table.paceSize,
      setProven: (id, isProven) => network.table.setProven(id, isProven),
      lastHeardMs: (id) => network.table.lastHeardMs(id),
      leave: () => {
        cancelIntroduction();
        this.#flush();
        network.listeners.delete(listener);
        network.ready.delete(listener);
        network.ownIds = idsOf(network.listeners);
        if (network.listeners.size > 0) return;
        network.cancelSweep();
        this.#networks.delete(key);
        if (this.#networks.size === 0) this.#unverified.clear();
      },
    };
  }

  /** Takes one datagram. Never throws. Its fate is counted as `announce.accepted`, `.unchanged` or `.dropped.*`. */
  receive(packet: Uint8Array, source: Source): void {
    const fate = this.#take(packet, source);
    if (fate !== undefined) this.count(`announce.${fate}`);
  }

  /** Counts something for all listeners. They see it at the end of the event loop's turn: a flood costs them little. */
  count(name: string): void {
    if (this.#tally.size === 0) this.#clock.nextTurn(() => this.#flush());
    this.#tally.set(name, (this.#tally.get(name) ?? 0) + 1);
  }

  /** Undefined for a packet whose signature is to be verified: its fate is counted then. */
  #take(packet: Uint8Array, source: Source): Fate | undefined {
    if (packet.length > maxPacketBytes) return "dropped.size";
    const text = asBuffer(packet).toString("latin1");
    const known = this.#hear(packet, text, source);
    if (known !== undefined) return known;
    const decoded = decodeAnnounce(packet, this.#networks);
    if ("drop" in decoded) return `dropped.${decoded.drop}`;
    const objection = this.#judge(decoded);
    if (objection !== undefined) return objection;
    if (this.#unverified.push({ decoded, packet, text, source }, source) !== undefined)
      this.count("announce.dropped.rate");
    return undefined;
  }

  /** What a packet is that some network's table knows, byte for byte. */
  #hear(packet: Uint8Array, text: string, source: Source): Fate | undefined {
    for (const network of this.#networks.values()) {
      const id = network.table.hear(text, source);
      if (id !== undefined) return isOwn(network, id, packet, source) ? "dropped.own" : "unchanged";
    }
    return undefined;
  }

  #judge({ announce }: DecodedAnnounce): Fate | undefined {
    const network = this.#networks.get(announce.networkId);
    if (network === undefined) return "dropped.network";
    const objection = network.table.judge(announce);
    return objection && `dropped.${objection}`;
  }

  #verify({ decoded, packet, text, source }: Unverified): Fate {
    const { announce } = decoded;
    // While it waited, things may have changed.
    const objection = this.#hear(packet, text, source) ?? this.#judge(decoded);
    if (objection !== undefined) return objection;
    if (!verifyAnnounce(decoded)) return "dropped.signature";
    const network = this.#networks.get(announce.networkId);
    if (network === undefined) return "dropped.network";
    if (network.table.learn(announce, text, source).hasDisplaced) this.count("announce.displaced");
    if (isOwn(network, announce.id, packet, source)) return "dropped.own";
    if (!announce.leaving) for (const listener of network.listeners) listener.onNewcomer();
    return "accepted";
  }

  #open(key: string): Network {
    const events: PeerEvents = {
      onPeer: (peer) => notify(network, peer.id, (to) => to.onPeer(peer)),
      onLeave: (id, reason) => notify(network, id, (to) => to.onLeave(id, reason)),
    };
    const table = new PeerTable(this.#config, this.#clock, events, (id) => network.ownIds.has(id.toString()));
    const network: Network = {
      table,
      listeners: new Set(),
      ready: new Set(),
      ownIds: new Set(),
      cancelSweep: () => undefined,
    };
    this.#scheduleSweep(network);
    this.#networks.set(key, network);
    return network;
  }

  #scheduleSweep(network: Network): void {
    const periodMs = this.#config.intervalMs / 2;
    const dueMs = this.#clock.now() + periodMs;
    network.cancelSweep = this.#clock.setTimeout(() => {
      // Long after its time, it was this process that slept: what it missed still waits in the socket.
      if (this.#clock.now() < dueMs + periodMs) network.table.sweep();
      this.#scheduleSweep(network);
    }, periodMs);
  }

  #flush(): void {
    const listeners = Array.from(this.#networks.values(), (network) => [...network.listeners]).flat();
    for (const counters of new Set(listeners.map((listener) => listener.counters))) {
      for (const [name, count] of this.#tally) counters.add(name, count);
    }
    this.#tally.clear();
  }
}

/** Whether a packet is under the key of a node of this process, which is told of it then. */
function isOwn(network: Network, id: NodeId, packet: Uint8Array, source: Source): boolean {
  if (!network.ownIds.has(id.toString())) return false;
  for (const listener of network.listeners) if (listener.id.equals(id)) listener.onOwnPacket?.(packet, source.address);
  return true;
}

function idsOf(listeners: ReadonlySet<Listener>): ReadonlySet<string> {
  return new Set(Array.from(listeners, (listener) => listener.id.toString()));
}

/** Tells one listener, or all, of something about a peer; none of itself. */
function notify(network: Network, about: NodeId, tell: (listener: Listener) => void, only?: Listener): void {
  for (const listener of only === undefined ? network.ready : [only]) {
    if (listener.id.equals(about) || !network.ready.has(listener)) continue;
    try {
      tell(listener);
    } catch (error) {
      // A fault of one node's handler must not reach the others that share the socket.
      listener.logger.error({ event: "discovery_handler_failed", error: messageOf(error) }, "a peer handler threw");
    }
  }
}
