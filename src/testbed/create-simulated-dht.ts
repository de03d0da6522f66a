// The DHT that the daemon runs, for a simulated node: records in memory, time and randomness of the simulation.
import { openDatabase } from "../dht/database.ts";
import { Dht } from "../dht/dht.ts";
import { type DhtOptions, resolveDhtOptions } from "../dht/options.ts";
import { RecordStore } from "../dht/record-store.ts";
import type { CreateDht } from "./simulated-dht.ts";

/**
 * A maker of DHTs that share their settings.
 * @throws RangeError for options out of their range
 */
export function createSimulatedDhts(options: DhtOptions = {}): CreateDht {
  const config = resolveDhtOptions(options);
  return async ({ keys, clock, peers, addresses }) => {
    const database = await openDatabase(undefined);
    const store = await RecordStore.open({ self: keys.id, database, config: config.store, clock });
    return new Dht({ keys, clock, config, peers, store, addresses });
  };
}
