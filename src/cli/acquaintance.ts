// Notices when every node of a swarm knows every other.
import type { NodeEvent } from "./events.ts";

/** Follows who knows whom until all know all. Bounded by the peers that the swarm's nodes know, and empty after that. */
export class Acquaintance {
  #nodes: number;
  /** The peers that each node that listens knows. */
  readonly #known = new Map<string, Set<string>>();
  /** Pairs (a knows b) within the swarm; counted once all nodes listen. */
  #pairs: number | undefined;
  #isDone = false;

  /** @param nodes how many the swarm has */
  constructor(nodes: number) {
    this.#nodes = nodes;
  }

  /** Takes an event of a node. Returns true once: when all know all. */
  note(event: NodeEvent): boolean {
    if (this.#isDone) return false;
    if (event.event === "listening") {
      this.#known.set(event.id, new Set());
      if (this.#known.size >= this.#nodes) this.#pairs = this.#countPairs();
    } else if (event.event === "peer") {
      const known = this.#known.get(event.id);
      const isNew = known?.has(event.peer) === false;
      known?.add(event.peer);
      if (isNew && this.#known.has(event.peer)) this.#add(1);
    } else if (event.event === "peer_lost") {
      const wasKnown = this.#known.get(event.id)?.delete(event.peer) === true;
      if (wasKnown && this.#known.has(event.peer)) this.#add(-1);
    }
    return this.#check();
  }

  /** More nodes, or fewer, are going to listen than were said before. */
  expect(more: number): void {
    this.#nodes += more;
    // Otherwise counted when the last of them listens.
    if (!this.#isDone) this.#pairs = this.#known.size >= this.#nodes ? this.#countPairs() : undefined;
  }

  /** A node is gone, and no longer counts. Returns true where that makes it complete. */
  drop(id: string): boolean {
    if (this.#isDone || !this.#known.delete(id)) return false;
    this.#nodes -= 1;
    if (this.#known.size >= this.#nodes) this.#pairs = this.#countPairs();
    return this.#check();
  }

  #add(pairs: number): void {
    if (this.#pairs !== undefined) this.#pairs += pairs;
  }

  #countPairs(): number {
    let pairs = 0;
    for (const peers of this.#known.values()) {
      for (const peer of peers) if (this.#known.has(peer)) pairs += 1;
    }
    return pairs;
  }

  #check(): boolean {
    const { size } = this.#known;
    this.#isDone = this.#pairs === size * (size - 1) && size > 1;
    if (this.#isDone) this.#known.clear();
    return this.#isDone;
  }
}
