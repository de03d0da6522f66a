// The connection of a node with itself, in memory: what calls its own services goes the way of all calls.
import type { NodeId } from "../identity/node-id.ts";
import { createMemoryLink } from "../link/memory-link.ts";
import { RpcConnection, type RpcConnectionOptions } from "../rpc/mux.ts";
import { DswarmError } from "../util/errors.ts";

/** Made with the first call, and again after it has been idle for long. */
export class OwnConnection {
  readonly #id: NodeId;
  readonly #options: RpcConnectionOptions;
  #ends: readonly [RpcConnection, RpcConnection] | undefined;
  #isClosed = false;

  /** @param options of both ends */
  constructor(id: NodeId, options: RpcConnectionOptions) {
    this.#id = id;
    this.#options = options;
  }

  /**
   * The end that calls.
   * @throws DswarmError `node_closed`
   */
  connect(): RpcConnection {
    if (this.#isClosed) throw new DswarmError("node_closed");
    if (this.#ends?.every(({ usable }) => usable) !== true) {
      const { dialer, listener } = createMemoryLink(this.#id, this.#id, { clock: this.#options.clock });
      this.#ends = [new RpcConnection(dialer, this.#options), new RpcConnection(listener, this.#options)];
    }
    return this.#ends[0];
  }

  /** Lets calls in flight finish. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#ends?.map((end) => end.close()) ?? []);
  }

  /** Ends calls in flight. */
  abort(): void {
    this.#isClosed = true;
    for (const end of this.#ends ?? []) end.abort(new DswarmError("node_closed"));
  }
}
