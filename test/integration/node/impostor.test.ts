// An announce is a claim: who does not hold the key that it names is found out by the Secret Handshake.
import assert from "node:assert/strict";
import { test } from "node:test";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { announceAs } from "./announces.ts";
import { allAcquainted, apiPing, knows, startNode, testNetwork, until } from "./rig.ts";

test("a peer whose announce leads to another node is reported as unauthenticated until it is there itself", async (t) => {
  const options = await testNetwork({ intervalMs: 60_000 });
  const [node, decoy, bystander] = [
    await startNode(t, options),
    await startNode(t, options),
    await startNode(t, options),
  ];
  await allAcquainted([node, decoy, bystander]);
  const keys = generateKeyPair();
  const id = keys.id.toString();
  await announceAs(keys, options, { port: decoy.port });
  await knows(node, keys.id);

  for (let round = 0; round < 2; round++) {
    const results = await apiPing(node.port);
    assert.equal(results.length, 3);
    for (const result of results) {
      if (result.id !== id) {
        assert.equal(result.ok, true, result.error?.message);
        continue;
      }
      assert.equal(result.ok, false);
      assert.equal(result.address, `127.0.0.1:${decoy.port}`);
      assert.equal(result.error?.code, "unauthenticated");
      assert.equal(result.error.reason, "authentication_failed");
    }
  }
  assert.equal(node.peers.get(keys.id)?.verified, false);

  const real = await startNode(t, { ...options, keys });
  await until("the newer announce is heard", () => node.peers.get(keys.id)?.addresses[0]?.port === real.port);
  for (const { ok, error } of await apiPing(node.port)) assert.equal(ok, true, error?.message);
  assert.equal(node.peers.get(keys.id)?.verified, true);
});

test("a claim does not replace an address that a handshake has proven", async (t) => {
  const options = await testNetwork({ intervalMs: 60_000 });
  const keys = generateKeyPair();
  const [node, decoy] = [await startNode(t, options), await startNode(t, options)];
  const real = await startNode(t, { ...options, keys });
  await allAcquainted([node, decoy, real]);
  await node.ping(keys.id);
  await announceAs(keys, options, { port: decoy.port, epochMs: Date.now() + 60_000 });
  // The nodes of a process hear together. The real one outdoes the epoch at once, so that the claimed address does not stay.
  await until("the claim is heard", () => real.warnings.length > 0);
  assert.equal(node.peers.get(keys.id)?.addresses[0]?.port, real.port);
  assert.equal((await node.ping(keys.id)).address, `127.0.0.1:${real.port}`);
});

test("a peer forgotten because its announce said so is not pinged any more", async (t) => {
  const options = await testNetwork({ intervalMs: 60_000 });
  const node = await startNode(t, options);
  const keys = generateKeyPair();
  await announceAs(keys, options, { port: 1 });
  await knows(node, keys.id);
  await announceAs(keys, options, { port: 1, epochMs: Date.now() + 1, leaving: true });
  await until("it is forgotten", () => node.peers.get(keys.id) === undefined);
  assert.deepEqual(await apiPing(node.port), []);
});
