// A running digest of what happens in a simulation: two runs with the same digest did the same at the same times.

const time = new Float64Array(1);
const timeWords = new Uint32Array(time.buffer);

/** FNV-1a over 32-bit words, twice with different bases: 64 bits. Not for secrets. */
export class EventDigest {
  #high = 0x811c9dc5;
  #low = 0x01234567;

  /** Adds an event. @param atMs its time @param words what it is, integers */
  add(atMs: number, ...words: readonly number[]): void {
    time[0] = atMs;
    this.#word(timeWords[0] ?? 0);
    this.#word(timeWords[1] ?? 0);
    for (const word of words) this.#word(word);
  }

  /** 16 hex digits. */
  toString(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #word(word: number): void {
    this.#high = Math.imul(this.#high ^ word, 0x01000193);
    // The high half stirred in, as FNV-1a moves bits upwards only.
    this.#low = Math.imul(this.#low ^ word ^ (this.#high >>> 15), 0x01000193);
  }
}
