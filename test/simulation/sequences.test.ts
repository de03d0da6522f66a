// Games with the sequences of signed values: liars that answer old ones or invent new ones, a signer who signs two of one sequence, and
// updates that race.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { type Record as RecordMessage, RecordSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import type { Published } from "../../src/dht/publisher.ts";
import type { DhtRecord, MutableRecord } from "../../src/dht/record.ts";
import { createMutable, createProvider, recordToMessage } from "../../src/dht/record-codec.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { keyPairFromSeed } from "../../src/identity/keys.ts";
import { compareDistance } from "../../src/identity/node-id.ts";
import { DswarmError, dswarmErrorOf } from "../../src/util/errors.ts";
import { type DhtNetwork, dhtNetwork, lie, type NetworkNode } from "./dht-network.ts";

const ttlS = 12 * 3600;
const hourMs = 3_600_000;
const forever = new AbortController().signal;
const signer = keyPairFromSeed(new Uint8Array(32).fill(7));
const salt = new Uint8Array();
const key = RecordKey.ofSigner(signer.id, salt);

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function signed(sequence: bigint, text: string): MutableRecord {
  return createMutable({ keys: signer, salt, sequence, value: encode(text) });
}

function textOf(record: DhtRecord | undefined): string | undefined {
  return record?.kind === "mutable" ? new TextDecoder().decode(record.value) : undefined;
}

/** The nodes closest to the key. */
function replicas({ nodes }: DhtNetwork, count: number): readonly NetworkNode[] {
  return nodes.toSorted((a, b) => compareDistance(key.bytes, a.dht.id.bytes, b.dht.id.bytes)).slice(0, count);
}

function messageOf(record: DhtRecord): RecordMessage {
  return create(RecordSchema, recordToMessage(record, ttlS));
}

async function store(network: DhtNetwork, at: readonly NetworkNode[], record: DhtRecord): Promise<void> {
  const [{ endpoint: from } = {}] = network.nodes;
  assert.ok(from !== undefined);
  for (const { endpoint } of at) {
    await network.run(from.store(endpoint.contact, { record: messageOf(record) }, forever));
  }
}

test("a fifth of the replicas that answer an old sequence hide the newest from no reader who asks a quorum of five", async () => {
  const network = await dhtNetwork(60, 5, { readQuorum: 5 });
  const close = replicas(network, 20);
  const liars = close.filter((_, i) => i % 5 === 0);
  await store(network, close, signed(1n, "old"));
  lie(liars, [messageOf(signed(1n, "old"))]);
  await store(network, close, signed(2n, "new"));
  const readers = network.nodes.filter((node) => !liars.includes(node));
  const texts = await network.each(readers, async ({ dht }) => textOf(await dht.get(key)));
  assert.deepEqual([...new Set(texts)], ["new"]);
});

test("a sequence far ahead that the signer has not signed is taken from no answer and into no store", async () => {
  const network = await dhtNetwork(60, 6);
  const close = replicas(network, 20);
  const forged = messageOf(signed(1n, "genuine"));
  assert.ok(forged.kind.case === "mutable");
  forged.kind.value.sequence = 2n ** 62n;
  await store(network, close, signed(1n, "genuine"));
  const liars = close.filter((_, i) => i % 3 === 0);
  lie(liars, [forged]);
  const readers = network.nodes.filter((node) => !liars.includes(node));
  const found = await network.each(readers, ({ dht }) => dht.get(key));
  for (const record of found)
    assert.deepEqual([textOf(record), record?.kind === "mutable" && record.sequence], ["genuine", 1n]);
  const victim = close.find((node) => !liars.includes(node));
  const [liar] = liars;
  assert.ok(victim !== undefined && liar !== undefined);
  await assert.rejects(
    network.run(liar.endpoint.store(victim.endpoint.contact, { record: forged }, forever)),
    /signature/,
  );
});

