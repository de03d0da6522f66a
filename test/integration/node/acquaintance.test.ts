// As long as a node has reason to, it knows a peer, and no longer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import type { NodeId } from "../../../src/identity/node-id.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { announceAs } from "./announces.ts";
import { freeTcpPort, startNode, type TestNetwork, testNetwork, until } from "./rig.ts";

/** Tells of a node's peers as they come and go. */
function keepTrack(node: DswarmNode): string[] {
  const told: string[] = [];
  const name = (id: NodeId): string => id.toString().slice(0, 4);
  node.on("peer", ({ id, origin }) => told.push(`${name(id)} ${origin}`));
  node.on("peerLost", (id, reason) => told.push(`${name(id)} ${reason}`));
  node.on("connected", (id) => told.push(`${name(id)} connected`));
  node.on("disconnected", (id) => told.push(`${name(id)} disconnected`));
  return told;
}

async function startListening(t: Parameters<typeof startNode>[0]): Promise<[DswarmNode, TestNetwork, string[]]> {
  const options = await testNetwork({ intervalMs: 20 });
  const node = await startNode(t, options);
  return [node, options, keepTrack(node)];
}

test("a peer whose announces end while it is connected is lost with the connection", async (t) => {
  const [node, options, told] = await startListening(t);
  const peer = await startNode(t, { network: options.network, discovery: false });
  const name = peer.id.toString().slice(0, 4);
  await announceAs(peer.config.keys ?? generateKeyPair(), options, { port: 1 });
  await peer.ping(node.address);
  // Another stranger, heard later, expires: by then the silence of the first was noticed too.
  await peer.close();
  await until("it is lost", () => told.includes(`${name} left`));
});
