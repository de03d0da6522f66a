// When what a node publishes is published again: by age, after the node has joined, after a suspend, and after a failure.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openDatabase } from "../../../src/dht/database.ts";
import { resolveDhtOptions } from "../../../src/dht/options.ts";
import { recordId } from "../../../src/dht/record.ts";
import { createImmutable } from "../../../src/dht/record-codec.ts";
import { RecordStore } from "../../../src/dht/record-store.ts";
import { Republishing } from "../../../src/dht/republishing.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const hourMs = 3_600_000;

async function rig(count: number) {
  const clock = new VirtualClock();
  const config = resolveDhtOptions();
  const database = await openDatabase(undefined);
  const self = generateKeyPair().id;
  const store = await RecordStore.open({ self, database, config: config.store, clock });
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const record = createImmutable(Uint8Array.of(i));
    await store.publish(record, config.ttlS);
    ids.push(recordId(record));
  }
  const published: { readonly id: string; readonly at: number }[] = [];
  const failed: string[] = [];
  const state = { isFailing: false };
  const closing = new AbortController();
  const republishing = new Republishing({
    config,
    clock,
    store,
    publish: async (id) => {
      published.push({ id, at: clock.now() });
      if (state.isFailing) throw new Error("nobody keeps it");
      store.touchPublished(id);
      return true;
    },
    onFailed: (id) => failed.push(id),
    signal: closing.signal,
  });
  return { clock, store, ids, published, failed, state, republishing, closing };
}

test("what was published before the start is published again within a minute, then each 22 hours later", async () => {
  const { clock, published, ids, republishing } = await rig(3);
  republishing.start();
  await clock.advance(60_000);
  assert.deepEqual(published.map(({ id }) => id).sort(), ids.toSorted());
  await clock.advance(21 * hourMs);
  assert.equal(published.length, 3);
  await clock.advance(2 * hourMs);
  assert.equal(published.length, 6);
  republishing.close();
  await clock.advance(48 * hourMs);
  assert.equal(published.length, 6);
});

test("what fails is told and tried again after pauses that grow to half an hour, and then has its time again", async () => {
  const { clock, published, failed, state, republishing } = await rig(1);
  state.isFailing = true;
  republishing.start();
  await clock.advance(4 * hourMs);
  assert.equal(failed.length, published.length);
  const pauses = published.slice(1).map(({ at }, i) => at - (published[i]?.at ?? 0));
  assert.ok((pauses[0] ?? 0) >= 3000 && (pauses[0] ?? 0) <= 8000, `${pauses[0]}`);
  assert.ok(Math.max(...pauses) <= 0.75 * hourMs, pauses.join());
  assert.ok(published.length >= 9 && published.length <= 20, `${published.length} tries in four hours`);
  state.isFailing = false;
  await clock.advance(hourMs);
  const tries = published.length;
  assert.ok(tries > failed.length, "it has succeeded");
  await clock.advance(20 * hourMs);
  assert.equal(published.length, tries);
});

test("after a suspend what is due by then is published within seconds, also what failed a moment ago", async () => {
  const { clock, published, state, republishing } = await rig(20);
  republishing.start();
  await clock.advance(60_000);
  assert.equal(published.length, 20);
  republishing.missed(2 * hourMs);
  await clock.advance(60_000);
  assert.equal(published.length, 20, "two hours old: not due");
  state.isFailing = true;
  republishing.missed(23 * hourMs);
  await clock.advance(6000);
  assert.equal(published.length, 40);
  await clock.advance(hourMs);
  state.isFailing = false;
  const before = published.length;
  republishing.missed(5000);
  await clock.advance(6000);
  assert.equal(published.length, before + 20);
});

test("what is published no more is tried no more", async () => {
  const { clock, store, ids, published, state, republishing } = await rig(1);
  state.isFailing = true;
  republishing.start();
  await clock.advance(60_000);
  await store.unpublish(ids[0] ?? "");
  const before = published.length;
  await clock.advance(24 * hourMs);
  assert.equal(published.length, before);
});
