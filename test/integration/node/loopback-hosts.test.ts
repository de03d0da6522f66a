// The names of this machine as the host of a node.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { request } from "node:https";
import { networkInterfaces } from "node:os";
import { type TestContext, test } from "node:test";
import { createNode, type DswarmNode } from "../../../src/index.ts";

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));

async function startOn(t: TestContext, host: string, udpPort: number): Promise<DswarmNode> {
  const node = await createNode({ host, discovery: { udpPort, intervalMs: 200 } });
  t.after(() => node.close());
  return node;
}

/** Status of GET /api/ping at an address. */
function statusAt(host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ host, port, path: "/api/ping", rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
}

/** Resolves when a node has heard of another. */
async function hears(node: DswarmNode, other: DswarmNode): Promise<void> {
  while (node.peers.get(other.id) === undefined) await new Promise((resolve) => node.once("peer", resolve));
}

test("a node on localhost finds one on 127.0.0.1", async (t) => {
  const udpPort = randomInt(20_000, 32_000);
  const [named, numbered] = await Promise.all([startOn(t, "localhost", udpPort), startOn(t, "127.0.0.1", udpPort)]);
  await Promise.all([hears(named, numbered), hears(numbered, named)]);
  assert.equal(await statusAt("127.0.0.1", named.port), 200);
});

test("a node on ::1 answers there and on 127.0.0.1, where peers find it", { skip: !hasIpv6 }, async (t) => {
  const udpPort = randomInt(20_000, 32_000);
  const [six, four] = await Promise.all([startOn(t, "::1", udpPort), startOn(t, "127.0.0.1", udpPort)]);
  await hears(four, six);
  assert.ok((await four.ping(six.id)).rttMs > 0);
  assert.deepEqual(await Promise.all([statusAt("::1", six.port), statusAt("127.0.0.1", six.port)]), [200, 200]);
  await six.close();
  await assert.rejects(statusAt("::1", six.port));
});
