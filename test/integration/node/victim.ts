// A node in a process of its own that is attacked, and what must be so afterwards.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { NodeId } from "../../../src/identity/node-id.ts";
import { type ChildNode, startChild } from "./child-node.ts";
import { apiJson, apiPing, startNode, type TestNetwork, testNetwork, until } from "./rig.ts";

/** The victim and its network. */
export interface Victim {
  readonly child: ChildNode;
  readonly id: NodeId;
  readonly port: number;
  readonly options: TestNetwork;
  /** Its counters, by name. */
  counters(): Promise<Readonly<Record<string, number>>>;
}

/** Starts a victim whose half-open connections end soon, unless it is told otherwise. */
export async function startVictim(
  t: TestContext,
  {
    handshakeTimeoutMs = 3000,
    intervalMs = 200,
    ...changes
  }: { readonly maxPeers?: number; readonly handshakeTimeoutMs?: number; readonly intervalMs?: number } = {},
): Promise<Victim> {
  const options = await testNetwork({ intervalMs });
  const child = await startChild(t, { ...options, ...changes, channel: { handshakeTimeoutMs } });
  const { port } = child;
  const counters = async () => (await apiJson(port, "/api/status")).counters;
  return { child, id: NodeId.parse(child.id), port, options, counters };
}

/** Fails unless the victim runs as if nothing had happened: discovers a new node, pings it, and is pinged by it. */
export async function assertUnharmed(t: TestContext, { child, id, port, options }: Victim): Promise<void> {
  const newcomer = await startNode(t, options);
  await child.told("peer", { id: newcomer.id.toString() });
  await until("the newcomer knows the victim", () => newcomer.peers.get(id) !== undefined);
  const ofNewcomer = `?ids=${newcomer.id.toHex()}`;
  // While connections of the attack that were never finished use up their time, none may be left for others.
  const ping = () => apiPing(port, ofNewcomer).catch(() => []);
  await until("the victim pings", async () => (await ping())[0]?.ok === true);
  assert.ok((await newcomer.ping(id)).rttMs >= 0);
  child.assertUnharmed();
  assert.equal(child.isRunning, true);
}
