// Who is on another network, or not allowed, is neither seen nor let in.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { CreateNodeOptions } from "../../../src/create-node.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { dswarmErrorOf, type ErrorCode } from "../../../src/util/errors.ts";
import { knows, LogKeeper, startNode, type TestNetwork, testNetwork } from "./rig.ts";

async function assertRefused(from: DswarmNode, to: DswarmNode, code: Code, reason: ErrorCode): Promise<void> {
  await assert.rejects(from.ping(to.address), (error) => {
    assert.ok(error instanceof ConnectError);
    assert.equal(dswarmErrorOf(error)?.code, reason);
    assert.equal(error.code, code);
    return true;
  });
  assert.equal(from.connections, 0);
}

/** Two nodes that differ in something, and one like the first, which the first must hear: by then it would both. */
async function assertStrangers(
  t: TestContext,
  options: TestNetwork,
  first: CreateNodeOptions,
  second: CreateNodeOptions,
): Promise<void> {
  const a = await startNode(t, { ...options, ...first });
  const b = await startNode(t, { ...options, ...second });
  const witness = await startNode(t, { ...options, ...first });
  await knows(a, witness.id);
  await knows(witness, a.id);
  assert.equal(a.peers.get(b.id), undefined);
  assert.equal(b.peers.size, 0);
  await assertRefused(a, b, Code.Unauthenticated, "hello_invalid");
  await assertRefused(b, a, Code.Unauthenticated, "hello_invalid");
}

test("nodes of different network names do not see each other and cannot connect", async (t) => {
  const options = await testNetwork();
  await assertStrangers(t, options, {}, { network: `${options.network}-other` });
});

test("nodes of different network keys under one name do not see each other and cannot connect", async (t) => {
  const options = await testNetwork();
  const networkKey = randomBytes(32);
  await assertStrangers(t, options, { networkKey }, { networkKey: randomBytes(32) });
});

test("a random network key shared by two nodes connects them", async (t) => {
  const options = { ...(await testNetwork()), networkKey: new Uint8Array(randomBytes(32)) };
  const [a, b] = [await startNode(t, options), await startNode(t, options)];
  // What the caller does with its copy afterwards changes nothing.
  options.networkKey.fill(0);
  await knows(a, b.id);
  await a.ping(b.id);
});

test("authorize refuses a peer both when it dials and when it is dialed", async (t) => {
  const allowed = generateKeyPair();
  const node = await startNode(t, { discovery: false, authorize: (id) => id.equals(allowed.id) });
  const friend = await startNode(t, { discovery: false, keys: allowed });
  const stranger = await startNode(t, { discovery: false });
  await node.ping(friend.address);
  await friend.ping(node.address);
  await assertRefused(stranger, node, Code.Unauthenticated, "authentication_failed");
  assert.equal(node.counters.get("handshake.failed.peer_not_allowed"), 1);
  await assert.rejects(node.ping(stranger.address), (error) => {
    assert.equal(dswarmErrorOf(error)?.code, "peer_not_allowed");
    assert.equal(ConnectError.from(error).code, Code.PermissionDenied);
    return true;
  });
  assert.equal(stranger.counters.get("handshake.ok"), 0);
  assert.deepEqual([node.connections, friend.connections, stranger.connections], [1, 1, 0]);
});

const wrong: readonly (readonly [name: string, authorize: unknown])[] = [
  [
    "throws",
    () => {
      throw new Error("the list cannot be read");
    },
  ],
  ["returns a promise", () => Promise.resolve(true)],
  ["returns nothing", () => undefined],
];

for (const [name, authorize] of wrong) {
  test(`an authorize that ${name} refuses every peer`, async (t) => {
    const log = new LogKeeper();
    const options: CreateNodeOptions = { discovery: false, logger: log };
    // As a program without types might.
    const node = await startNode(t, Object.assign(options, { authorize }));
    const peer = await startNode(t, { discovery: false });
    await assertRefused(peer, node, Code.Unauthenticated, "authentication_failed");
    await assertRefused(node, peer, Code.PermissionDenied, "peer_not_allowed");
    const told = log.lines.filter(({ fields }) => fields.event === "authorize_failed");
    assert.equal(told.length, name === "throws" ? 2 : 0);
  });
}
