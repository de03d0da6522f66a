// A swarm in memory, for tests: whole nodes in one process, with no sockets, no certificates and no multicast.
import { MemoryNetwork } from "../link/memory-network.ts";
import { type DswarmNode, startNode } from "../node/node.ts";
import type { NodeOptions } from "../node/options.ts";
import { systemClock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";

/** What each node of a memory swarm may be given. */
export type MemoryNodeOptions = Omit<NodeOptions, "host" | "httpPort" | "discovery">;

/** Settings of a memory swarm, all optional. */
export interface MemorySwarmOptions extends MemoryNodeOptions {
  /** How many nodes there are at first. 1 to 100; what more cost is the time until all know one another. @default 3 */
  readonly nodes?: number;
  /** Milliseconds that bytes take from node to node. 0 or more. @default 0 */
  readonly delayMs?: number;
}

/** Nodes that reach one another in memory. Made by `createMemorySwarm`. */
export interface MemorySwarm extends AsyncDisposable {
  /** The nodes, those that were closed included. */
  readonly nodes: readonly DswarmNode[];
  /** Starts a further node, which all others know when it resolves. @throws as `createMemorySwarm` */
  add(options?: MemoryNodeOptions): Promise<DswarmNode>;
  /** Closes all nodes. Idempotent. */
  close(): Promise<void>;
}

const defaultNodes = 3;
const maxNodes = 100;
const pollMs = 5;
const maxFormingMs = 30_000;

/**
 * Starts a swarm in memory. When it resolves, every node knows every other, by calls in both directions. The nodes are those of
 * `createNode`, with its RPC and DHT; only the API, discovery, TLS and the Secret Handshake are missing. `node.port` and
 * `node.address` are places in the swarm's own network.
 * @param options a number is that of the nodes
 * @throws RangeError or TypeError for bad options; DswarmError as `createNode`
 */
export async function createMemorySwarm(options: MemorySwarmOptions | number = {}): Promise<MemorySwarm> {
  const {
    nodes = defaultNodes,
    delayMs = 0,
    ...nodeOptions
  } = typeof options === "number" ? { nodes: options } : options;
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > maxNodes) {
    throw new RangeError(`nodes: a whole number from 1 to ${maxNodes} is needed, not ${nodes}`);
  }
  if (!(delayMs >= 0)) throw new RangeError(`delayMs: 0 or more is needed, not ${delayMs}`);
  const swarm = new Swarm(nodeOptions, delayMs);
  try {
    for (let started = 0; started < nodes; started++) await swarm.add();
    return swarm;
  } catch (error) {
    await swarm.close();
    throw error;
  }
}

class Swarm implements MemorySwarm {
  /** Bounded by the calls of `add`. */
  readonly nodes: DswarmNode[] = [];
  readonly #options: MemoryNodeOptions;
  readonly #network: MemoryNetwork;

  constructor(options: MemoryNodeOptions, delayMs: number) {
    this.#options = options;
    this.#network = new MemoryNetwork({ clock: options.clock ?? systemClock, delayMs: () => delayMs });
  }

  async add(options: MemoryNodeOptions = {}): Promise<DswarmNode> {
    const node = await startNode({ ...this.#options, ...options, discovery: false }, undefined, this.#network);
    const others = this.nodes.filter(({ closing }) => !closing.aborted);
    this.nodes.push(node);
    await Promise.all(others.flatMap((other) => [node.ping(other.address), other.ping(node.address)]));
    await this.#untilInTables([...others, node]);
    return node;
  }

  /** Resolves when the DHT of each node has the others in its table, or as many as are enough for every lookup. */
  async #untilInTables(nodes: readonly DswarmNode[]): Promise<void> {
    const clock = this.#options.clock ?? systemClock;
    const deadline = clock.now() + maxFormingMs;
    const isIn = ({ dht, config }: DswarmNode): boolean =>
      dht.table.size >= Math.min(nodes.length - 1, config.dht.routing.k);
    while (!nodes.every(isIn)) {
      if (clock.now() > deadline)
        throw new DswarmError("unreachable", `the DHT has not formed within ${maxFormingMs} ms`);
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, pollMs));
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
