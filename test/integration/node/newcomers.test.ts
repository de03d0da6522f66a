// Nodes that come after others were killed: they get the records that they are close to, though nobody said goodbye.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { type ChildNode, startChild } from "./child-node.ts";
import { send, testNetwork, until } from "./rig.ts";

const count = 30;

async function statusOf(child: ChildNode) {
  return JSON.parse((await send(child.port, "/api/status")).text);
}

/** Records that a child holds. */
async function heldBy(child: ChildNode): Promise<number> {
  return (await statusOf(child)).records;
}

test("eight of ten processes are killed: three that come hold all within a minute, and serve it when the other two are killed, too", async (t) => {
  const options = await testNetwork();
  const start = () => startChild(t, options);
  const children: ChildNode[] = [];
  // Ten at once may take a busy machine too long.
  for (let i = 0; i < 5; i++) children.push(...(await Promise.all([start(), start()])));
  await until("all tables hold all", async () => {
    for (const child of children) if ((await statusOf(child)).contacts < 9) return false;
    return true;
  });
  const keys: string[] = [];
  for (let i = 0; i < count; i++) {
    const body = JSON.stringify({ value: Buffer.from(`value ${i}`).toString("base64") });
    const { status, text } = await send(children[i % 10]?.port ?? 0, "/api/values", { method: "POST" }, body);
    assert.equal(status, 200, text);
    keys.push(RecordKey.parse(JSON.parse(text).key).toBase64url());
  }
  for (const child of children) assert.equal(await heldBy(child), count);
  const survivors = children.slice(0, 2);
  await Promise.all(children.slice(2).map((child) => child.kill()));
  const newcomers = await Promise.all([start(), start(), start()]);
  for (const newcomer of newcomers) {
    await until("the newcomer holds all", async () => (await heldBy(newcomer)) === count);
  }
  await Promise.all(survivors.map((child) => child.kill()));
  for (const [i, key] of keys.entries()) {
    const { status, text } = await send(newcomers[i % 3]?.port ?? 0, `/api/values/${key}`);
    assert.equal(status, 200, `${i}: ${text}`);
  }
});
