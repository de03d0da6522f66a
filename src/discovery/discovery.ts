// Discovery: says on the multicast group that a node is there, and tells the node who else is.
import type { KeyPair } from "../identity/keys.ts";
import type { NodeId } from "../identity/node-id.ts";
import { toHex } from "../util/bytes.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { Counters } from "../util/counters.ts";
import { type Logger, silentLogger } from "../util/log.ts";
import { type AnnounceContent, encodeAnnounce, networkIdOf } from "./announce.ts";
import { Announcer } from "./announcer.ts";
import { type DiscoveryOptions, resolveDiscoveryOptions } from "./options.ts";
import { OwnKeyWatch } from "./own-key-watch.ts";
import type { PeerEvents } from "./peer-table.ts";
import type { Membership } from "./receiver.ts";
import { acquireSharedSocket, type SharedSocket } from "./shared-socket.ts";

/** What a node announces of itself. */
type AnnouncedContent = Omit<AnnounceContent, "epochMs" | "leaving">;

/** What discovery needs to know of its node. `onPeer` and `onLeave` are never called for the node itself. */
export interface DiscoveryInit extends PeerEvents {
  readonly keys: KeyPair;
  /** Another node announces itself under this node's key, from "host:port". Called once a minute at most. @default nothing */
  readonly onKeyElsewhere?: (address: string) => void;
  /** 32 bytes. Only nodes of the same network see each other. */
  readonly networkKey: Uint8Array;
  /** TCP port of the node, 1 to 65535. */
  readonly port: number;
  /** IP addresses of the node, at most 4, besides those that its packets come from. @default none */
  readonly addresses?: readonly string[];
  /** 32 bytes: sha256 of the TLS certificate's DER form. @default not told */
  readonly certificateSha256?: Uint8Array;
  /**
   * Returns an epoch of at least `least`, above all that the key had before, to 2^53 - 1: also those before a restart, whatever the clock
   * says since. @default the wall clock, or `least` where that is larger
   */
  readonly nextEpochMs?: (least: number) => number;
  readonly options?: DiscoveryOptions;
  /** @default systemClock */
  readonly clock?: Clock;
  /**
   * Counts `announce.received` = `.accepted` (new or changed) + `.unchanged` + `.dropped.*` (see DropReason) + what waits for its turn
   * to be verified; and `.displaced` (peers that gave way to a new one), `.sent`, `.send_failed` and `.socket_errors`. All of them for the socket that the nodes of the process share. @default nowhere
   */
  readonly counters?: Counters;
  /** @default silent */
  readonly logger?: Logger;
}

/** A node's discovery. */
export interface Discovery extends AsyncDisposable {
  /** Peers of the network that this process hears at present, its own nodes among them. */
  readonly size: number;
  /**
   * Tells whether a handshake has proven a peer at its address. Proven peers give way to none, and set the pace.
   */
  setProven(id: NodeId, isProven: boolean): void;
  /** When a peer was last heard, milliseconds by the clock's `now`; undefined for one that is not known, or no more. */
  lastHeardMs(id: NodeId): number | undefined;
  /**
   * Announces new content at once, under a new epoch.
   * @throws RangeError for content that cannot be announced
   */
  update(content: AnnouncedContent): void;
  /**
   * Takes leave, twice in case one is lost, unless `takeLeave` is false; and ends. No callback comes any more. Calling it again does
   * nothing more.
   */
  close(options?: { readonly takeLeave?: boolean }): Promise<void>;
}

/**
 * Starts announcing a node and listening for others. Resolves when the first announce is on its way; the first callback
 * comes later.
 * @throws TypeError and RangeError for wrong options or content; DswarmError `interface_unknown` when `options.host` names
 * no interface, `discovery_failed` when the UDP port cannot be shared or the group cannot be joined
 */
