// Numbers that a simulation has gathered, summed up.

/** A sum-up of numbers; all NaN where there were none. */
export interface Distribution {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Sums up numbers. A percentile is the smallest number that so many are not above (nearest rank). */
export function distributionOf(values: readonly number[]): Distribution {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)] ?? NaN;
  let sum = 0;
  for (const value of sorted) sum += value;
  return { count: sorted.length, mean: sum / sorted.length, p50: rank(0.5), p99: rank(0.99), max: rank(1) };
}
