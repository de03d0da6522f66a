// POST /api/peers/{id}/{package.Service}/{Method}: calls any method of any peer, by the schema that the peer tells; and
// POST /api/services/{package.Service}/{Method}: of a peer that provides the service, whichever answers. JSON in and out as with the short routes; requests of a streaming method are lines of JSON, sent on as they come, or an array.
import {
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  type Message,
  type Registry,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type Transport } from "@connectrpc/connect";
import type { Request, Response } from "express";
import { allowSlowRequest } from "../channel/slow-requests.ts";
import { NodeId } from "../identity/node-id.ts";
import type { PeerSchema } from "../node/peer-schemas.ts";
import type { ResponseCheck } from "../rpc/message-codec.ts";
import { checkMessageCost } from "../rpc/message-cost.ts";
import { messageOf } from "../util/errors.ts";
import { sendFault } from "./answer.ts";
import { isLines } from "./body.ts";
import { answerCall, type ReadyCall, type StreamedAnswer } from "./call.ts";
import { callMetadata } from "./call-metadata.ts";
import { Fault, type FaultReporter } from "./fault.ts";
import { oneRequest, streamOfRequests } from "./gateway-requests.ts";
import type { Gateway } from "./peer-access.ts";

/**
 * Cells that an answer may take, as `checkMessageCost` counts them: 32 MiB, roughly, which any message of the default size has
 * that is not made to swell.
 */
const maxAnswerCells = 4_194_304;

const badGateway = 502;
const defaultTimeoutMs = 30_000;
const timeoutHeader = "connect-timeout-ms";

/** The path of calls of a peer, for Express. */
export const gatewayPath = "/api/peers/:id/:service/:method";
/** The path of calls of whoever provides a service, for Express. */
export const providersPath = "/api/services/:service/:method";

/** Whom a request calls. */
interface Target {
  /** Where to look for what is served there. */
  readonly list: string;
  readonly schema: (signal: AbortSignal) => Promise<PeerSchema>;
  readonly transport: (check: ResponseCheck) => Transport;
}

/** What goes with a call. */
interface Callee {
  readonly transport: Transport;
  /** Of the peer's schema: what Any and extensions may hold. */
  readonly registry: Registry;
  readonly timeoutMs: number | undefined;
  readonly metadata: Headers;
}

/** Answers the gateway's requests, all of them POST. */
export function answerGateway(gateway: Gateway, maxBodyBytes: number, reporter: FaultReporter) {
  return async (request: Request, response: Response): Promise<void> => {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    try {
      if (isLines(request)) allowSlowRequest(request, response);
      const call = await readyCall(gateway, request, maxBodyBytes, gone.signal);
      await answerCall(call, request, response, reporter);
    } catch (thrown) {
      sendFault(response, reporter.report(thrown, undefined));
    }
  };
}

async function readyCall(
  gateway: Gateway,
  request: Request,
  maxBodyBytes: number,
  signal: AbortSignal,
): Promise<ReadyCall> {
  const typeName = String(request.params["service"]);
  const peer = request.params["id"];
  const target = targetOf(gateway, peer === undefined ? undefined : String(peer), typeName);
  const timeoutMs = timeoutOf(request);
  const metadata = callMetadata(request);
  const { service, registry } = await target.schema(signal).catch((error: unknown) => {
    const fault = Fault.fromGateway(error);
    if (fault.code === Code.FailedPrecondition) throw badSchema(fault);
    if (!fault.fromPeer || fault.code !== Code.NotFound) throw fault;
    const why = `the peer does not serve ${typeName}; ${target.list}`;
    throw new Fault(Code.NotFound, why, { fromPeer: true, cause: error });
  });
  const method = methodNamed(String(request.params["method"]), service);
  const check: ResponseCheck = (schema, bytes) => checkAnswer(schema, bytes, registry);
  const callee = { transport: target.transport(check), registry, timeoutMs, metadata };
  if (isUnary(method)) {
    const message = await oneRequest(method, request, registry, maxBodyBytes);
    const answer = (context: HandlerContext) => callUnary(method, message, context, callee);
    return { method, isOfPeer: true, streams: false, answer };
  }
  if (!isStreaming(method)) throw new TypeError(`${method.name} is of an unknown kind`);
  const requests =
    method.methodKind === "server_streaming"
      ? only(await oneRequest(method, request, registry, maxBodyBytes))
      : await streamOfRequests(method, request, registry, maxBodyBytes);
  const answers = (context: HandlerContext) => callStream(method, requests, context, callee);
  if (method.methodKind !== "client_streaming") return { method, isOfPeer: true, streams: true, answers };
  return { method, isOfPeer: true, streams: false, answer: (context) => first(answers(context)) };
}

