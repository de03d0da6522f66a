// Churn: nodes come and go. Sessions are drawn from a Weibull distribution, which fits what was measured in deployed peer-to-peer
// networks (Stutzbach and Rejaie 2006, "Understanding churn in peer-to-peer networks"): many are short and few are very long.
import type { VirtualClock } from "../util/virtual-clock.ts";

/** Settings of churn. */
export interface ChurnOptions {
  /** Half of all sessions are shorter, milliseconds. */
  readonly medianSessionMs: number;
  /** Shape of the Weibull distribution; 1 is exponential, below 1 has more very short and very long ones. @default 0.6 */
  readonly shape?: number;
  /** Share of the nodes that take their leave and hand over what they hold; the others crash. 0 to 1. @default 0.5 */
  readonly gracefulShare?: number;
}

/** What churn does to nodes of type `N`. */
export interface ChurnInit<N> {
  readonly clock: VirtualClock;
  readonly options: ChurnOptions;
  /** A node goes, for good. What it throws or rejects with goes to `onFailure`. */
  readonly leave: (node: N, isGraceful: boolean) => Promise<void>;
  /** A new node comes in the place of one that goes. */
  readonly join: () => Promise<N>;
  readonly onFailure: (error: unknown) => void;
}

/** The scale of a Weibull distribution that has this median: median / (ln 2)^(1/shape). */
export function weibullScale(median: number, shape: number): number {
  return median / Math.LN2 ** (1 / shape);
}

/** A number of a Weibull distribution, by inversion: scale · (-ln(1 - u))^(1/shape). */
export function weibull(random: () => number, scale: number, shape: number): number {
  return scale * (-Math.log(1 - random())) ** (1 / shape);
}

/** Nodes that leave at the end of their session, each followed by a new one at once: the population is steady. */
export class Churn<N> {
  readonly #init: ChurnInit<N>;
  readonly #shape: number;
  readonly #scaleMs: number;
  readonly #gracefulShare: number;
  /** Cancel functions of sessions under way. Bounded by the population. */
  readonly #sessions = new Set<() => void>();
  #isStopped = false;
  #departures = 0;
  #crashes = 0;

  /** @throws RangeError for options out of their range */
  constructor(init: ChurnInit<N>) {
    const { medianSessionMs, shape = 0.6, gracefulShare = 0.5 } = init.options;
    if (!(medianSessionMs > 0)) throw new RangeError(`medianSessionMs: ${medianSessionMs} is not positive`);
    if (!(shape > 0)) throw new RangeError(`shape: ${shape} is not positive`);
    if (!(gracefulShare >= 0 && gracefulShare <= 1)) {
      throw new RangeError(`gracefulShare: ${gracefulShare} is not from 0 to 1`);
    }
    this.#init = init;
    this.#shape = shape;
    this.#scaleMs = weibullScale(medianSessionMs, shape);
    this.#gracefulShare = gracefulShare;
  }

  /** Nodes that have left. */
  get departures(): number {
    return this.#departures;
  }

  /** Those of them that crashed. */
  get crashes(): number {
    return this.#crashes;
  }

  /** A node's session begins now. */
  begin(node: N): void {
    if (this.#isStopped) return;
    const { clock } = this.#init;
    const sessionMs = weibull(() => clock.random(), this.#scaleMs, this.#shape);
    const cancel = clock.setTimeout(() => {
      this.#sessions.delete(cancel);
      this.#depart(node).catch(this.#init.onFailure);
    }, sessionMs);
    this.#sessions.add(cancel);
  }

  /** Nobody leaves any more. */
  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#sessions) cancel();
    this.#sessions.clear();
  }

  async #depart(node: N): Promise<void> {
    const { clock, leave, join } = this.#init;
    const isGraceful = clock.random() < this.#gracefulShare;
    this.#departures += 1;
    if (!isGraceful) this.#crashes += 1;
    const [, next] = await Promise.all([leave(node, isGraceful), join()]);
    this.begin(next);
  }
}
