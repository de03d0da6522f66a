// What a node answers its peers: the calls that it takes of each.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { StoreRequestSchema } from "../../../gen/dswarm/v1/dht_pb.ts";
import { Answers } from "../../../src/dht/answers.ts";
import { openDatabase } from "../../../src/dht/database.ts";
import { resolveDhtOptions } from "../../../src/dht/options.ts";
import { createImmutable, recordToMessage } from "../../../src/dht/record-codec.ts";
import { RecordStore } from "../../../src/dht/record-store.ts";
import { RoutingTable } from "../../../src/dht/routing-table.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { Counters } from "../../../src/util/counters.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const storeBurst = 5;
const storesPerSecond = 2;

async function openAnswers(t: TestContext) {
  const clock = new VirtualClock(1);
  const counters = new Counters();
  const config = resolveDhtOptions({ storeBurst, storesPerSecond });
  const store = await RecordStore.open({ database: await openDatabase(undefined), config: config.store, clock });
  t.after(() => store.close());
  const self = generateKeyPair().id;
  const table = new RoutingTable({ self, config: config.routing, clock, ping: () => Promise.resolve(true) });
  return { clock, answers: new Answers({ config, clock, table, store, counters, onCaller: () => undefined }) };
}

test("a caller may store so many at once, then so many a second, and another is not held up by it", async (t) => {
  const { clock, answers } = await openAnswers(t);
  const caller = { id: generateKeyPair().id, host: "127.0.0.1" };
  const other = { id: generateKeyPair().id, host: "127.0.0.1" };
  let stored = 0;
  const store = (by: typeof caller) => {
    const record = createImmutable(Uint8Array.of(++stored));
    return answers.store(create(StoreRequestSchema, { record: recordToMessage(record, 60) }), by);
  };
  for (let i = 0; i < storeBurst; i++) await store(caller);
  await assert.rejects(store(caller), { code: "quota_exceeded" });
  await store(other);
  await clock.advance(1000);
  for (let i = 0; i < storesPerSecond; i++) await store(caller);
  await assert.rejects(store(caller), { code: "quota_exceeded" });
});