test("nobody can put a value under the key of what another has signed", async () => {
  const network = await dhtNetwork(30, 9);
  const [writer, other, reader] = network.nodes;
  assert.ok(writer !== undefined && other !== undefined && reader !== undefined);
  for (const text of ["", "a salt"]) {
    const own = encode(text);
    const signedKey: RecordKey = (await network.run(writer.dht.update(encode("genuine"), { salt: own }))).key;
    // What the key is the hash of, and what a naive one would be.
    const domain = encode("dswarm-mutable-key-v1\0");
    for (const parts of [
      [writer.dht.id.bytes, own],
      [domain, writer.dht.id.bytes, own],
    ]) {
      const put = await network.run(other.dht.put(Buffer.concat(parts)));
      assert.ok(!put.key.equals(signedKey));
    }
    assert.equal(textOf(await network.run(reader.dht.get(signedKey))), "genuine");
  }
});

test("of two values that one signer has given one sequence, all come to keep and to read the same", async () => {
  const network = await dhtNetwork(60, 7);
  const close = replicas(network, 20);
  const [one, other] = [signed(3n, "one"), signed(3n, "other")];
  await store(network, close.slice(0, 10), one);
  await store(network, close.slice(10), other);
  const winner = Buffer.compare(one.signature, other.signature) > 0 ? "one" : "other";
  // An hour later the replicas have told one another.
  await network.sleep(2.5 * hourMs);
  const held = await network.each(close, async ({ dht }) =>
    (await dht.store.get(key)).map(({ record }) => textOf(record)),
  );
  assert.deepEqual(new Set(held.flat()), new Set([winner]));
  const read = await network.each(network.nodes, async ({ dht }) => textOf(await dht.get(key)));
  assert.deepEqual(new Set(read), new Set([winner]));
});

test("of updates that race for one sequence the first is acknowledged, and that one is read by all afterwards", async () => {
  const network = await dhtNetwork(60, 8);
  const [{ dht } = {}] = network.nodes;
  assert.ok(dht !== undefined);
  const own = RecordKey.ofSigner(dht.id, salt);
  await network.run(dht.update(encode("first")));
  const race = ["a", "b", "c"].map((text) => dht.update(encode(text), { expectedSequence: 1n }));
  const results = await network.run(Promise.allSettled(race));
  for (const result of results.slice(1)) {
    assert.ok(result.status === "rejected");
    assert.equal(dswarmErrorOf(result.reason)?.code, "record_conflict");
  }
  assert.equal(results[0]?.status, "fulfilled");
  const texts = await network.each(network.nodes, async (node) => textOf(await node.dht.get(own)));
  assert.deepEqual([...new Set(texts)], ["a"]);
  await assert.rejects(network.run(dht.update(encode("late"), { expectedSequence: 1n })), { code: "record_conflict" });
});

test("updates without a condition that are made at once all take place, in their order", async () => {
  const network = await dhtNetwork(60, 10);
  const [{ dht, endpoint } = {}, other] = network.nodes;
  assert.ok(dht !== undefined && endpoint !== undefined && other !== undefined);
  await network.run(dht.update(encode("first")));
  const before = endpoint.calls;
  const updates = await network.run(Promise.all(["a", "b", "c"].map((text) => dht.update(encode(text)))));
  assert.deepEqual(
    updates.map(({ sequence }) => sequence),
    [2n, 3n, 4n],
  );
  // A lookup of three and the stores, each: what this node has published last need not be asked for.
  assert.ok(endpoint.calls - before <= 3 * 25, `${endpoint.calls - before} calls`);
  assert.equal(textOf(await network.run(other.dht.get(RecordKey.ofSigner(dht.id, salt)))), "c");
});

