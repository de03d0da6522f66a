// `dswarm call`: calls a method of a peer with JSON. A running node says where the peer is and what the schema of the service is;
// the call itself is made by a node of its own that lives as long, on one encrypted connection to the peer: so all kinds of
// calls work, and what is sent passes nobody else.

import { createInterface } from "node:readline";
import {
  createRegistry,
  type DescMethod,
  fromJsonString,
  type Message,
  type Registry,
  toJsonString,
} from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import { createNode } from "../create-node.ts";
import { messageOf } from "../util/errors.ts";
import { type AskFlags, withNode } from "./ask-node.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { type LocatedPeer, locatePeer } from "./locate-peer.ts";
import { checkPeerName, peerNamed } from "./peer-name.ts";
import { serviceNamed } from "./peer-schema.ts";
import { listenForStop } from "./stop-signal.ts";
import { printable } from "./text.ts";

/** The flags of `call`. */
export interface CallFlags extends AskFlags {
  readonly timeout: number;
  /** "name: value" each. */
  readonly header: readonly string[];
}

/** A method of a peer. */
interface Target extends LocatedPeer {
  readonly method: DescMethod;
}

interface Options {
  readonly headers: Headers;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Calls a method. Each answer is a line of JSON. Returns the exit code.
 * @param path "package.Service/Method"
 * @param data a request as JSON; "-" reads them from standard input, a line each
 */
export async function call(
  name: string,
  path: string,
  data: string,
  flags: CallFlags,
  context: Context,
): Promise<number> {
  checkPeerName(name);
  const [serviceName = "", methodName = "", ...rest] = path.split("/");
  if (methodName === "" || rest.length > 0) {
    throw new CliError(`${printable(path)}: give package.Service/Method; "services" lists them`, exitCodes.usage);
  }
  const headers = headersOf(flags.header);
  const signal = listenForStop();
  const target = await withNode(flags, context, async (client) => {
    const id = await peerNamed(name, client);
    const options = { signal, timeoutMs: flags.timeout };
    const [located, { services }] = await Promise.all([
      locatePeer(id, client, options),
      client.listServices({ id }, options),
    ]);
    return { ...located, method: methodNamed(methodName, serviceNamed(serviceName, services)) };
  });
  try {
    await callTarget(target, requestsOf(target.method, data), { headers, signal, timeoutMs: flags.timeout }, context);
    return exitCodes.ok;
  } catch (error) {
    if (!signal.aborted) throw error;
    return process.stdout.errored === null ? exitCodes.interrupted : exitCodes.ok;
  }
}

async function callTarget(
  { address, network, method }: Target,
  requests: AsyncIterable<Message>,
  options: Options,
  { stdout }: Context,
): Promise<void> {
  await using node = await createNode({ network, discovery: false, api: false });
  const registry = createRegistry(method.parent.file);
  const client = node.client(method.parent, address);
  for await (const answer of answersOf(client, method, requests, options)) {
    stdout.line(toJsonString(method.output, answer, { registry, alwaysEmitImplicit: true }));
  }
}

/** The answers of a call of any kind. The method is known at run time only. */
async function* answersOf(
  client: Client<DescMethod["parent"]>,
  method: DescMethod,
  requests: AsyncIterable<Message>,
  options: Options,
): AsyncIterable<Message> {
  const invoke = client[method.localName] as unknown as (input: unknown, options: Options) => unknown;
  const isStreamIn = method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
  const isStreamOut = method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
  const answer = invoke(isStreamIn ? requests : await only(requests), options);
  if (isStreamOut) yield* answer as AsyncIterable<Message>;
  else yield (await answer) as Message;
}

async function only(requests: AsyncIterable<Message>): Promise<Message> {
  let found: Message | undefined;
  for await (const request of requests) {
    if (found !== undefined) throw new CliError("the method takes one request", exitCodes.usage);
    found = request;
  }
  if (found === undefined) throw new CliError("the method takes a request", exitCodes.usage);
  return found;
}

async function* requestsOf(method: DescMethod, data: string): AsyncIterable<Message> {
  const registry = createRegistry(method.parent.file);
  if (data !== "-") {
    yield parsed(method, data, registry);
    return;
  }
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.trim() !== "") yield parsed(method, line, registry);
  }
}

function parsed({ input }: DescMethod, json: string, registry: Registry): Message {
  try {
    return fromJsonString(input, json, { registry });
  } catch (error) {
    throw new CliError(`not a ${input.typeName}: ${printable(messageOf(error))}`, exitCodes.usage);
  }
}

function methodNamed(name: string, { methods, typeName }: DescMethod["parent"]): DescMethod {
  const method = methods.find((each) => each.name === name);
  if (method !== undefined) return method;
  const names = methods.map((each) => each.name).join(", ");
  throw new CliError(`${printable(typeName)} has no method ${printable(name)}; it has ${printable(names)}`);
}

function headersOf(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const [, name = "", value = ""] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    try {
      headers.append(name, value);
    } catch {
      throw new CliError(`--header ${printable(line)}: give "name: value"`, exitCodes.usage);
    }
  }
  return headers;
}
