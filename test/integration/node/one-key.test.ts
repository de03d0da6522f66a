// Two nodes with one key, in two processes or one: each reports the other, loudly.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { startChild } from "./child-node.ts";
import { apiJson, LogKeeper, startNode, testNetwork, until } from "./rig.ts";

test("each of two nodes with one key reports the other to its owner", { timeout: 120_000 }, async (t) => {
  const network = await testNetwork();
  const seed = randomBytes(32);
  const logger = new LogKeeper();
  const heard: string[] = [];
  const node = await startNode(t, { ...network, keys: keyPairFromSeed(seed), logger });
  node.on("keyUsedTwice", (address) => heard.push(address));
  const child = await startChild(t, { ...network, seed: seed.toString("hex") });
  assert.equal(child.id, node.id.toString());
  await child.told("log", { level: "error", of: "key_used_twice" });
  await until("this node has noticed", () => heard.length > 0);
  assert.deepEqual(heard, [`127.0.0.1:${child.port}`]);
  assert.deepEqual(
    logger.complaints.map((fields) => (fields as { event: string }).event),
    ["key_used_twice"],
  );
  assert.deepEqual(
    node.events.past(256).flatMap(({ name, address }) => (name === "key_used_twice" ? address : [])),
    heard,
  );
  const warning = /another node uses this node's key, at 127\.0\.0\.1:\d+: stop one, or give it a key of its own/;
  for (const [port, other] of [
    [node.port, child.port],
    [child.port, node.port],
  ] as const) {
    const { warnings } = (await apiJson(port, "/api/status")) as { warnings: string[] };
    assert.match(String(warnings), warning);
    assert.ok(String(warnings).includes(`:${other}:`));
  }
  assert.equal(node.counters.get("node.key_used_twice"), 1);
});

test("two nodes of one process with one key report each other, and a node alone reports nothing", {
  timeout: 60_000,
}, async (t) => {
  const network = await testNetwork({ intervalMs: 100 });
  const keys = keyPairFromSeed(randomBytes(32));
  const heard: string[][] = [[], []];
  const first = await startNode(t, { ...network, keys });
  first.on("keyUsedTwice", (address) => heard[0]?.push(address));
  await until("it has announced itself", () => first.counters.get("announce.dropped.own") > 5);
  assert.deepEqual(heard[0], []);
  const second = await startNode(t, { ...network, keys });
  second.on("keyUsedTwice", (address) => heard[1]?.push(address));
  await until("both have noticed", () => heard.every(({ length }) => length > 0));
  assert.deepEqual(heard, [[`127.0.0.1:${second.port}`], [`127.0.0.1:${first.port}`]]);
});