test("an update comes after those that were made elsewhere under the same key, whatever this node knows of them", async () => {
  const network = await dhtNetwork(60, 11);
  const [{ dht, keys } = {}, other] = network.nodes;
  assert.ok(dht !== undefined && keys !== undefined && other !== undefined);
  // With its first update here, and with its second; with the sequence that it would take itself, and with one far ahead.
  for (const [i, { hasPublished, ahead }] of [
    { hasPublished: false, ahead: 1n },
    { hasPublished: false, ahead: 1n },
    { hasPublished: true, ahead: 1n },
    { hasPublished: true, ahead: 1n },
    { hasPublished: false, ahead: 7n },
    { hasPublished: true, ahead: 7n },
  ].entries()) {
    const own = encode(`salt ${i}`);
    const options = { salt: own };
    if (hasPublished) await network.run(dht.update(encode("mine"), options));
    const sequence = (hasPublished ? 1n : 0n) + ahead;
    const elsewhere = createMutable({ keys, ...options, sequence, value: encode("elsewhere") });
    const close = network.nodes.toSorted((a, b) =>
      compareDistance(elsewhere.key.bytes, a.dht.id.bytes, b.dht.id.bytes),
    );
    // Some of the replicas have it, and some will hear of it later.
    for (const { endpoint } of close.slice(0, 12).filter((node) => node !== other && node.dht !== dht)) {
      await network.run(other.endpoint.store(endpoint.contact, { record: messageOf(elsewhere) }, forever));
    }
    const updated: Published = await network.run(dht.update(encode("mine again"), options));
    assert.equal(updated.sequence, sequence + 1n, `${i}`);
    const texts = await network.each(network.nodes, async (node) => textOf(await node.dht.get(elsewhere.key)));
    assert.deepEqual([...new Set(texts)], ["mine again"]);
  }
});

test("who refuses an update as if there were another, and can show none, does not keep it from the others", async () => {
  const network = await dhtNetwork(60, 12);
  const [{ dht } = {}] = network.nodes;
  assert.ok(dht !== undefined);
  const { key: own } = await network.run(dht.update(encode("first")));
  const close = network.nodes
    .toSorted((a, b) => compareDistance(own.bytes, a.dht.id.bytes, b.dht.id.bytes))
    .slice(0, 20);
  const liars = close.filter((node, i) => node.dht !== dht && i % 5 === 0);
  for (const { endpoint, honest } of liars) {
    endpoint.serve({
      ping: (request, caller) => honest.ping(request, caller),
      findNode: (request, caller) => honest.findNode(request, caller),
      findValue: (request, caller) => honest.findValue(request, caller),
      store: () => {
        throw new DswarmError("record_conflict").toConnectError();
      },
    });
  }
  assert.equal((await network.run(dht.update(encode("second")))).sequence, 2n);
  const { sequence, replicas: count } = await network.run(dht.update(encode("third"), { expectedSequence: 2n }));
  assert.equal(sequence, 3n);
  assert.ok(count >= 20, "others take the places of those who refuse");
});

test("a provider whose clock was ahead is found by its newest word, and can take it back", async () => {
  const network = await dhtNetwork(30, 13);
  const [{ dht, keys, endpoint } = {}, other] = network.nodes;
  assert.ok(dht !== undefined && keys !== undefined && endpoint !== undefined && other !== undefined);
  const service = RecordKey.ofName("a.Service");
  // What it published when its clock was a year ahead.
  const sequence = BigInt(network.clock.wallMs() + 365 * 24 * hourMs);
  const addresses = [{ host: "10.1.1.1", port: 1 }];
  const early = createProvider({ keys, key: service, addresses, sequence });
  await network.run(dht.store.publish(early, ttlS));
  for (const node of network.nodes.slice(1)) {
    await network.run(endpoint.store(node.endpoint.contact, { record: messageOf(early) }, forever));
  }
  const found = async () => (await network.run(other.dht.findProviders(service))).map((record) => record.sequence);
  assert.deepEqual(await found(), [sequence]);
  await network.run(dht.provide(service));
  assert.deepEqual(await found(), [sequence + 1n]);
  await network.run(dht.unprovide(service));
  assert.deepEqual(await found(), []);
});