/** @throws DswarmError `node_id_invalid` */
function targetOf({ schemas, transport, providers }: Gateway, peer: string | undefined, typeName: string): Target {
  if (peer !== undefined) {
    const id = NodeId.parse(peer);
    return {
      list: "GET /api/peers/{id}/services lists what it serves",
      schema: (signal) => schemas.schema(id, typeName, { signal }),
      transport: (check) => transport(id, check),
    };
  }
  if (providers === undefined) throw new TypeError("nobody looks for providers here");
  return {
    list: `GET /api/providers?name=${typeName} lists who says that it does`,
    schema: (signal) => providers.schemas.schema(typeName, typeName, { signal }),
    transport: (check) => providers.transport(typeName, check),
  };
}

/** The peer's schema is not usable, which is no fault of the request. */
function badSchema({ code, message, fromPeer, cause }: Fault): Fault {
  return new Fault(code, message, { status: badGateway, fromPeer, cause });
}

/** Looks at an answer before it is decoded. One that is too much is no fault of the request. */
function checkAnswer(schema: DescMessage, bytes: Uint8Array, registry: Registry): void {
  try {
    checkMessageCost(schema, bytes, { maxCells: maxAnswerCells, registry });
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const { code, rawMessage } = error;
    const fault = new Fault(code, rawMessage, { status: badGateway, cause: error });
    throw new ConnectError(rawMessage, code, undefined, undefined, fault);
  }
}

function methodNamed(name: string, { methods }: DescMethod["parent"]): DescMethod {
  const method = methods.find((each) => each.name === name);
  if (method !== undefined) return method;
  const known = methods.map((each) => each.name).join(", ");
  throw new Fault(Code.Unimplemented, `the service has no such method; there are: ${known || "none"}`);
}

/** @throws Fault 400 */
function timeoutOf({ headers }: Request): number | undefined {
  const text = headers[timeoutHeader];
  if (text === undefined) return undefined;
  if (typeof text === "string" && /^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new Fault(Code.InvalidArgument, "Connect-Timeout-Ms is a whole number of milliseconds of at most ten digits");
}

function isUnary(method: DescMethod): method is DescMethod & DescMethodUnary {
  return method.methodKind === "unary";
}

function isStreaming(method: DescMethod): method is DescMethod & DescMethodStreaming {
  return method.methodKind !== "unary";
}

async function* only(message: Message): AsyncGenerator<Message> {
  yield message;
}

async function first(answers: AsyncIterable<StreamedAnswer>): Promise<string> {
  let found: string | undefined;
  for await (const { json } of answers) found ??= json;
  if (found !== undefined) return found;
  throw new Fault(Code.Unimplemented, "the peer has not answered");
}

async function callUnary(
  method: DescMethodUnary,
  message: Message,
  context: HandlerContext,
  { transport, registry, timeoutMs = defaultTimeoutMs, metadata }: Callee,
): Promise<string> {
  try {
    const answer = await transport.unary(method, context.signal, timeoutMs, metadata, message);
    tell(answer, context);
    return jsonText(method.output, answer.message, registry);
  } catch (error) {
    throw Fault.fromGateway(error, registry);
  }
}

async function* callStream(
  method: DescMethodStreaming,
  requests: AsyncIterable<Message>,
  context: HandlerContext,
  { transport, registry, timeoutMs, metadata }: Callee,
): AsyncGenerator<StreamedAnswer> {
  const limitMs = method.methodKind === "client_streaming" ? (timeoutMs ?? defaultTimeoutMs) : timeoutMs;
  try {
    const answer = await transport.stream(method, context.signal, limitMs, metadata, requests);
    tell({ header: answer.header, trailer: new Headers() }, context);
    for await (const message of answer.message) yield { json: jsonText(method.output, message, registry) };
    tell({ header: new Headers(), trailer: answer.trailer }, context);
  } catch (error) {
    throw Fault.fromGateway(error, registry);
  }
}

/** Passes on what a peer sends beside its answers. */
function tell({ header, trailer }: { readonly header: Headers; readonly trailer: Headers }, context: HandlerContext) {
  for (const [name, value] of header) context.responseHeader.append(name, value);
  for (const [name, value] of trailer) context.responseTrailer.append(name, value);
}

/** Not every answer has a form in JSON, which is no fault of the request. @throws Fault 502 */
function jsonText(output: DescMessage, message: Message, registry: Registry): string {
  try {
    return toJsonString(output, message, { registry, alwaysEmitImplicit: true });
  } catch (error) {
    const why = `the answer has no form in JSON: ${messageOf(error)}`;
    throw new Fault(Code.Internal, why, { fromPeer: true, cause: error });
  }
}
