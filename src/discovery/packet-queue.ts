// A bounded queue between a socket's callback and the work on what it brought.
import type { Clock } from "../util/clock.ts";

const maxQueued = 1024;
// A slice of signatures to verify takes 3 ms; as many as the event loop reads from a socket in one turn fit in it twice.
const sliceSize = 64;

/** Hands its items on in slices, the event loop having its turn between them. Bounded by 1024 items. */
export class PacketQueue<T> {
  readonly #clock: Clock;
  readonly #handle: (item: T) => void;
  #items: T[] = [];
  #cancelDrain: (() => void) | undefined;

  /** @param handle takes one item; must not throw */
  constructor(clock: Clock, handle: (item: T) => void) {
    this.#clock = clock;
    this.#handle = handle;
  }

  /** Queues an item. Returns false, and forgets it, when the queue is full. */
  push(item: T): boolean {
    if (this.#items.length >= maxQueued) return false;
    this.#items.push(item);
    this.#cancelDrain ??= this.#clock.nextTurn(() => this.#drain());
    return true;
  }

  /** Forgets what is queued. */
  clear(): void {
    this.#cancelDrain?.();
    this.#cancelDrain = undefined;
    this.#items = [];
  }

  #drain(): void {
    const slice = this.#items.splice(0, sliceSize);
    this.#cancelDrain = this.#items.length === 0 ? undefined : this.#clock.nextTurn(() => this.#drain());
    for (const item of slice) this.#handle(item);
  }
}
