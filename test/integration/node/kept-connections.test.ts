// A peer that serves is not idle: the connection that it has dialed is the only way to it where it cannot be dialed.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import type { CreateNodeOptions } from "../../../src/create-node.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { startNode, until } from "./rig.ts";

const options = { discovery: false, rpc: { idleTimeoutMs: 3000 } } satisfies CreateNodeOptions;
const hurried = { discovery: false, rpc: { idleTimeoutMs: 300 } } satisfies CreateNodeOptions;
// Of a node that serves no DHT nobody believes that it can be dialed.
const undialed = { dht: { isClient: true } };

function checksServed({ calls }: DswarmNode): number {
  return calls.served.of(Health.method.check).byCode.reduce((sum, count) => sum + count, 0);
}

test("a node that serves keeps the connection to a peer that cannot dial it", async (t) => {
  const hub = await startNode(t, options);
  const named = await startNode(t, { ...options, ...undialed, bootstrap: [hub.address] });
  const caller = await startNode(t, { ...options, ...undialed });
  const members = [named, caller];
  for (const member of members) member.serve(EchoService, { echo: () => ({ payload: member.id.bytes }) });
  await caller.ping(hub.address);
  await until("both are connected", () => members.every(({ id }) => hub.isConnected(id)));
  let ends = 0;
  for (const node of [hub, ...members]) node.on("disconnected", () => (ends += 1));
  // Some idle times pass: a member makes one or two checks in each.
  await until("the hub is asked for its health again and again", () => checksServed(hub) >= 8 || ends > 0);
  assert.equal(ends, 0);
  for (const { id } of members) {
    assert.equal(hub.peers.provenAddress(id), undefined);
    assert.deepEqual((await hub.client(EchoService, id).echo({})).payload, id.bytes);
  }
});

test("a node that serves nothing closes an idle connection, and so does one that the peer can dial", async (t) => {
  const hub = await startNode(t, { discovery: false });
  const silent = await startNode(t, { ...hurried, ...undialed });
  const dialed = await startNode(t, hurried);
  dialed.serve(EchoService, { echo: () => ({}) });
  for (const node of [silent, dialed]) {
    const ended = once(node, "disconnected");
    await node.ping(hub.address);
    const [id, reason] = await ended;
    assert.ok(hub.id.equals(id));
    assert.equal(reason, undefined);
  }
  assert.deepEqual((await hub.client(EchoService, dialed.address).echo({})).payload, new Uint8Array());
});
