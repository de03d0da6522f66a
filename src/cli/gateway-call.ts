// Calls a method of a peer through the API of a running node: with that node's key, on its connections, and wherever it finds
// the peer.

import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";
import {
  createRegistry,
  type DescMethod,
  type JsonObject,
  type JsonValue,
  type Message,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJson } from "@connectrpc/connect/protocol-connect";
import { FailureSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { agentFor, maxAnswerBytes } from "./api-client.ts";
import { CliError } from "./cli-error.ts";
import type { NodeTarget } from "./find-node.ts";

/** A call of a unary or server-streaming method. */
export interface GatewayCall {
  /** The peer: "@" and base64 of its key. */
  readonly id: string;
  readonly method: DescMethod;
  readonly request: Message;
}

/** How long a call may take. */
export interface GatewayCallOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Makes a call. Yields each answer as a line of JSON.
 * @throws ConnectError for what the node answers, CliError for an answer that is not one of a node
 */
export async function* callByGateway(
  target: NodeTarget,
  { id, method, request }: GatewayCall,
  options: GatewayCallOptions,
): AsyncGenerator<string> {
  const path = `/api/peers/${encodeURIComponent(id)}/${method.parent.typeName}/${method.name}`;
  const body = toJsonString(method.input, request, { registry: createRegistry(method.parent.file) });
  const agent = agentFor(target);
  try {
    const response = await post(new URL(path, target.url), body, target, agent, options);
    response.setEncoding("utf8");
    if (response.statusCode !== 200) throw errorOf(parsed(await text(response)));
    for await (const line of linesOf(response)) {
      if (method.methodKind === "unary") {
        yield line;
        continue;
      }
      const { error, result } = parsed(line);
      if (error !== undefined) throw errorOf(error);
      yield JSON.stringify(result);
    }
  } finally {
    agent?.destroy();
  }
}

function post(
  url: URL,
  body: string,
  { token }: NodeTarget,
  agent: ReturnType<typeof agentFor>,
  { timeoutMs, signal }: GatewayCallOptions,
): Promise<IncomingMessage> {
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
    "Connect-Timeout-Ms": timeoutMs,
    ...(token !== undefined && { Authorization: `Bearer ${token}` }),
  };
  return new Promise((resolve, reject) => {
    httpsRequest(url, { method: "POST", headers, signal, ...(agent && { agent }) })
      .once("response", resolve)
      .once("error", reject)
      .end(body);
  });
}

async function* linesOf(response: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of response) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > maxAnswerBytes) throw new CliError(`an answer over ${maxAnswerBytes} bytes`);
    yield* lines;
  }
}

function parsed(json: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    value = undefined;
  }
  if (isObject(value)) return value;
  throw new CliError("what answers there is no node of dswarm");
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The error that the API tells, with dswarm's own name for it as a detail, as Connect's protocol has it. */
function errorOf(json: JsonValue): ConnectError {
  const fallback = new ConnectError("the node answered with an error that is not told", Code.Unknown);
  const error = errorFromJson(json, undefined, fallback);
  const reason = isObject(json) ? json["reason"] : undefined;
  if (typeof reason === "string") error.details.push({ desc: FailureSchema, value: { reason } });
  return error;
}
