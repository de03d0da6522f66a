// Nodes that misbehave do it in the way that they are told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { contactFromMessage } from "../../src/dht/contact.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { keyPairFromSeed } from "../../src/identity/keys.ts";
import { sharedBits } from "../../src/identity/node-id.ts";
import { floodStores, type Misbehaviour, misbehave } from "../../src/testbed/byzantine.ts";
import type { Endpoint } from "../../src/testbed/endpoint.ts";
import { constantLatency } from "../../src/testbed/latency.ts";
import { SimulatedNetwork } from "../../src/testbed/network.ts";
import type { PeerAnswers } from "../../src/testbed/rpc-method.ts";
import { runUntil, sleep } from "../../src/testbed/run.ts";
import { VirtualClock } from "../../src/util/virtual-clock.ts";

const target = new Uint8Array(32).fill(0x5a);
const forever = new AbortController().signal;
const honest: PeerAnswers = {
  ping: ({ nonce }) => ({ nonce }),
  findNode: () => ({}),
  findValue: () => ({}),
  store: () => ({}),
};

function pair() {
  const clock = new VirtualClock(13);
  const network = new SimulatedNetwork({ clock, latency: constantLatency(5), deadNodes: "refuse" });
  const attach = (): Endpoint => network.attach(keyPairFromSeed(clock.randomBytes(32)).id);
  return { clock, node: attach(), liar: attach() };
}

function lying(kind: Misbehaviour) {
  const { clock, node, liar } = pair();
  liar.serve(misbehave(kind, clock, liar.contact, honest));
  return {
    clock,
    node,
    liar,
    findNode: () => runUntil(clock, node.findNode(liar.contact, { target }, forever)),
    findValue: () => runUntil(clock, node.findValue(liar.contact, { key: target }, forever)),
  };
}

test("dead contacts look close to the target, keep to the protocol and are not there", async () => {
  const { clock, node, findNode, findValue } = lying("dead-contacts");
  const { contacts } = await findNode();
  assert.equal(contacts.length, 20);
  for (const message of contacts) {
    const contact = contactFromMessage(message);
    assert.ok(contact !== undefined && sharedBits(contact.id.bytes, target) >= 16);
    await assert.rejects(runUntil(clock, node.ping(contact, {}, forever)), /nothing answers/);
  }
  assert.equal((await findValue()).contacts.length, 20);
});

test("own contacts are many ids at one address, where another node answers", async () => {
  const { clock, node, liar, findNode } = lying("own-contacts");
  const { contacts } = await findNode();
  assert.equal(new Set(contacts.map(({ id }) => Buffer.from(id).toString("hex"))).size, 20);
  assert.deepEqual(new Set(contacts.map(({ addresses }) => addresses.join())), new Set(["10.0.0.2:4000"]));
  const contact = contactFromMessage(contacts[0] ?? { id: new Uint8Array(), addresses: [] });
  assert.ok(contact !== undefined);
  await assert.rejects(runUntil(clock, node.ping(contact, {}, forever)), /does not hold the expected key/);
  await runUntil(clock, node.ping(liar.contact, {}, forever));
});

test("wrong values are not of the key that was asked for", async () => {
  const { findValue } = lying("wrong-values");
  const kind = (await findValue()).records[0]?.kind;
  assert.ok(kind?.case === "immutable");
  assert.ok(!RecordKey.ofValue(kind.value.value).equals(RecordKey.fromBytes(target)));
});

test("oversized answers have a thousand contacts and a value over the limit", async () => {
  const { findNode, findValue } = lying("oversized");
  assert.equal((await findNode()).contacts.length, 1000);
  const kind = (await findValue()).records[0]?.kind;
  assert.ok(kind?.case === "immutable" && kind.value.value.length > 65_536);
});

test("the silent never answer", async () => {
  const { clock, node, liar } = lying("silent");
  const controller = new AbortController();
  const ping = assert.rejects(node.ping(liar.contact, {}, controller.signal), { code: Code.Canceled });
  await runUntil(clock, sleep(clock, 60_000));
  assert.equal(liar.served, 1);
  controller.abort();
  await runUntil(clock, ping);
});

test("a flood stores another value each time, as fast as told, until it is ended", async () => {
  const { clock, node, liar } = pair();
  const values = new Set<string>();
  node.serve({
    ...honest,
    store({ record }) {
      if (record?.kind.case === "immutable") values.add(RecordKey.ofValue(record.kind.value.value).toHex());
      throw new ConnectError("no room", Code.ResourceExhausted);
    },
  });
  const end = floodStores({ clock, peers: liar, victims: [node.contact], storesPerSecond: 100 });
  await runUntil(clock, sleep(clock, 1000));
  end();
  const before = values.size;
  assert.ok(Math.abs(before - 100) <= 2, String(before));
  await runUntil(clock, sleep(clock, 1000));
  assert.ok(values.size <= before + 1);
});
