// What tests of whole nodes share: nodes that end with their test, a UDP port of each test's own, and requests to /api.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type RequestOptions, request } from "node:https";
import { createServer } from "node:net";
import type { TestContext } from "node:test";
import { type CreateNodeOptions, createNode } from "../../../src/create-node.ts";
import type { DiscoveryOptions } from "../../../src/discovery/options.ts";
import type { NodeId } from "../../../src/identity/node-id.ts";
import { compareDistance } from "../../../src/identity/node-id.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import type { LogFields, Logger } from "../../../src/util/log.ts";

const deadlineMs = 120_000;
const pollMs = 5;
const defaultUdpPort = 25_519;

/** Resolves once the condition holds; rejects after a deadline that only a fault reaches. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = deadlineMs,
): Promise<void> {
  const giveUpAt = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`waited in vain until ${what}`);
    await new Promise((go) => setTimeout(go, pollMs));
  }
}

/** A UDP port that nobody uses, never the default one. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port === defaultUdpPort ? freeUdpPort() : port;
}

/** A TCP port of 127.0.0.1 that nobody listens on. */
export async function freeTcpPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  server.close();
  await once(server, "close");
  return address.port;
}

/** A network of one test: its own name and UDP port, with short intervals. */
export interface TestNetwork {
  readonly network: string;
  readonly discovery: Omit<DiscoveryOptions, "host"> & { readonly udpPort: number };
}

/** Makes a network that no other test is on. */
export async function testNetwork(discovery: Omit<DiscoveryOptions, "host"> = {}): Promise<TestNetwork> {
  return {
    network: `test-${randomBytes(6).toString("hex")}`,
    discovery: { intervalMs: 200, ...discovery, udpPort: await freeUdpPort() },
  };
}

/** Keeps what is logged. */
export class LogKeeper implements Logger {
  readonly lines: { readonly level: string; readonly fields: LogFields }[] = [];
  readonly debug = (fields: LogFields): void => void this.lines.push({ level: "debug", fields });
  readonly info = (fields: LogFields): void => void this.lines.push({ level: "info", fields });
  readonly warn = (fields: LogFields): void => void this.lines.push({ level: "warn", fields });
  readonly error = (fields: LogFields): void => void this.lines.push({ level: "error", fields });

  /** The events logged as a warning or an error. */
  get complaints(): unknown[] {
    return this.lines.filter(({ level }) => level === "warn" || level === "error").map(({ fields }) => fields);
  }
}

/** A node that is closed after the test. */
export async function startNode(t: TestContext, options: CreateNodeOptions): Promise<DswarmNode> {
  const node = await createNode(options);
  t.after(() => node.close());
  return node;
}

/** Nodes without discovery, each of which has all others in its table. The first is the bootstrap peer of the others. */
export async function swarmOf(t: TestContext, count: number, options: CreateNodeOptions = {}): Promise<DswarmNode[]> {
  const first = await startNode(t, { discovery: false, ...options });
  const nodes = [first];
  while (nodes.length < count)
    nodes.push(await startNode(t, { discovery: false, bootstrap: [first.address], ...options }));
  for (const node of nodes.slice(1)) {
    await node.dht.bootstrap([{ id: first.id, addresses: [{ host: "127.0.0.1", port: first.port }] }]);
  }
  await until("all are in all tables", () => nodes.every(({ dht }) => dht.table.size === count - 1));
  return nodes;
}

/** Resolves when every node knows all others. */
export async function allAcquainted(nodes: readonly DswarmNode[]): Promise<void> {
  await until("all know all", () =>
    nodes.every((node) => nodes.every((other) => other === node || node.peers.get(other.id) !== undefined)),
  );
}

/** Resolves when a node knows a peer. */
export async function knows(node: DswarmNode, id: NodeId): Promise<void> {
  await until("the peer is known", () => node.peers.get(id) !== undefined);
}

/** The ids of nodes in text form, the closest to a target first. */
export function byDistance(target: NodeId, ids: readonly NodeId[]): string[] {
  return [...ids].sort((a, b) => compareDistance(target.bytes, a.bytes, b.bytes)).map(String);
}

/** An answer of /api. */
export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.ReadOnlyDict<string | string[]>;
  /** Each header with all its values. */
  readonly distinct: NodeJS.ReadOnlyDict<string[]>;
  readonly text: string;
}

/** Sends a request, with a body of JSON or none, on a connection of its own. */
export async function send(port: number, path: string, options: RequestOptions = {}, body = ""): Promise<Answer> {
  const headers = body === "" ? {} : { "Content-Type": "application/json" };
  const own = { host: "127.0.0.1", port, path, agent: false, rejectUnauthorized: false, headers };
  const outgoing = request({ ...own, ...options });
  outgoing.end(body);
  const [incoming] = await once(outgoing, "response");
  incoming.setEncoding("utf8");
  let text = "";
  for await (const chunk of incoming) text += chunk;
  return { status: incoming.statusCode, headers: incoming.headers, distinct: incoming.headersDistinct, text };
}

/** One result of /api/ping. */
export interface PingAnswer {
  readonly id: string;
  readonly address: string;
  readonly ok: boolean;
  readonly rttMs?: number;
  readonly error?: { readonly code: string; readonly reason: string; readonly message: string };
}

/** GET /api/ping of a node, which must be answered 200. */
export async function apiPing(port: number, query = ""): Promise<PingAnswer[]> {
  return (await apiJson(port, `/api/ping${query}`)).results;
}

/** GET of a short route, which must be answered 200. */
export async function apiJson(port: number, path: string) {
  const { status, text } = await send(port, path);
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

/** Fails unless the results are good pings of these peers, the closest first. */
export function assertPinged(results: readonly PingAnswer[], ids: readonly string[]): void {
  assert.deepEqual(
    results.map(({ id }) => id),
    ids,
  );
  for (const { ok, rttMs, address, error } of results) {
    assert.equal(ok, true, error?.message);
    assert.ok(typeof rttMs === "number" && rttMs >= 0);
    assert.match(address, /^127\.0\.0\.1:\d+$/);
  }
}
