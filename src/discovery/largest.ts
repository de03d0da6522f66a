// Counts by key, and which key has most.

/** Counts things by a key. All operations take constant time. Bounded by the things counted. */
export class Largest<K> {
  readonly #counts = new Map<K, number>();
  /** Keys by their count, the one that came to it first in front. */
  readonly #byCount = new Map<number, Set<K>>();
  #most = 0;

  /** The key that has most; of several, the one that has had so many for longest. Undefined while nothing is counted. */
  get key(): K | undefined {
    return this.#byCount.get(this.#most)?.values().next().value;
  }

  /** Counts one more, or one less, of a key. */
  change(key: K, by: 1 | -1): void {
    const before = this.#counts.get(key) ?? 0;
    const after = before + by;
    const peers = this.#byCount.get(before);
    peers?.delete(key);
    if (peers?.size === 0) this.#byCount.delete(before);
    if (after > 0) {
      this.#counts.set(key, after);
      const others = this.#byCount.get(after);
      if (others === undefined) this.#byCount.set(after, new Set([key]));
      else others.add(key);
    } else {
      this.#counts.delete(key);
    }
    if (after > this.#most) this.#most = after;
    else if (before === this.#most && !this.#byCount.has(before)) this.#most = Math.max(after, 0);
  }
}
