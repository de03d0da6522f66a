// A bounded queue between a socket's callback and the work on what it brought.
import type { Clock } from "../util/clock.ts";
import { type Source, SourceShares } from "./source-shares.ts";

const maxQueued = 1024;
// A slice of signatures to verify takes 3 ms; as many as the event loop reads from a socket in one turn fit in it twice.
const sliceSize = 64;

/**
 * Hands its items on in slices, the event loop having its turn between them, the sources in turn. Bounded by 1024 items; of more,
 * the oldest of the source that has most is dropped.
 */
export class PacketQueue<T extends object> {
  readonly #clock: Clock;
  readonly #handle: (item: T) => void;
  readonly #items = new SourceShares<T>();
  #cancelDrain: (() => void) | undefined;

  /** @param handle takes one item; must not throw */
  constructor(clock: Clock, handle: (item: T) => void) {
    this.#clock = clock;
    this.#handle = handle;
  }

  /** Queues an item. Returns false when one had to be dropped for it. */
  push(item: T, source: Source): boolean {
    this.#items.add(item, source);
    this.#cancelDrain ??= this.#clock.nextTurn(() => this.#drain());
    if (this.#items.size <= maxQueued) return true;
    const { excess } = this.#items;
    if (excess !== undefined) this.#items.delete(excess);
    return false;
  }

  /** Forgets what is queued. */
  clear(): void {
    this.#cancelDrain?.();
    this.#cancelDrain = undefined;
    this.#items.clear();
  }

  #drain(): void {
    const slice: T[] = [];
    while (slice.length < sliceSize) {
      const item = this.#items.take();
      if (item === undefined) break;
      slice.push(item);
    }
    this.#cancelDrain = this.#items.size === 0 ? undefined : this.#clock.nextTurn(() => this.#drain());
    for (const item of slice) this.#handle(item);
  }
}
