// Which source of contacts has the next turn, where anybody can be a source.
import { createBoundedCache } from "../util/bounded-cache.ts";
import type { Clock } from "../util/clock.ts";

interface Source {
  /** Pings in a row that its contacts have not answered. */
  failures: number;
  /** How many of its contacts may be pinged at once. */
  window: number;
}

const maxSources = 4096;
const maxFailures = 7;

/**
 * Draws sources by lot. A source whose contacts do not answer has fewer chances than others, and never none: a node that hears of
 * many false contacts still finds the true ones soon. Bounded by 4096 sources that are remembered.
 */
export class SourceTurns {
  readonly #clock: Clock;
  readonly #maxWindow: number;
  readonly #sources = createBoundedCache<Source>(maxSources);

  /** @param maxWindow how many contacts of one source may be pinged at once while they answer */
  constructor(clock: Clock, maxWindow: number) {
    this.#clock = clock;
    this.#maxWindow = maxWindow;
  }

  /** Whether no ping of the source's contacts has failed since the last answer. */
  isTrusted(name: string): boolean {
    // Mostly there is none that has failed, and this is asked very often.
    return this.#sources.size === 0 || (this.#sources.get(name)?.failures ?? 0) === 0;
  }

  /** How many contacts of a source may be pinged at once. */
  windowOf(name: string): number {
    return this.#sources.get(name)?.window ?? this.#maxWindow;
  }

  answered(name: string): void {
    const window = Math.min(this.windowOf(name) + 1, this.#maxWindow);
    if (window === this.#maxWindow) this.#sources.delete(name);
    else this.#sources.set(name, { failures: 0, window });
  }

  failed(name: string): void {
    const failures = Math.min((this.#sources.get(name)?.failures ?? 0) + 1, maxFailures);
    this.#sources.set(name, { failures, window: 1 });
  }

  /** Draws one of several sources. A source that has failed n times in a row has 1/(n + 1)² of the chances of one that has not. */
  draw(names: Iterable<string>): string | undefined {
    const chances = Array.from(names, (name) => ({ name, chance: this.#chance(name) }));
    const last = chances.at(-1);
    if (chances.length < 2) return last?.name;
    let lot = this.#clock.random() * chances.reduce((sum, { chance }) => sum + chance, 0);
    for (const { name, chance } of chances) {
      lot -= chance;
      if (lot < 0) return name;
    }
    return last?.name;
  }

  #chance(name: string): number {
    return 1 / (1 + (this.#sources.get(name)?.failures ?? 0)) ** 2;
  }
}
