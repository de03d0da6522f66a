// node conformance/adapters/typescript.ts
//
// Drives the TypeScript implementation through its public API, as docs/conformance.md says. Each connection is a node of its own.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { ConnectError } from "@connectrpc/connect";
import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import {
  type CreateNodeOptions,
  createNode,
  DswarmError,
  type DswarmNode,
  generateKeyPair,
  keyPairFromSeed,
  NodeId,
  parsePeerAddress,
  RecordKey,
} from "../../src/index.ts";
import { EchoHandlers } from "../echo-handlers.ts";

interface RequestSpec {
  readonly text?: string;
  readonly size?: number;
  readonly times?: number;
}

/** A command, with the fields of all of them. */
interface Command {
  readonly id: number;
  readonly do: string;
  readonly text: string;
  readonly address: string;
  readonly network?: string;
  readonly networkKey?: string;
  readonly seed?: string;
  readonly serve?: boolean;
  readonly options?: Readonly<Record<string, number>>;
  readonly connection: string;
  readonly call: string;
  readonly method: string;
  readonly requests: readonly RequestSpec[];
  readonly count?: number;
  readonly metadata?: readonly (readonly [string, string])[];
  readonly timeoutMs?: number;
  readonly paused?: boolean;
  readonly hold?: boolean;
  readonly cancelAfter?: number;
  readonly udpPort: number;
  readonly discovery?: string;
  readonly bootstrap: readonly string[];
  readonly dht?: string;
  readonly value: string;
  readonly key: string;
  readonly salt?: string;
  readonly expectedSequence?: string;
}

interface Connection {
  readonly node: DswarmNode;
  readonly address: string;
  readonly handlers: EchoHandlers;
  readonly closed: Promise<string>;
}

class Call {
  readonly resume = Promise.withResolvers<void>();
  readonly finish = Promise.withResolvers<void>();
  readonly abort = new AbortController();
  sent = 0;
  received = 0;
}

const connections = new Map<string, Connection>();
const calls = new Map<string, Call>();
/** Nodes of discoveries and of DHTs. */
const nodes = new Map<string, DswarmNode>();
let lastName = 0;

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const bytesOf = (text: string): Buffer => Buffer.from(text, "base64");

