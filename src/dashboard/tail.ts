// What came last of something that may never end.

/** Counts all, and keeps the last `max`. */
export class Tail<T> {
  /** Oldest first. Bounded by `max`. */
  readonly #items: { readonly number: number; readonly item: T }[] = [];
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Of all that came. */
  get count(): number {
    return this.#count;
  }

  push(item: T): void {
    this.#count += 1;
    this.#items.push({ number: this.#count, item });
    if (this.#items.length > this.#max) this.#items.shift();
  }

  /** Those kept, the newest first, each with its number, from 1. */
  newest(): { readonly number: number; readonly item: T }[] {
    return this.#items.toReversed();
  }
}
