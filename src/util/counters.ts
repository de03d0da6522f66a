// Counts of what happened, by name; /api shows them.

/** Named counters. Bounded by the names in the code: a name never comes from outside. */
export class Counters {
  readonly #counts = new Map<string, { count: number }>();

  add(name: string, by = 1): void {
    const known = this.#counts.get(name);
    if (known === undefined) this.#counts.set(name, { count: by });
    else known.count += by;
  }

  get(name: string): number {
    return this.#counts.get(name)?.count ?? 0;
  }

  /** All counts so far, by name in alphabetical order. */
  snapshot(): Record<string, number> {
    const counts = [...this.#counts].map(([name, { count }]) => [name, count] as const);
    return Object.fromEntries(counts.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
