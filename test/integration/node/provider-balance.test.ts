// How calls of a service by its type alone are shared out among its providers, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { swarmOf } from "./rig.ts";

const calls = 2000;

/** The share of the calls that each provider gets. */
async function sharesOf(caller: DswarmNode, providers: readonly DswarmNode[], atOnce: number): Promise<number[]> {
  const echo = caller.client(EchoService);
  const counts = new Map(providers.map(({ id }) => [id.toHex(), 0]));
  let left = calls;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const by = Buffer.from((await echo.echo({})).payload).toString("hex");
      counts.set(by, (counts.get(by) ?? assert.fail(`${by} provides nothing`)) + 1);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return [...counts.values()].map((count) => count / calls);
}

for (const atOnce of [1, 16, 200]) {
  test(`each of four equal providers gets a quarter of the calls, ${atOnce} at once`, async (t) => {
    const [hub = assert.fail(), caller = assert.fail(), ...providers] = await swarmOf(t, 6);
    for (const provider of providers) {
      provider.serve(EchoService, { echo: () => ({ payload: provider.id.bytes }) });
      await provider.provide(EchoService);
    }
    // A node that has never called one of them, and one that all of them are connected with.
    for (const node of [caller, hub]) {
      const shares = await sharesOf(node, providers, atOnce);
      for (const share of shares) assert.ok(share >= 0.2 && share <= 0.3, shares.join(" "));
      t.diagnostic(shares.join(" "));
    }
  });
}
