// Providers of a key, as several peers name them.
import type { DhtRecord, ProviderRecord } from "./record.ts";

/** What peers have answered about the providers of one key. Bounded by the answers of a lookup. */
export class ProviderLists {
  readonly #newest = new Map<string, ProviderRecord>();
  /** Names of providers, by answer. */
  readonly #lists: string[][] = [];

  /** How many provide, by the newest word of each. */
  get size(): number {
    let size = 0;
    for (const { isWithdrawn } of this.#newest.values()) if (!isWithdrawn) size += 1;
    return size;
  }

  /** Takes in what one peer has answered. */
  add(records: readonly DhtRecord[]): void {
    const list: string[] = [];
    for (const record of records) {
      if (record.kind !== "provider") continue;
      const name = record.provider.id.toString();
      const known = this.#newest.get(name);
      if (known === undefined || known.sequence < record.sequence) this.#newest.set(name, record);
      list.push(name);
    }
    if (list.length > 0) this.#lists.push(list);
  }

  /** At most `limit` of those that provide: the first of each answer, then the second of each, and so on. */
  take(limit: number): ProviderRecord[] {
    const taken = new Map<string, ProviderRecord>();
    const longest = Math.max(0, ...this.#lists.map(({ length }) => length));
    for (let at = 0; at < longest; at++) {
      for (const list of this.#lists) {
        const record = this.#newest.get(list[at] ?? "");
        if (record === undefined || record.isWithdrawn) continue;
        if (taken.size === limit) return [...taken.values()];
        taken.set(record.provider.id.toString(), record);
      }
    }
    return [...taken.values()];
  }
}
