// A network in memory: places that are dialed by port, and links between keys that need no proof, as one process has them all.
import type { NodeId } from "../identity/node-id.ts";
import { formatHostPort, type PeerAddress } from "../identity/peer-address.ts";
import { DswarmError } from "../util/errors.ts";
import type { Link } from "./link.ts";
import { createMemoryLink, type MemoryLinkOptions } from "./memory-link.ts";

/** A node that can be dialed. */
export interface MemoryListener {
  readonly id: NodeId;
  /** Whether a peer may connect. */
  readonly authorize: (id: NodeId) => boolean;
  /** Takes a link, which it must open, close or abort. */
  readonly onLink: (link: Link) => void;
}

/** A place in the network. */
export interface MemoryPort {
  /** 1 to 65535. */
  readonly number: number;
  /** Takes no more links. Those that there are stay. */
  close(): void;
}

const host = "127.0.0.1";
const highestPort = 65_535;

/** Links between the nodes of one process. */
export class MemoryNetwork {
  readonly #options: MemoryLinkOptions;
  /** Bounded by the ports that there are. */
  readonly #listeners = new Map<number, MemoryListener>();
  #lastPort = 0;

  /** @param options of all links */
  constructor(options: Pick<MemoryLinkOptions, "clock" | "delayMs"> = {}) {
    this.#options = options;
  }

  /**
   * Opens a place.
   * @param port 1 to 65535, or 0 for a free one
   * @throws DswarmError `bind_failed` where the port is taken, or none is free
   */
  listen(listener: MemoryListener, port = 0): MemoryPort {
    const number = port === 0 ? this.#freePort() : port;
    if (this.#listeners.has(number))
      throw new DswarmError("bind_failed", `port ${number} of the memory network is taken`);
    this.#listeners.set(number, listener);
    return { number, close: () => this.#listeners.delete(number) };
  }

  /**
   * Dials a place. The link must be opened, closed or aborted by the caller.
   * @throws DswarmError `unreachable` where nobody listens, `authentication_failed` where another key does or refuses this one
   */
  dial(self: NodeId, { id, port }: PeerAddress): Link {
    const listener = this.#listeners.get(port);
    if (listener === undefined)
      throw new DswarmError("unreachable", `nobody listens on port ${port} of the memory network`);
    if (!listener.id.equals(id) || !listener.authorize(self)) throw new DswarmError("authentication_failed");
    const addresses = { listener: formatHostPort({ host, port }), dialer: formatHostPort({ host, port: highestPort }) };
    const pair = createMemoryLink(self, id, { ...this.#options, addresses });
    queueMicrotask(() => listener.onLink(pair.listener));
    return pair.dialer;
  }

  #freePort(): number {
    for (let tried = 0; tried < highestPort; tried++) {
      this.#lastPort = (this.#lastPort % highestPort) + 1;
      if (!this.#listeners.has(this.#lastPort)) return this.#lastPort;
    }
    throw new DswarmError("bind_failed", "no port of the memory network is free");
  }
}