export async function createDiscovery(init: DiscoveryInit): Promise<Discovery> {
  const { clock = systemClock, logger = silentLogger } = init;
  const config = resolveDiscoveryOptions(init.options);
  const identity = new AnnouncedIdentity(init, clock);
  const watch = new OwnKeyWatch({
    networkId: toHex(identity.networkId),
    clock,
    onElsewhere: (address) => init.onKeyElsewhere?.(address),
    outdo: (epochMs) => {
      identity.change({}, epochMs + 1);
      announcer.announceNow();
    },
  });
  identity.onPacket((packet, epochMs) => watch.announced(packet, epochMs));
  const shared = await acquireSharedSocket(config, clock, logger);
  const announcer = new Announcer(
    config,
    clock,
    () => membership.paceSize(),
    () => void shared.multicast.send(identity.packet),
  );
  const membership = shared.receiver.join(identity.networkId, {
    id: init.keys.id,
    counters: init.counters ?? new Counters(),
    logger,
    onPeer: (peer) => init.onPeer(peer),
    onLeave: (id, reason) => init.onLeave(id, reason),
    onOwnPacket: (packet, source) => watch.heard(packet, source),
    onNewcomer: () => announcer.hurry(),
  });
  announcer.announceNow();
  return new SharedDiscovery(identity, shared, announcer, membership);
}

/** The node's packet, signed anew whenever its content changes. */
class AnnouncedIdentity {
  readonly networkId: Uint8Array;
  readonly #keys: KeyPair;
  readonly #nextEpochMs: (least: number) => number;
  #content: AnnounceContent;
  #packet: Uint8Array;
  #listener: (packet: Uint8Array, epochMs: number) => void = () => undefined;

  constructor(init: DiscoveryInit, clock: Clock) {
    const { keys, networkKey, port, addresses = [], certificateSha256 } = init;
    this.networkId = networkIdOf(networkKey);
    this.#keys = keys;
    this.#nextEpochMs = init.nextEpochMs ?? ((least) => Math.max(Math.floor(clock.wallMs()), least));
    this.#content = { port, addresses, certificateSha256, epochMs: this.#nextEpochMs(1), leaving: false };
    this.#packet = encodeAnnounce(this.#content, this.networkId, keys);
  }

  get packet(): Uint8Array {
    return this.#packet;
  }

  /** Calls back with the packet and its epoch, now and whenever they change. */
  onPacket(listener: (packet: Uint8Array, epochMs: number) => void): void {
    this.#listener = listener;
    listener(this.#packet, this.#content.epochMs);
  }

  /** @param leastEpochMs epoch at least @default 0 */
  change(change: Partial<Omit<AnnounceContent, "epochMs">>, leastEpochMs = 0): void {
    const epochMs = this.#nextEpochMs(Math.max(this.#content.epochMs + 1, leastEpochMs));
    const content = { ...this.#content, ...change, epochMs };
    this.#packet = encodeAnnounce(content, this.networkId, this.#keys);
    this.#content = content;
    this.#listener(this.#packet, epochMs);
  }
}

class SharedDiscovery implements Discovery {
  readonly #identity: AnnouncedIdentity;
  readonly #shared: SharedSocket;
  readonly #announcer: Announcer;
  readonly #membership: Membership;
  #closing: Promise<void> | undefined;

  constructor(identity: AnnouncedIdentity, shared: SharedSocket, announcer: Announcer, membership: Membership) {
    this.#identity = identity;
    this.#shared = shared;
    this.#announcer = announcer;
    this.#membership = membership;
  }

  get size(): number {
    return this.#membership.size();
  }

  setProven(id: NodeId, isProven: boolean): void {
    this.#membership.setProven(id, isProven);
  }

  lastHeardMs(id: NodeId): number | undefined {
    return this.#membership.lastHeardMs(id);
  }

  update(content: AnnouncedContent): void {
    if (this.#closing !== undefined) return;
    this.#identity.change(content);
    this.#announcer.announceNow();
  }

  close({ takeLeave = true }: { readonly takeLeave?: boolean } = {}): Promise<void> {
    this.#closing ??= this.#close(takeLeave);
    return this.#closing;
  }

  async #close(takeLeave: boolean): Promise<void> {
    this.#announcer.close();
    this.#membership.leave();
    if (takeLeave) {
      this.#identity.change({ leaving: true });
      await this.#shared.multicast.send(this.#identity.packet);
      await this.#shared.multicast.send(this.#identity.packet);
    }
    await this.#shared.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
