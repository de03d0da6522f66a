// What a node answers its peers: the calls that it takes of each.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  FindNodeRequestSchema,
  FindValueRequestSchema,
  PingRequestSchema,
  StoreRequestSchema,
} from "../../../gen/dswarm/v1/dht_pb.ts";
import { Answers } from "../../../src/dht/answers.ts";
import type { Contact } from "../../../src/dht/contact.ts";
import { openDatabase } from "../../../src/dht/database.ts";
import type { Caller } from "../../../src/dht/dht-peers.ts";
import { type DhtOptions, resolveDhtOptions } from "../../../src/dht/options.ts";
import type { Forwarding } from "../../../src/dht/queries.ts";
import { createImmutable, createMutable, createProvider, recordToMessage } from "../../../src/dht/record-codec.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { RecordStore } from "../../../src/dht/record-store.ts";
import { RoutingTable } from "../../../src/dht/routing-table.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { compareDistance } from "../../../src/identity/node-id.ts";
import { Counters } from "../../../src/util/counters.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const storeBurst = 5;
const storesPerSecond = 2;

async function openAnswers(t: TestContext, keptBy: Uint8Array[] = [], options: DhtOptions = {}) {
  const clock = new VirtualClock(1);
  const counters = new Counters();
  const self = generateKeyPair().id;
  const config = resolveDhtOptions({ storeBurst, storesPerSecond, ...options });
  const store = await RecordStore.open({ self, database: await openDatabase(undefined), config: config.store, clock });
  t.after(() => store.close());
  const table = new RoutingTable({ self, config: config.routing, clock, ping: () => Promise.resolve(true) });
  const callers: Contact[] = [];
  const onCaller = (contact: Contact) => void callers.push(contact);
  const forwardings: Forwarding[] = [];
  const forward = (forwarding: Forwarding) => {
    assert.ok(store.has(forwarding.record.key), "it is kept here first");
    forwardings.push(forwarding);
    return Promise.resolve(keptBy);
  };
  const answers = new Answers({ config, clock, table, store, counters, onCaller, forward });
  return { clock, table, callers, forwardings, answers, store };
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

function callerAt(host: string): Caller {
  return { id: generateKeyPair().id, host };
}

test("the callers of one host share a budget, of which each new one gets a little", async (t) => {
  const options = { storeBurst: 100, hostStoresPerSecond: 10, hostStoreBurst: 100 };
  const { clock, answers } = await openAnswers(t, [], options);
  let stored = 0;
  const storeMany = async (by: Caller, count: number) => {
    const stores = Array.from({ length: count }, () => {
      const record = createImmutable(Buffer.from(`${++stored}`));
      return answers.store(create(StoreRequestSchema, { record: recordToMessage(record, 60) }), by);
    });
    return (await Promise.allSettled(stores)).filter(({ status }) => status === "fulfilled").length;
  };
  const first = callerAt("192.0.2.1");
  assert.equal(await storeMany(first, 150), 100);
  const second = callerAt("192.0.2.1");
  assert.equal(await storeMany(second, 50), 16);
  assert.equal(await storeMany(callerAt("192.0.2.2"), 50), 50, "another host is not held up");
  await clock.advance(1000);
  assert.equal(await storeMany(second, 50), 10);
});

test("values are read for 32 calls at once, and for none whose caller has gone meanwhile", async (t) => {
  const { answers, store } = await openAnswers(t);
  const record = createImmutable(new Uint8Array(65_536));
  await store.put(record, { ttlS: 60, from: generateKeyPair().id });
  const select = store.select.bind(store);
  let reads = 0;
  let readsNow = 0;
  let mostReads = 0;
  let begun = Promise.withResolvers<void>();
  store.select = async (...args) => {
    reads += 1;
    begun.resolve();
    mostReads = Math.max(mostReads, ++readsNow);
    const found = await select(...args);
    readsNow -= 1;
    return found;
  };
  const request = create(FindValueRequestSchema, { key: record.key.bytes });
  let isThere = true;
  const caller: Caller = { ...callerAt("127.0.0.1"), hasGone: () => !isThere };
  const calls = Array.from({ length: 100 }, () => answers.findValue(request, caller));
  await Promise.all(calls);
  assert.equal(mostReads, 32);
  assert.equal(reads, 100);
  begun = Promise.withResolvers();
  const later = Array.from({ length: 100 }, () => answers.findValue(request, caller));
  await begun.promise;
  isThere = false;
  const outcomes = await Promise.allSettled(later);
  const answered = outcomes.filter(({ status }) => status === "fulfilled").length;
  assert.equal(reads, 100 + answered, "what was not answered was not read");
  assert.ok(answered <= 32);
  for (const outcome of outcomes) if (outcome.status === "rejected") assert.equal(outcome.reason.code, Code.Canceled);
});

test("large values cost more of the budget", async (t) => {
  const { answers } = await openAnswers(t, [], { storeBurst: 20 });
  const caller = { id: generateKeyPair().id, host: "127.0.0.1" };
  let stored = 0;
  const store = (length: number) => {
    const record = createImmutable(new Uint8Array(length).fill(++stored));
    return answers.store(create(StoreRequestSchema, { record: recordToMessage(record, 60) }), caller);
  };
  // Each costs 5.
  for (let n = 0; n < 3; n++) await store(65_536);
  for (let n = 0; n < 5; n++) await store(16_383);
  await assert.rejects(store(1), { code: "quota_exceeded" });
});

test("what a caller passes on for others counts apart from what it stores itself", async (t) => {
  const { answers, store } = await openAnswers(t);
  const caller = { id: generateKeyPair().id, host: "192.0.2.7" };
  for (const forwarded of [false, true]) {
    const record = recordToMessage(createImmutable(Uint8Array.of(forwarded ? 1 : 0)), 60);
    await answers.store(create(StoreRequestSchema, { record, forwarded }), caller);
  }
  assert.deepEqual(
    [...store.entries()].map(({ from, host, isForwarded }) => [from, host, isForwarded]),
    [
      [caller.id, "192.0.2.7", false],
      [caller.id, "192.0.2.7", true],
    ],
  );
});

test("what is stored is passed on to those that the caller names, who is told which of them keep it", async (t) => {
  const others = [1, 2, 3, 4].map(() => generateKeyPair().id.bytes);
  const { answers, forwardings } = await openAnswers(t, others.slice(1, 3));
  const caller = { id: generateKeyPair().id, host: "127.0.0.1" };
  const keys = generateKeyPair();
  const record = createMutable({
    keys,
    salt: new Uint8Array(),
    sequence: 1n,
    value: Uint8Array.of(1),
    isDeleted: false,
  });
  const request = { record: recordToMessage(record, 60), expectedSequence: 0n, forwardTo: others };
  const answer = await answers.store(create(StoreRequestSchema, request), caller);
  assert.deepEqual(answer.keptBy, others.slice(1, 3));
  assert.equal(forwardings.length, 1);
  assert.deepEqual(forwardings[0], { record: forwardings[0]?.record, ttlS: 60, expectedSequence: 0n, to: others });
  assert.ok(forwardings[0]?.record.key.equals(record.key));
});

test("what is passed on for a caller counts among its stores", async (t) => {
  const { answers, forwardings } = await openAnswers(t);
  const caller = { id: generateKeyPair().id, host: "127.0.0.1" };
  const forwardTo = [1, 2, 3].map(() => generateKeyPair().id.bytes);
  const store = (byte: number) => {
    const record = recordToMessage(createImmutable(Uint8Array.of(byte)), 60);
    return answers.store(create(StoreRequestSchema, { record, forwardTo }), caller);
  };
  for (const byte of [1, 2]) await store(byte);
  await assert.rejects(store(3), { code: "quota_exceeded" });
  // Of five at once two are its own.
  assert.deepEqual(
    forwardings.map(({ to }) => to),
    [forwardTo],
  );
});

test("nothing is passed on of what is refused, nor for a caller who names none, too many or what is no id", async (t) => {
  const { answers, forwardings } = await openAnswers(t);
  const caller = { id: generateKeyPair().id, host: "127.0.0.1" };
  const record = recordToMessage(createImmutable(Uint8Array.of(1)), 60);
  const store = (forwardTo: Uint8Array[], stored = record) =>
    answers.store(create(StoreRequestSchema, { record: stored, forwardTo }), caller);
  const ids = [1, 2, 3, 4, 5].map(() => generateKeyPair().id.bytes);
  await assert.rejects(store(ids), { code: Code.InvalidArgument });
  for (const bytes of [31, 33]) await assert.rejects(store([new Uint8Array(bytes)]), { code: Code.InvalidArgument });
  await assert.rejects(store(ids.slice(1), { ...record, ttlS: 0 }), { code: "record_expired" });
  assert.deepEqual((await store([])).keptBy ?? [], []);
  assert.deepEqual(forwardings, []);
});

test("a ping answers a nonce of up to 64 bytes, and tells of a caller that serves the DHT", async (t) => {
  const { answers, callers } = await openAnswers(t);
  const caller = { id: generateKeyPair().id, host: "127.0.0.1" };
  const ping = (nonce: Uint8Array, port: number) => answers.ping(create(PingRequestSchema, { nonce, port }), caller);
  const nonce = new Uint8Array(64).fill(9);
  assert.deepEqual(ping(nonce, 65_535), { nonce });
  assert.deepEqual(callers, [{ id: caller.id, addresses: [{ host: "127.0.0.1", port: 65_535 }] }]);
  assert.deepEqual(ping(new Uint8Array(), 0), { nonce: new Uint8Array() });
  assert.throws(() => ping(new Uint8Array(65), 0), { code: Code.InvalidArgument });
  assert.throws(() => ping(nonce, 65_536), { code: Code.InvalidArgument });
  assert.equal(callers.length, 1);
});

test("the closest 30 contacts are told, closest first, never the caller; a target has 32 bytes", async (t) => {
  const { answers, table } = await openAnswers(t);
  const contacts = Array.from({ length: 200 }, () => ({
    id: generateKeyPair().id,
    addresses: [{ host: "127.0.0.1", port: 4000 }],
  }));
  for (const contact of contacts) table.seen(contact);
  const known = table.snapshot();
  const target = generateKeyPair().id.bytes;
  const ordered = known.map(({ id }) => id).sort((a, b) => compareDistance(target, a.bytes, b.bytes));
  const [closest] = ordered;
  assert.ok(closest !== undefined && ordered.length > 31);
  const caller = { id: closest, host: "127.0.0.1" };
  const { contacts: told = [] } = answers.findNode(create(FindNodeRequestSchema, { target }), caller);
  assert.deepEqual(
    told.map(({ id }) => id),
    ordered.slice(1, 31).map(({ bytes }) => bytes),
  );
  for (const bytes of [new Uint8Array(), new Uint8Array(31), new Uint8Array(33)]) {
    assert.throws(() => answers.findNode(create(FindNodeRequestSchema, { target: bytes }), caller), {
      code: Code.InvalidArgument,
    });
    await assert.rejects(answers.findValue(create(FindValueRequestSchema, { key: bytes }), caller), {
      code: Code.InvalidArgument,
    });
  }
});

test("who calls from another machine is told no addresses of loopback", async (t) => {
  const { answers, table } = await openAnswers(t);
  const elsewhere = { host: "192.0.2.1", port: 4000 };
  const [here, both, there] = [
    [{ host: "127.0.0.1", port: 4000 }],
    [{ host: "::1", port: 4000 }, elsewhere],
    [elsewhere],
  ].map((addresses) => ({ id: generateKeyPair().id, addresses }));
  assert.ok(here !== undefined && both !== undefined && there !== undefined);
  for (const contact of [here, both, there]) table.seen(contact);
  const told = (host: string): Map<string, readonly string[] | undefined> => {
    const request = create(FindNodeRequestSchema, { target: here.id.bytes });
    const { contacts = [] } = answers.findNode(request, { id: generateKeyPair().id, host });
    return new Map(contacts.map((contact) => [Buffer.from(contact.id ?? []).toString("hex"), contact.addresses]));
  };
  for (const host of ["192.0.2.7", "2001:db8::1"]) {
    assert.deepEqual([...told(host).values()], [["192.0.2.1:4000"], ["192.0.2.1:4000"]]);
    assert.equal(told(host).has(here.id.toHex()), false);
  }
  assert.deepEqual(told("127.0.0.1").get(here.id.toHex()), ["127.0.0.1:4000"]);
  assert.deepEqual(told("127.0.0.1").get(both.id.toHex()), ["[::1]:4000", "192.0.2.1:4000"]);
});

test("contacts come with records, unless an immutable one is there and suffices", async (t) => {
  const { answers, table } = await openAnswers(t);
  const keys = generateKeyPair();
  const caller = { id: generateKeyPair().id, host: "127.0.0.1" };
  const addresses = [{ host: "127.0.0.1", port: 4000 }];
  table.seen({ id: generateKeyPair().id, addresses });
  const value = createImmutable(Uint8Array.of(1));
  const mutable = createMutable({ keys, salt: new Uint8Array(), sequence: 1n, value: Uint8Array.of(2) });
  const provider = createProvider({ keys, key: RecordKey.ofName("a name"), addresses, sequence: 1n });
  const besideValue = createProvider({ keys, key: value.key, addresses, sequence: 1n });
  for (const record of [value, mutable, provider, besideValue])
    await answers.store(create(StoreRequestSchema, { record: recordToMessage(record, 60) }), caller);
  for (const [key, immutableSuffices, expected] of [
    [value.key, true, [2, 0]],
    [value.key, false, [2, 1]],
    [mutable.key, true, [1, 1]],
    [provider.key, true, [1, 1]],
    [RecordKey.ofName("nothing"), true, [0, 1]],
  ] as const) {
    const request = create(FindValueRequestSchema, { key: key.bytes, immutableSuffices });
    const { records = [], contacts = [] } = await answers.findValue(request, caller);
    assert.deepEqual([records.length, contacts.length], expected);
  }
});

test("a record that is missing, or has no time left, is not stored; a longer time than a day is cut to it", async (t) => {
  const { answers } = await openAnswers(t);
  const caller = { id: generateKeyPair().id, host: "127.0.0.1" };
  const record = createImmutable(Uint8Array.of(1));
  const store = (ttlS: number) =>
    answers.store(create(StoreRequestSchema, { record: recordToMessage(record, ttlS) }), caller);
  await assert.rejects(answers.store(create(StoreRequestSchema, {}), caller), { code: "record_invalid" });
  await assert.rejects(store(0), { code: "record_expired" });
  await store(4_294_967_295);
  const { records = [] } = await answers.findValue(create(FindValueRequestSchema, { key: record.key.bytes }), caller);
  assert.deepEqual(
    records.map(({ ttlS }) => ttlS),
    [86_400],
  );
});
