// Calls a method of a peer from a node of its own that lives as long, on one encrypted connection: so all kinds of calls work.
import { createRegistry, type DescMethod, type Message, toJsonString } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import { createNode } from "../create-node.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { LocatedPeer } from "./locate-peer.ts";

/** A method of a peer. */
export interface DirectTarget extends LocatedPeer {
  readonly method: DescMethod;
}

/** What goes with a call. */
export interface DirectCallOptions {
  readonly headers: Headers;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Makes a call. Yields each answer as a line of JSON. */
export async function* callDirectly(
  { address, network, method }: DirectTarget,
  requests: AsyncIterable<Message>,
  options: DirectCallOptions,
): AsyncGenerator<string> {
  await using node = await createNode({ network, discovery: false, api: false });
  const registry = createRegistry(method.parent.file);
  const client = node.client(method.parent, address);
  for await (const answer of answersOf(client, method, requests, options)) {
    yield toJsonString(method.output, answer, { registry, alwaysEmitImplicit: true });
  }
}

/** Whether the requests of a method are a stream. */
export function isStreamIn({ methodKind }: DescMethod): boolean {
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

/**
 * The one request of a call.
 * @throws CliError with exit code 2 where there is none, or more than one
 */
export async function only(requests: AsyncIterable<Message>): Promise<Message> {
  let found: Message | undefined;
  for await (const request of requests) {
    if (found !== undefined) throw new CliError("the method takes one request", exitCodes.usage);
    found = request;
  }
  if (found === undefined) throw new CliError("the method takes a request", exitCodes.usage);
  return found;
}

/** The answers of a call of any kind. The method is known at run time only. */
async function* answersOf(
  client: Client<DescMethod["parent"]>,
  method: DescMethod,
  requests: AsyncIterable<Message>,
  options: DirectCallOptions,
): AsyncIterable<Message> {
  const invoke = client[method.localName] as unknown as (input: unknown, options: DirectCallOptions) => unknown;
  const answer = invoke(isStreamIn(method) ? requests : await only(requests), options);
  const isStreamOut = method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
  if (isStreamOut) yield* answer as AsyncIterable<Message>;
  else yield (await answer) as Message;
}
