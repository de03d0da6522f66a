// Which of several providers takes the next call: the better of two that are drawn (Mitzenmacher 2001, "The Power of Two Choices in
// Randomized Load Balancing"). One alone, the quickest, would get all calls, and all callers would choose it.
import type { Clock } from "../util/clock.ts";

/** What is known of the calls to one provider. */
interface Load {
  inFlight: number;
  /** Smoothed milliseconds to the answer; 0 before the first. It fades, so that one that was slow once is tried again. */
  latencyMs: number;
  notedAt: number;
  isForgotten: boolean;
}

// Weight of the newest latency.
const weight = 0.3;
const fadeMs = 10_000;
// Where both are as quick as that, or one is not much slower, the calls in flight alone decide: equal providers get equal shares.
const differenceMs = 10;
const differenceFactor = 2;

/** The calls of one client to its providers. Bounded by the providers that answer, and those with calls in flight. */
export class ProviderLoads {
  readonly #clock: Clock;
  readonly #loads = new Map<string, Load>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A provider has answered a ping. How soon says little: connections may just have been made. */
  pinged(name: string): void {
    const load = this.#loads.get(name);
    if (load !== undefined) load.isForgotten = false;
  }

  /** A provider is not there any more. */
  forget(name: string): void {
    const load = this.#loads.get(name);
    if (load === undefined) return;
    load.isForgotten = true;
    if (load.inFlight === 0) this.#loads.delete(name);
  }

  /** A call begins. Returns a function to be called when it has ended, and one for when its answer has come. */
  begin(name: string): { readonly ended: () => void; readonly answered: () => void } {
    const load = this.#loads.get(name) ?? this.#add(name);
    load.inFlight += 1;
    const begunAt = this.#clock.now();
    let isOver = false;
    return {
      answered: () => this.#note(load, this.#clock.now() - begunAt),
      ended: () => {
        if (isOver) return;
        isOver = true;
        load.inFlight -= 1;
        if (load.isForgotten) this.forget(name);
      },
    };
  }

  /** The better of two of the names, drawn at random. */
  choose(names: readonly string[]): string | undefined {
    const first = this.#draw(names.length);
    if (names.length < 2) return names[first];
    const other = this.#draw(names.length - 1);
    const second = other < first ? other : other + 1;
    const [one, two] = [names[first], names[second]];
    return one !== undefined && two !== undefined && this.#isBetter(two, one) ? two : one;
  }

  #add(name: string): Load {
    const load = { inFlight: 0, latencyMs: 0, notedAt: this.#clock.now(), isForgotten: false };
    this.#loads.set(name, load);
    return load;
  }

  #draw(count: number): number {
    return Math.floor(this.#clock.random() * count);
  }

  #isBetter(one: string, other: string): boolean {
    const [a, b] = [this.#of(one), this.#of(other)];
    const slow = Math.max(a.latencyMs, b.latencyMs);
    if (slow <= differenceFactor * Math.min(a.latencyMs, b.latencyMs) + differenceMs) return a.inFlight < b.inFlight;
    const [costA, costB] = [(a.inFlight + 1) * a.latencyMs, (b.inFlight + 1) * b.latencyMs];
    // The slower one gets few, not none: one slow answer says little, and only another answer can say more.
    return this.#clock.random() * (costA + costB) < costB;
  }

  #of(name: string): { readonly inFlight: number; readonly latencyMs: number } {
    const load = this.#loads.get(name);
    if (load === undefined) return { inFlight: 0, latencyMs: 0 };
    const ageMs = this.#clock.now() - load.notedAt;
    return { inFlight: load.inFlight, latencyMs: load.latencyMs * Math.exp(-ageMs / fadeMs) };
  }

  #note(load: Load, ms: number): void {
    load.latencyMs = load.latencyMs === 0 ? ms : load.latencyMs + weight * (ms - load.latencyMs);
    load.notedAt = this.#clock.now();
  }
}
