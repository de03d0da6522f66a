// Calls a method of a peer through the API of a running node: with that node's key, on its connections, and wherever it finds
// the peer.
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { DescMethod, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJson } from "@connectrpc/connect/protocol-connect";
import { FailureSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { listOf, objectOf, textOf } from "../api/json-values.ts";
import { agentFor, maxAnswerBytes } from "./api-client.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { NodeTarget } from "./find-node.ts";

/** A call of a method. */
export interface GatewayCall {
  /** The peer: "@" and base64 of its key. Undefined is any that provides the service. */
  readonly id: string | undefined;
  readonly method: DescMethod;
  /** JSON each. */
  readonly requests: AsyncIterable<string>;
}

/** What goes with a call. */
export interface GatewayCallOptions {
  /** Undefined is no limit. */
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal;
  readonly metadata: Headers;
  /** Gets what the peer sends beside its answers, headers first, then trailers, names in lower case. */
  readonly onMetadata: (name: string, value: string) => void;
}

/** As long as a call may last: the gateway's bound. */
const maxTimeoutMs = 86_400_000;

const headerPrefix = "grpc-metadata-";
const trailerPrefix = "grpc-trailer-";

// Metadata, as large as a peer may send it, in base64.
const maxHeaderSize = 262_144;

/**
 * Makes a call. Yields each answer as a line of JSON.
 * @throws ConnectError for what the node answers, CliError for an answer that is not one of a node, or with exit code 2 for
 *   another number of requests than the method takes; what the requests throw
 */
export async function* callByGateway(
  target: NodeTarget,
  { id, method, requests }: GatewayCall,
  options: GatewayCallOptions,
): AsyncGenerator<string> {
  const { methodKind } = method;
  const place = id === undefined ? "services" : `peers/${encodeURIComponent(id)}`;
  const path = `/api/${place}/${method.parent.typeName}/${method.name}`;
  const streamsIn = methodKind === "client_streaming" || methodKind === "bidi_streaming";
  const streamsOut = methodKind === "server_streaming" || methodKind === "bidi_streaming";
  const body = streamsIn ? linesFrom(requests) : await only(requests);
  const agent = agentFor(target);
  try {
    // The gateway gives a call with one answer 30 seconds where it is not told otherwise, and a stream of answers no limit.
    const timeoutMs = options.timeoutMs ?? (streamsOut ? undefined : maxTimeoutMs);
    const response = await post(new URL(path, target.url), body, target, agent, { ...options, timeoutMs });
    response.setEncoding("utf8");
    tell(response, headerPrefix, options);
    if (response.statusCode !== 200) {
      tell(response, trailerPrefix, options);
      throw errorOf(parsed(await text(response)));
    }
    for await (const line of linesOf(response)) {
      if (!streamsOut) {
        yield line;
        continue;
      }
      const { error, result, metadata } = parsed(line);
      for (const [name, values] of Object.entries(objectOf(metadata))) {
        for (const value of listOf(values)) options.onMetadata(name, textOf(value));
      }
      if (error !== undefined) throw errorOf(error);
      if (result !== undefined) yield JSON.stringify(result);
    }
    tell(response, trailerPrefix, options);
  } finally {
    agent?.destroy();
  }
}

function tell({ headersDistinct }: IncomingMessage, prefix: string, { onMetadata }: GatewayCallOptions): void {
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    if (name.startsWith(prefix)) for (const value of values) onMetadata(name.slice(prefix.length), value);
  }
}

async function* linesFrom(requests: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const json of requests) yield `${json.replaceAll(/[\r\n]/g, " ")}\n`;
}

async function only(requests: AsyncIterable<string>): Promise<string> {
  let found: string | undefined;
  for await (const request of requests) {
    if (found !== undefined) throw new CliError("the method takes one request", exitCodes.usage);
    found = request;
  }
  if (found === undefined) throw new CliError("the method takes a request", exitCodes.usage);
  return found;
}

/** Resolves when the answer begins, which may be while the body is sent. What the body throws, the answer fails with. */
function post(
  url: URL,
  body: string | AsyncIterable<string>,
  { token }: NodeTarget,
  agent: ReturnType<typeof agentFor>,
  { timeoutMs, signal, metadata }: GatewayCallOptions,
): Promise<IncomingMessage> {
  const headers = {
    ...metadataHeaders(metadata),
    ...(timeoutMs !== undefined && { "Connect-Timeout-Ms": timeoutMs }),
    ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    ...(typeof body === "string"
      ? { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) }
      : { "Content-Type": "application/x-ndjson" }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(url, { method: "POST", headers, signal, maxHeaderSize, ...(agent && { agent }) });
    let answer: IncomingMessage | undefined;
    outgoing.once("error", reject).once("response", (response) => {
      answer = response;
      resolve(response);
    });
    if (typeof body === "string") {
      outgoing.end(body);
      return;
    }
    outgoing.flushHeaders();
    pipeline(Readable.from(body), outgoing).catch((error: Error) => {
      reject(error);
      answer?.destroy(error);
    });
  });
}

/** Several values only of Set-Cookie, which Headers keep apart. */
function metadataHeaders(metadata: Headers): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (const [name, value] of metadata) (headers[`Grpc-Metadata-${name}`] ??= []).push(value);
  return headers;
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

/** The error that the API tells, with what the node says of it besides as the last detail, as Connect's protocol has it. */
function errorOf(json: JsonValue): ConnectError {
  const fallback = new ConnectError("the node answered with an error that is not told", Code.Unknown);
  const error = errorFromJson(json, undefined, fallback);
  const { reason, fromPeer } = isObject(json) ? json : {};
  const value = { reason: typeof reason === "string" ? reason : "", fromPeer: fromPeer === true };
  error.details.push({ desc: FailureSchema, value });
  return error;
}
