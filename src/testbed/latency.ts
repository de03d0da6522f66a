// How long a message of the simulated network takes, one way. All randomness comes from the generator that is passed in.

/** A place on the unit square, which a node keeps for life. */
export interface Position {
  /** 0 to 1. */
  readonly x: number;
  /** 0 to 1. */
  readonly y: number;
}

/** A latency distribution. */
export interface Latency {
  /**
   * Milliseconds from one place to another, drawn anew for each message.
   * @param random gives numbers from 0 (included) to 1 (excluded)
   */
  oneWayMs(from: Position, to: Position, random: () => number): number;
}

/** Always the same. */
export function constantLatency(ms: number): Latency {
  nonNegative("ms", ms);
  return { oneWayMs: () => ms };
}

/** Any value from `minMs` to `maxMs`, each as likely. */
export function uniformLatency(minMs: number, maxMs: number): Latency {
  nonNegative("minMs", minMs);
  if (!(maxMs >= minMs && maxMs < Infinity)) throw new RangeError(`maxMs: ${maxMs} is below minMs, which is ${minMs}`);
  return { oneWayMs: (_from, _to, random) => minMs + (maxMs - minMs) * random() };
}

/**
 * Lognormal: half of the messages take less than the median, few take much more.
 * @param sigma standard deviation of the logarithm; 0 is constant, 1 has one message in six above 2.7 times the median
 */
export function lognormalLatency(medianMs: number, sigma = 0.5): Latency {
  nonNegative("medianMs", medianMs);
  nonNegative("sigma", sigma);
  return { oneWayMs: (_from, _to, random) => medianMs * Math.exp(sigma * normal(random)) };
}

/**
 * By the distance of two places, so that some pairs are always near and others always far, with lognormal jitter.
 * @param baseMs what the shortest way takes
 * @param acrossMs what is added from one side of the square to the other
 * @param sigma of the jitter, as of `lognormalLatency`
 */
export function planeLatency(baseMs: number, acrossMs: number, sigma = 0.1): Latency {
  nonNegative("baseMs", baseMs);
  nonNegative("acrossMs", acrossMs);
  nonNegative("sigma", sigma);
  return {
    oneWayMs: (from, to, random) =>
      (baseMs + acrossMs * Math.hypot(from.x - to.x, from.y - to.y)) * Math.exp(sigma * normal(random)),
  };
}

/** A normally distributed number of mean 0 and deviation 1 (Box and Muller 1958). */
function normal(random: () => number): number {
  // From 0 excluded, whose logarithm is infinite.
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}

function nonNegative(name: string, value: number): void {
  if (!(value >= 0 && value < Infinity)) throw new RangeError(`${name}: ${value} is not a finite number of at least 0`);
}
