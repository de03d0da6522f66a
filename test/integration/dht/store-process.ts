// A process that puts records into the store at the path that is its argument, prints the number of each when it is
// acknowledged, and waits to be killed. It ends by itself after 20,000.
import { openDatabase } from "../../../src/dht/database.ts";
import { RecordStore } from "../../../src/dht/record-store.ts";
import { resolveStoreOptions } from "../../../src/dht/store-options.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { numberedRecord } from "./numbered-record.ts";

const total = 20_000;
const atOnce = 16;

const database = await openDatabase(process.argv[2]);
const store = await RecordStore.open({
  self: generateKeyPair().id,
  database,
  config: resolveStoreOptions(),
  clock: systemClock,
});
let next = 0;
const work = async (): Promise<void> => {
  for (let n = next++; n < total; n = next++) {
    await store.put(numberedRecord(n), { ttlS: 3600, from: undefined });
    process.stdout.write(`${n}\n`);
  }
};
await Promise.all(Array.from({ length: atOnce }, work));
await store.close();
