// How often nodes announce.
import type { DiscoveryConfig } from "./options.ts";

// A node proves only the peers that it needs: about a hundred of a thousand. Keys are free, so that only proven peers vouch for others.
const heardPerProven = 8;

/**
 * The size of a swarm by which nodes choose their pace: all peers that are heard, but at most eight for each that was proven.
 * Announces of strangers alone cannot slow it down.
 */
export function paceSize(heard: number, proven: number): number {
  return Math.min(heard, proven * heardPerProven);
}

/** Milliseconds that a node must leave between two announces so that the swarm stays below `maxPacketsPerSecond`. */
export function minGapMs(config: DiscoveryConfig, swarmSize: number): number {
  return (swarmSize * 1000) / config.maxPacketsPerSecond;
}

/** Milliseconds between two announces of a node in a swarm of that size, before jitter. */
export function slowedIntervalMs(config: DiscoveryConfig, swarmSize: number): number {
  return Math.max(config.intervalMs, minGapMs(config, swarmSize));
}
