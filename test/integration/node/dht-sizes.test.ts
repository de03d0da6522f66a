// Requests to DhtService that take little on the wire and much in memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { DhtService } from "../../../gen/dswarm/v1/dht_pb.ts";
import { createImmutable, recordToMessage } from "../../../src/dht/record-codec.ts";
import { startNode } from "./rig.ts";

test("a request of DhtService over its size is refused before it is decoded", async (t) => {
  const victim = await startNode(t, { discovery: false });
  const attacker = await startNode(t, { discovery: false, dht: { isClient: true } });
  const client = attacker.client(DhtService, victim.address);
  const record = recordToMessage(createImmutable(new Uint8Array(65_536)), 60);
  // Two bytes each. Decoded, a request of 16 MiB takes 1.2 GB and stops the node for ten seconds.
  const store = client.store({ record, forwardTo: Array.from({ length: 40_000 }, () => new Uint8Array()) });
  await assert.rejects(store, (error: unknown) => {
    assert.ok(error instanceof ConnectError);
    assert.equal(error.code, Code.ResourceExhausted);
    assert.match(error.rawMessage, /^a message over the size limit: \d+ bytes, the limit is 131072$/);
    return true;
  });
  // What is within the size is looked at.
  await assert.rejects(client.store({ record, forwardTo: Array.from({ length: 30_000 }, () => new Uint8Array()) }), {
    code: Code.InvalidArgument,
  });
  await client.store({ record });
  assert.equal(victim.dht.store.size, 1);
});
