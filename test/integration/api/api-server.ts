// /api on a real HTTP server on 127.0.0.1, and requests to it with every header in the test's hand.
import { once } from "node:events";
import { createServer, request } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import type { TestContext } from "node:test";
import { createServiceImplSpec, type ServiceImpl, type ServiceImplSpec, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";
import { NodeService } from "../../../gen/dswarm/v1/node_pb.ts";
import type { ApiOptions } from "../../../src/api/options.ts";
import { createApi } from "../../../src/api/server.ts";
import { Counters } from "../../../src/util/counters.ts";
import { type LogFields, silentLogger } from "../../../src/util/log.ts";

/** A running server. */
export interface ApiServer {
  readonly port: number;
  readonly url: string;
  readonly counters: Counters;
  /** What was logged as an error. */
  readonly errors: readonly LogFields[];
}

/** Serves until the test ends. With `tls` over TLS. */
export async function startApi(
  t: TestContext,
  options: ApiOptions,
  tls?: { readonly key: string; readonly cert: string },
): Promise<ApiServer> {
  const counters = new Counters();
  const errors: LogFields[] = [];
  const logger = { ...silentLogger, error: (fields: LogFields) => void errors.push(fields) };
  const api = createApi({ counters, logger, ...options });
  const server = tls === undefined ? createServer(api) : createTlsServer(tls, api);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  // Of a server that listens on TCP; Node's type allows for pipes.
  const { port } = server.address() as AddressInfo;
  return { port, url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`, counters, errors };
}

/** One answer. */
export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.ReadOnlyDict<string | string[]>;
  readonly text: string;
}

interface RequestInit {
  readonly method?: string;
  /** Names and values in turn, sent as they are. Without Host, the right one is added. */
  readonly headers?: readonly string[];
  readonly body?: string | Uint8Array;
}

/** Sends a request of a connection of its own. */
export async function send(port: number, path: string, init: RequestInit = {}): Promise<Answer> {
  const { method = "GET", headers = [], body } = init;
  const names = new Set(headers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()));
  const all = [...headers];
  if (!names.has("host")) all.push("Host", `127.0.0.1:${port}`);
  if (body !== undefined && !names.has("transfer-encoding")) all.push("Content-Length", `${Buffer.byteLength(body)}`);
  // An agent's keep-alive would outlive the test.
  const outgoing = request({ host: "127.0.0.1", port, path, method, headers: all, agent: false });
  outgoing.end(body);
  const [incoming] = await once(outgoing, "response");
  incoming.setEncoding("utf8");
  let text = "";
  for await (const chunk of incoming) text += chunk;
  return { status: incoming.statusCode, headers: incoming.headers, text };
}

/** Sends a JSON body. */
export function post(
  port: number,
  path: string,
  body: string | Uint8Array,
  type = "application/json",
): Promise<Answer> {
  return send(port, path, { method: "POST", headers: ["Content-Type", type], body });
}

/** Writes bytes to a socket and reads until the connection ends, by a reset too. */
export async function sendRaw(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => {});
  socket.write(text, "latin1");
  await new Promise((resolve) => socket.once("close", resolve));
  return Buffer.concat(chunks).toString("latin1");
}

const transportTo = (url: string) => ({
  baseUrl: `${url}/api`,
  httpVersion: "1.1" as const,
  nodeOptions: { agent: false as const },
});

/** Connect's clients of a server, by protocol and format. */
export const transports: Readonly<Record<string, (url: string) => Transport>> = {
  "Connect's protocol, binary": (url) => createConnectTransport({ ...transportTo(url), useBinaryFormat: true }),
  "Connect's protocol, JSON": (url) => createConnectTransport({ ...transportTo(url), useBinaryFormat: false }),
  "gRPC-Web, binary": (url) => createGrpcWebTransport({ ...transportTo(url), useBinaryFormat: true }),
  "gRPC-Web, JSON": (url) => createGrpcWebTransport({ ...transportTo(url), useBinaryFormat: false }),
  "connect-web, Connect's protocol": (url) => web.createConnectTransport({ baseUrl: `${url}/api` }),
  "connect-web, gRPC-Web": (url) => web.createGrpcWebTransport({ baseUrl: `${url}/api` }),
};

/** A NodeId as a node writes it. */
export const someId = "@Z0WGUpkPXSd6UeQ7LYnBBMnI6ZwcHvHtBVFK9mFHb2E=";
/** A record's key as a node writes it. */
export const someKey = "&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

/**
 * NodeService with answers that are always the same: what a node answers is tested with the node; here only what becomes
 * of it on its way.
 */
export function nodeService(changes: Partial<ServiceImpl<typeof NodeService>> = {}): ServiceImplSpec {
  return createServiceImplSpec<typeof NodeService>(NodeService, {
    pingPeers: ({ ids, count }) => ({
      results: [
        { id: ids[0] ?? someId, address: "127.0.0.1:1", ok: true, rttMs: 0.5 },
        {
          id: someId,
          address: `127.0.0.1:${count}`,
          ok: false,
          error: { code: "unavailable", reason: "unreachable", message: "gone" },
        },
      ],
    }),
    listPeers: ({ limit }) => ({ peers: limit === 0 ? [] : [{ id: someId, addresses: ["127.0.0.1:1"], source: 2 }] }),
    getStatus: () => ({ id: someId, network: "dev", port: 1, uptimeMs: 1.5, counters: { "api.requests": 3 } }),
    putValue: ({ value, key }) => ({ key: key || someKey, replicas: value.length, keptHere: true }),
    getValue: ({ key }) => ({ record: { kind: { case: "immutable", value: { value: Buffer.from(key) } }, ttlS: 9 } }),
    updateValue: ({ salt, expectedSequence }) => ({
      key: someKey,
      replicas: salt.length,
      sequence: (expectedSequence ?? 0n) + 1n,
    }),
    deleteValue: ({ salt, expectedSequence }) => ({
      key: someKey,
      replicas: salt.length,
      sequence: (expectedSequence ?? 0n) + 1n,
    }),
    provide: ({ key, name }) => ({ key: key || someKey, replicas: name.length, keptHere: true }),
    unprovide: ({ key }) => ({ key: key || someKey }),
    findProviders: ({ key, limit }) => ({ key, providers: [{ id: someId, addresses: [`127.0.0.1:${limit}`] }] }),
    findKeepers: ({ key }) => ({ key, nodes: [{ id: someId, self: true, records: 1, sequence: 2n, ttlS: 9 }] }),
    lookup: ({ key }) => ({ closest: [{ id: key }], hops: 1, queries: 2, elapsedMs: 0.25 }),
    listBuckets: () => ({ buckets: [{ sharedBits: 1, contacts: [{ id: someId, misses: 1, rttMs: 0.5 }] }] }),
    listRecords: ({ limit, after }) => ({
      records: [{ id: after, key: someKey, bytes: limit, sequence: 2n }],
      next: "n",
    }),
    findPeer: ({ id }) => ({ peer: { id, addresses: ["127.0.0.1:1"] }, lookedUp: true }),
    listServices: ({ id }) => ({ services: [{ name: id, methods: [{ name: "Say", kind: 1 }] }] }),
    describeService: ({ service }) => ({ service: { name: service, methods: [{ name: "Say", kind: 1 }] } }),
    checkHealth: ({ id, service }) => ({ status: 1, elapsedMs: id.length + service.length }),
    listSwarm: () => ({ nodes: [{ id: someId, port: 1, index: 1, self: true, pid: 7 }] }),
    addSwarmNode: () => ({ node: { id: someId, port: 2, index: 2, pid: 7 } }),
    stopSwarmNode: () => ({}),
    async *watchEvents({ past }) {
      yield { number: past, name: "peer_appeared" };
    },
    async *traceLookup({ key }) {
      yield { kind: 1, target: key.slice(0, 9) };
    },
    async *watchValue({ key }) {
      yield { record: { kind: { case: "immutable", value: { value: Buffer.from(key) } }, ttlS: 9 } };
    },
    ...changes,
  });
}
