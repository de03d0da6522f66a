// POST /api/peers/{id}/{package.Service}/{Method}: calls any method of any peer, by the schema that the peer tells. JSON in
// and out as with the short routes; requests of a streaming method are a JSON array.
import {
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromJson,
  type Message,
  type Registry,
  toJson,
} from "@bufbuild/protobuf";
import { Code, type HandlerContext, type Transport } from "@connectrpc/connect";
import type { Request, Response } from "express";
import { NodeId } from "../identity/node-id.ts";
import type { PeerSchemas } from "../node/peer-schemas.ts";
import { messageOf } from "../util/errors.ts";
import { sendFault } from "./answer.ts";
import { readJsonText } from "./body.ts";
import { answerCall } from "./call.ts";
import { Fault, type FaultReporter } from "./fault.ts";
import type { PlainMethod } from "./http-rule.ts";

/** How the gateway reaches peers. */
export interface Gateway {
  readonly schemas: Pick<PeerSchemas, "schema">;
  /** Calls a peer, connecting where there is no connection. */
  readonly transport: (id: NodeId) => Transport;
}

const maxRequests = 10_000;
const defaultTimeoutMs = 30_000;
const timeoutHeader = "connect-timeout-ms";

interface Callee {
  readonly transport: Transport;
  readonly timeoutMs: number | undefined;
}

/** The path of the gateway, for Express. */
export const gatewayPath = "/api/peers/:id/:service/:method";

/** Answers the gateway's requests, all of them POST. */
export function answerGateway(gateway: Gateway, maxBodyBytes: number, reporter: FaultReporter) {
  return async (request: Request, response: Response): Promise<void> => {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    try {
      const id = NodeId.parse(String(request.params["id"]));
      const timeoutMs = timeoutOf(request);
      const text = await readJsonText(request, maxBodyBytes);
      const typeName = String(request.params["service"]);
      const { service, registry } = await gateway.schemas.schema(id, typeName, { signal: gone.signal });
      const method = service.methods.find(({ name }) => name === request.params["method"]);
      if (method === undefined) {
        const known = service.methods.map(({ name }) => name).join(", ");
        throw new Fault(Code.Unimplemented, `the service has no such method; there are: ${known || "none"}`);
      }
      const messages = requestsOf(method, text, registry);
      const callee = { transport: gateway.transport(id), timeoutMs };
      await answerCall(plainMethod(method, messages, callee), messages[0] ?? placeholder, request, response, reporter);
    } catch (thrown) {
      sendFault(response, reporter.report(thrown, undefined));
    }
  };
}

// The messages of a call are its own; a method for plain HTTP is given the first alone.
const placeholder = { $typeName: "" } as Message;

/** @throws Fault 400 */
function timeoutOf({ headers }: Request): number | undefined {
  const text = headers[timeoutHeader];
  if (text === undefined) return undefined;
  if (typeof text === "string" && /^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new Fault(Code.InvalidArgument, "Connect-Timeout-Ms is a whole number of milliseconds of at most ten digits");
}

/** @throws Fault 400 */
function requestsOf({ input, methodKind }: DescMethod, text: string, registry: Registry): Message[] {
  try {
    const json = JSON.parse(text);
    const isMany = methodKind === "client_streaming" || methodKind === "bidi_streaming";
    const all = isMany && Array.isArray(json) ? json : [json];
    if (all.length > maxRequests) throw new Error(`more than ${maxRequests} requests`);
    return all.map((each) => fromJson(input, each, { registry }));
  } catch (error) {
    throw new Fault(Code.InvalidArgument, messageOf(error), { cause: error });
  }
}

/** A method of a peer as if it were one of this node's own. Requests that stream are sent all at once, then answers come. */
function plainMethod(method: DescMethod, messages: readonly Message[], callee: Callee): PlainMethod {
  if (isUnary(method)) {
    return { kind: "unary", method, impl: (message: Message, context) => callUnary(method, message, context, callee) };
  }
  if (!isStreaming(method)) throw new TypeError(`${method.name} is of an unknown kind`);
  const answers = (context: HandlerContext) => callStream(method, messages, context, callee);
  if (method.methodKind === "client_streaming") {
    const impl = async (_: Message, context: HandlerContext): Promise<Message> => {
      for await (const answer of answers(context)) return answer;
      throw new Fault(Code.Unimplemented, "the peer has not answered");
    };
    return { kind: "unary", method, impl } as unknown as PlainMethod;
  }
  const impl = (_: Message, context: HandlerContext) => answers(context);
  return { kind: "server_streaming", method, impl } as unknown as PlainMethod;
}

function isUnary(method: DescMethod): method is DescMethod & DescMethodUnary {
  return method.methodKind === "unary";
}

function isStreaming(method: DescMethod): method is DescMethod & DescMethodStreaming {
  return method.methodKind !== "unary";
}

async function callUnary(
  method: DescMethodUnary,
  message: Message,
  { signal }: HandlerContext,
  { transport, timeoutMs = defaultTimeoutMs }: Callee,
): Promise<Message> {
  const answer = await transport.unary(method, signal, timeoutMs, undefined, message);
  return checked(method.output, answer.message);
}

async function* callStream(
  method: DescMethodStreaming,
  messages: readonly Message[],
  { signal }: HandlerContext,
  { transport, timeoutMs }: Callee,
): AsyncGenerator<Message> {
  const requests = (async function* () {
    yield* messages;
  })();
  const limitMs = method.methodKind === "client_streaming" ? (timeoutMs ?? defaultTimeoutMs) : timeoutMs;
  const answer = await transport.stream(method, signal, limitMs, undefined, requests);
  for await (const message of answer.message) yield checked(method.output, message);
}

/** What a peer answers need not have a form in JSON. @throws Fault 400 */
function checked(output: DescMessage, message: Message): Message {
  try {
    toJson(output, message);
    return message;
  } catch (error) {
    const why = `the answer has no form in JSON: ${messageOf(error)}`;
    throw new Fault(Code.FailedPrecondition, why, { cause: error });
  }
}
