// A process with one node. Its argument is JSON: the options of createNode, keys as the hex of their seed; or a list of
// such, of which the first that can start is used. It prints a JSON line an event, obeys a JSON line a command, and ends
// when its stdin does: children end with their parent.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { createInterface } from "node:readline";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { type CreateNodeOptions, createNode } from "../../../src/create-node.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { DswarmError, messageOf } from "../../../src/util/errors.ts";
import type { LogFields } from "../../../src/util/log.ts";

/** What the process is started with. */
export interface ChildOptions
  extends Omit<CreateNodeOptions, "keys" | "networkKey" | "authorize" | "logger" | "clock"> {
  /** 64 hex digits. */
  readonly seed?: string;
}

/** What the process is told. */
export type ChildCommand =
  | { readonly command: "close" }
  | { readonly command: "ping"; readonly peer: string }
  | { readonly command: "get"; readonly url: string; readonly headers?: Readonly<Record<string, string>> };

function print(event: object): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function log(level: string) {
  return (fields: LogFields): void => print({ event: "log", level, code: fields["code"], of: fields.event });
}

async function start({ seed, ...options }: ChildOptions): Promise<DswarmNode> {
  const node = await createNode({
    ...options,
    ...(seed !== undefined && { keys: keyPairFromSeed(Buffer.from(seed, "hex")) }),
    logger: { debug: () => undefined, info: log("info"), warn: log("warn"), error: log("error") },
  });
  node.serve(EchoService, { echo: ({ payload }) => ({ payload }) });
  node.on("peer", ({ id }) => print({ event: "peer", id }));
  node.on("peerLost", (id, reason) => print({ event: "peerLost", id, reason }));
  node.on("connected", (id) => print({ event: "connected", id }));
  node.on("disconnected", (id, reason) => print({ event: "disconnected", id, code: reason?.code ?? null }));
  for (const { id } of node.peers.closest()) print({ event: "peer", id });
  return node;
}

async function ping(node: DswarmNode, peer: string): Promise<void> {
  try {
    print({ event: "pong", peer, ...(await node.ping(peer)) });
  } catch (error) {
    print({ event: "pingFailed", peer, message: messageOf(error) });
  }
}

async function get(url: string, headers: Readonly<Record<string, string>>): Promise<void> {
  const outgoing = request(url, { agent: false, rejectUnauthorized: false, headers });
  outgoing.end();
  const [incoming]: IncomingMessage[] = await once(outgoing, "response");
  incoming?.resume();
  print({ event: "got", url, status: incoming?.statusCode });
}

async function close(node: DswarmNode): Promise<void> {
  // With its input gone, nothing but the node keeps the process alive.
  process.stdin.destroy();
  await node.close();
  print({ event: "closed" });
}

function obey(node: DswarmNode, order: ChildCommand): Promise<void> {
  switch (order.command) {
    case "close":
      return close(node);
    case "ping":
      return ping(node, order.peer);
    case "get":
      return get(order.url, order.headers ?? {});
    default:
      throw new Error(`no such command: ${JSON.stringify(order)}`);
  }
}

function printFailure(error: unknown): void {
  const name = error instanceof Error ? error.name : typeof error;
  print({ event: "failed", name, code: error instanceof DswarmError ? error.code : null, message: messageOf(error) });
}

async function startOneOf(candidates: readonly ChildOptions[]): Promise<DswarmNode | undefined> {
  for (const options of candidates) {
    try {
      return await start(options);
    } catch (error) {
      printFailure(error);
    }
  }
  return undefined;
}

process.on("warning", ({ name, message }) => print({ event: "warning", name, message }));
const lines = createInterface({ input: process.stdin });
let isEnding = false;
process.stdin.once("end", () => {
  if (!isEnding) process.exit(2);
});
const given: ChildOptions | ChildOptions[] = JSON.parse(process.argv[2] ?? "{}");
const node = await startOneOf(Array.isArray(given) ? given : [given]);
if (node === undefined) {
  isEnding = true;
  process.stdin.destroy();
} else {
  const { id, port, address, url } = node;
  print({ event: "listening", id, port, address, url, pid: process.pid });
  lines.on("line", (line) => {
    const order: ChildCommand = JSON.parse(line);
    isEnding ||= order.command === "close";
    void obey(node, order);
  });
}