function entry<T>(map: Map<string, T>, name: string | undefined): T {
  const found = map.get(name ?? "");
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

function nodeOptions({ network, networkKey, seed, options = {} }: Command): CreateNodeOptions {
  const { handshakeTimeoutMs, ...rpc } = options;
  return {
    ...(network !== undefined && { network }),
    ...(networkKey !== undefined && { networkKey: bytesOf(networkKey) }),
    keys: seed === undefined ? generateKeyPair() : keyPairFromSeed(bytesOf(seed)),
    discovery: false,
    dht: { isClient: true },
    ...(handshakeTimeoutMs !== undefined && { channel: { handshakeTimeoutMs } }),
    rpc,
  };
}

async function dial(command: Command): Promise<object> {
  const { address } = command;
  const node = await createNode(nodeOptions(command));
  const handlers = new EchoHandlers();
  if (command.serve === true) node.serve(EchoService, handlers.implementation);
  const closed = new Promise<string>((resolve) => {
    node.once("disconnected", (_, reason) => resolve(reason?.code ?? "goodbye"));
  });
  try {
    const peer = await new Promise<NodeId>((resolve, reject) => {
      node.once("connected", resolve);
      node.ping(address).catch(reject);
    });
    const connection = `c${++lastName}`;
    connections.set(connection, { node, address, handlers, closed });
    return { connection, peer: base64(peer.bytes) };
  } catch (error) {
    await node.close();
    throw error;
  }
}

function* payloads(requests: readonly RequestSpec[]): Generator<Uint8Array> {
  for (const { text, size = 0, times = 1 } of requests) {
    const payload = text === undefined ? new Uint8Array(size).fill(size % 251) : new TextEncoder().encode(text);
    for (let i = 0; i < times; i++) yield payload;
  }
}

async function call(command: Command): Promise<object> {
  const { node, address } = entry(connections, command.connection);
  const state = new Call();
  calls.set(command.call, state);
  const headers = new Headers();
  let [header, trailer] = [new Headers(), new Headers()];
  const hash = createHash("sha256");
  let bytes = 0;
  for (const [key, value] of command.metadata ?? []) headers.append(key, value);
  const options = {
    headers,
    signal: state.abort.signal,
    ...(command.timeoutMs !== undefined && { timeoutMs: command.timeoutMs }),
    onHeader: (given: Headers) => {
      header = given;
    },
    onTrailer: (given: Headers) => {
      trailer = given;
    },
  };
  async function* requests() {
    for (const payload of payloads(command.requests)) {
      yield { payload };
      state.sent += 1;
    }
    if (command.hold === true) await state.finish.promise;
  }
  function take({ payload }: { readonly payload: Uint8Array }): void {
    hash.update(payload);
    bytes += payload.length;
    state.received += 1;
    if (state.received === command.cancelAfter) state.abort.abort();
  }
  async function takeAll(answers: AsyncIterable<{ readonly payload: Uint8Array }>): Promise<void> {
    if (command.paused === true) await state.resume.promise;
    for await (const answer of answers) take(answer);
  }
  const client = node.client(EchoService, address);
  const [payload = new Uint8Array()] = payloads(command.requests);
  let collected: { count: number; bytes: number } | undefined;
  let fault: ConnectError | undefined;
  try {
    if (command.method === "Echo") take(await client.echo({ payload }, options));
    else if (command.method === "Repeat") await takeAll(client.repeat({ payload, count: command.count ?? 0 }, options));
    else if (command.method === "Converse") await takeAll(client.converse(requests(), options));
    else {
      const answer = await client.collect(requests(), options);
      collected = { count: answer.count, bytes: Number(answer.bytes) };
      state.received += 1;
    }
  } catch (error) {
    fault = ConnectError.from(error);
  }
  return {
    code: fault?.code ?? 0,
    message: fault?.rawMessage ?? "",
    details:
      fault?.details.map((detail) => "type" in detail && { type: detail.type, value: base64(detail.value) }) ?? [],
    header: [...header].flatMap(pairs),
    trailer: [...(fault?.metadata ?? trailer)].flatMap(pairs),
    messages: state.received,
    bytes,
    sha256: hash.digest("hex"),
    collected,
    reason: fault?.cause instanceof DswarmError ? fault.cause.code : undefined,
  };
}

/** `Headers` joins the values of a key, and has bytes in base64. */
function pairs([key, value]: [string, string]): [string, string][] {
  if (!key.endsWith("-bin")) return [[key, value]];
  return value.split(",").map((one) => [key, base64(bytesOf(one.trim()))]);
}

function keep(kind: string, node: DswarmNode): string {
  const name = `${kind}${++lastName}`;
  nodes.set(name, node);
  return name;
}

async function discover(command: Command): Promise<object> {
  const discovery = { udpPort: command.udpPort };
  return { discovery: keep("discovery", await createNode({ ...nodeOptions(command), discovery })) };
}

async function join(command: Command): Promise<object> {
  const node = await createNode(nodeOptions(command));
  await node.dht.bootstrap(
    command.bootstrap.map(parsePeerAddress).map(({ id, host, port }) => ({ id, addresses: [{ host, port }] })),
  );
  return { dht: keep("dht", node) };
}

async function get({ dht, key }: Command): Promise<object> {
  const record = await entry(nodes, dht).dht.get(RecordKey.fromBytes(bytesOf(key)));
  if (record === undefined) return { found: false };
  const sequence = record.kind === "mutable" ? { sequence: record.sequence.toString() } : {};
  return { found: true, value: base64(record.value), ...sequence };
}

async function update({ dht, value, salt, expectedSequence }: Command): Promise<object> {
  const options = {
    ...(salt !== undefined && { salt: bytesOf(salt) }),
    ...(expectedSequence !== undefined && { expectedSequence: BigInt(expectedSequence) }),
  };
  const { key, sequence, replicas } = await entry(nodes, dht).dht.update(bytesOf(value), options);
  return { key: base64(key.bytes), sequence: sequence.toString(), replicas };
}

async function findProviders({ dht, key }: Command): Promise<object> {
  const found = await entry(nodes, dht).dht.findProviders(RecordKey.fromBytes(bytesOf(key)));
  return { providers: found.map(({ provider }) => peerOf(provider)) };
}

function peerOf({ id, addresses }: { id: NodeId; addresses: readonly { host: string; port: number }[] }): object {
  return { id: base64(id.bytes), addresses: addresses.map(({ host, port }) => `${host}:${port}`) };
}

async function close({ connection, discovery, dht }: Command): Promise<object> {
  if (connection !== undefined) await entry(connections, connection).node.close();
  else await entry(nodes, discovery ?? dht).close();
  return {};
}

const handlers: Record<string, (command: Command) => object | Promise<object>> = {
  hello: () => ({
    name: "TypeScript",
    features: ["ids", "calls", "serve", "options", "timeouts", "discovery", "dht", "provide"],
  }),
  parseId: ({ text }) => ({ id: base64(NodeId.parse(text).bytes) }),
  parseAddress: ({ text }) => {
    const { id, host, port } = parsePeerAddress(text);
    return { id: base64(id.bytes), host, port };
  },
  keyOfSeed: ({ seed = "" }) => ({ id: base64(keyPairFromSeed(bytesOf(seed)).id.bytes) }),
  dial,
  close,
  closed: async ({ connection }) => ({ code: await entry(connections, connection).closed }),
  call,
  resume: (command) => {
    entry(calls, command.call).resume.resolve();
    return {};
  },
  finish: (command) => {
    entry(calls, command.call).finish.resolve();
    return {};
  },
  cancel: (command) => {
    entry(calls, command.call).abort.abort();
    return {};
  },
  progress: (command) => {
    const { sent, received } = entry(calls, command.call);
    return { sent, received };
  },
  stats: ({ connection }) => {
    const { running, cancelled, messages } = entry(connections, connection).handlers;
    return { running, cancelled, messages };
  },
  release: ({ connection }) => {
    entry(connections, connection).handlers.release();
    return {};
  },
  discover,
  peers: ({ discovery }) => ({
    peers: entry(nodes, discovery)
      .peers.closest()
      .filter(({ origin }) => origin === "announce")
      .map(peerOf),
  }),
  join,
  put: async ({ dht, value }) => {
    const { key, replicas } = await entry(nodes, dht).dht.put(bytesOf(value));
    return { key: base64(key.bytes), replicas };
  },
  get,
  update,
  provide: async ({ dht, key }) => {
    const { replicas } = await entry(nodes, dht).dht.provide(RecordKey.fromBytes(bytesOf(key)));
    return { replicas };
  },
  findProviders,
};

function errorOf(error: unknown): { code: string; message: string } {
  const cause = error instanceof ConnectError ? error.cause : error;
  const code = cause instanceof DswarmError ? cause.code : "adapter";
  return { code, message: error instanceof Error ? error.message : String(error) };
}

async function obey(line: string): Promise<void> {
  const command: Command = JSON.parse(line);
  const handler = handlers[command.do];
  let answer: object;
  try {
    answer =
      handler === undefined
        ? { error: { code: "unsupported", message: `there is no command ${command.do}` } }
        : { ok: await handler(command) };
  } catch (error) {
    answer = { error: errorOf(error) };
  }
  process.stdout.write(`${JSON.stringify({ id: command.id, ...answer })}\n`);
}

for await (const line of createInterface({ input: process.stdin })) void obey(line);
process.exit();
