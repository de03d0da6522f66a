// How often nodes announce.
import type { DiscoveryConfig } from "./options.ts";

/** Milliseconds that a node must leave between two announces so that the swarm stays below `maxPacketsPerSecond`. */
export function minGapMs(config: DiscoveryConfig, swarmSize: number): number {
  return (swarmSize * 1000) / config.maxPacketsPerSecond;
}

/** Milliseconds between two announces of a node in a swarm of that size, before jitter. */
export function slowedIntervalMs(config: DiscoveryConfig, swarmSize: number): number {
  return Math.max(config.intervalMs, minGapMs(config, swarmSize));
}
