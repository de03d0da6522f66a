// Bootstrap addresses: connected to at the start and again whenever such a connection is lost, with growing pauses.
import type { NodeId } from "../identity/node-id.ts";
import { formatPeerAddress, type PeerAddress } from "../identity/peer-address.ts";
import type { RpcConnection } from "../rpc/mux.ts";
import { jittered } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { NodeConfig } from "./options.ts";
import type { PeerBook } from "./peers.ts";

const firstPauseMs = 500;
const longestPauseMs = 30_000;
const pauseJitter = 0.2;

/** What bootstrapping needs of its node. */
export interface BootstrapInit {
  readonly id: NodeId;
  readonly config: NodeConfig;
  readonly peers: PeerBook;
  readonly connect: (id: NodeId) => RpcConnection | Promise<RpcConnection>;
  readonly isConnected: (id: NodeId) => boolean;
}

interface Contact {
  readonly address: PeerAddress;
  /** The pause before the next attempt. */
  pauseMs: number;
  /** Whether an attempt is under way or planned. */
  isBusy: boolean;
  stopPause: (() => void) | undefined;
}

/** Keeps connections to the bootstrap peers. */
export class Bootstrap {
  readonly #init: BootstrapInit;
  /** Bounded by the addresses of the configuration. */
  readonly #contacts: readonly Contact[];
  #isClosed = false;

  /** Begins to connect. The node's own address, which a list for all nodes may hold, is left out. */
  constructor(init: BootstrapInit) {
    this.#init = init;
    this.#contacts = init.config.bootstrap
      .filter((address) => !address.id.equals(init.id))
      .map((address) => ({ address, pauseMs: firstPauseMs, isBusy: false, stopPause: undefined }));
    for (const contact of this.#contacts) void this.#attempt(contact);
  }

  /** The connection to a peer is lost. */
  lost(id: NodeId): void {
    for (const contact of this.#contacts) if (contact.address.id.equals(id)) this.#plan(contact);
  }

  close(): void {
    this.#isClosed = true;
    for (const { stopPause } of this.#contacts) stopPause?.();
  }

  async #attempt(contact: Contact): Promise<void> {
    const { config, peers, connect, isConnected } = this.#init;
    const { address } = contact;
    const { id, host, port } = address;
    contact.isBusy = true;
    peers.named(id, { host, port });
    try {
      await connect(id);
      contact.pauseMs = firstPauseMs;
    } catch (error) {
      if (this.#isClosed) return;
      const fields = { event: "bootstrap_failed", address: formatPeerAddress(address), reason: messageOf(error) };
      config.logger.warn(fields, "a bootstrap peer is not reached");
    }
    contact.isBusy = false;
    // It may have been lost again already.
    if (!isConnected(id)) this.#plan(contact);
  }

  #plan(contact: Contact): void {
    if (this.#isClosed || contact.isBusy) return;
    contact.isBusy = true;
    const { clock } = this.#init.config;
    const delayMs = jittered(clock, contact.pauseMs, pauseJitter);
    contact.pauseMs = Math.min(contact.pauseMs * 2, longestPauseMs);
    contact.stopPause = clock.setTimeout(() => void this.#attempt(contact), delayMs);
  }
}
