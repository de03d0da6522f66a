// `dswarm call`: calls a method of a peer with JSON, by the schema that the peer tells. A running node makes the call, with its key
// and wherever it finds the peer. What its gateway has no place for - requests that come one by one, headers, calls of the node
// itself - is called from a node of its own that lives as long.

import { createInterface } from "node:readline";
import { createRegistry, type DescMethod, fromJsonString, type Message, type Registry } from "@bufbuild/protobuf";
import { messageOf } from "../util/errors.ts";
import { type AskFlags, withNode } from "./ask-node.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { callDirectly, isStreamIn, only } from "./direct-call.ts";
import { callByGateway } from "./gateway-call.ts";
import { locatePeer } from "./locate-peer.ts";
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
  const options = { signal, timeoutMs: flags.timeout };
  const { stdout } = context;
  try {
    const direct = await withNode(flags, context, async (client, target) => {
      const id = await peerNamed(name, client);
      const [{ id: ownId }, { services }] = await Promise.all([
        client.getStatus({}, options),
        client.listServices({ id }, options),
      ]);
      const method = methodNamed(methodName, serviceNamed(serviceName, services));
      if (id === ownId || flags.header.length > 0 || isStreamIn(method)) {
        return { ...(await locatePeer(id, client, options)), method };
      }
      const request = await only(requestsOf(method, data));
      for await (const line of callByGateway(target, { id, method, request }, options)) stdout.line(line);
      return undefined;
    });
    if (direct !== undefined) {
      const requests = requestsOf(direct.method, data);
      for await (const line of callDirectly(direct, requests, { ...options, headers })) stdout.line(line);
    }
    return exitCodes.ok;
  } catch (error) {
    if (!signal.aborted) throw error;
    return process.stdout.errored === null ? exitCodes.interrupted : exitCodes.ok;
  }
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
