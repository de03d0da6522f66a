// Routes, those of plain HTTP made of the services' descriptors alone: a method that is added to a schema is served.
import {
  create,
  type DescField,
  type DescMessage,
  type DescMethod,
  type JsonObject,
  type Message,
  type MessageInitShape,
  type Registry,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { Code, type HandlerContext } from "@connectrpc/connect";
import type { Express, NextFunction, Request, Response } from "express";
import type { Clock } from "../util/clock.ts";
import { sendFault } from "./answer.ts";
import { readBody, readJsonText } from "./body.ts";
import { answerCall, type ReadyCall } from "./call.ts";
import { Fault, type FaultReporter } from "./fault.ts";
import { type Binding, bindingsOf, type PlainMethod } from "./http-rule.ts";
import type { ApiConfig } from "./options.ts";
import { hasRawAnswer, isRawBody, rawAnswer, rawFieldOf, rawType, wantsRaw } from "./raw-values.ts";
import { requestMessage } from "./request-message.ts";

/** One HTTP method of one path. */
export interface Route {
  /** "GET", "POST", … */
  readonly httpMethod: string;
  /** As people write it: "/api/records/{key}". */
  readonly template: string;
  /** As Express writes it: "/api/records/:p0". */
  readonly path: string;
  /** What it calls. */
  readonly rpc?: DescMethod;
  /** How a request of plain HTTP becomes the message of the call. */
  readonly binding?: Binding;
  /** What OpenAPI is told, of one that no schema declares. */
  readonly operation?: JsonObject;
  readonly answer: (request: Request, response: Response, next: NextFunction) => Promise<void> | void;
}

/** The routes of google.api.http annotations. */
export function shortRoutes({ services, registry, maxBodyBytes, clock }: ApiConfig, reporter: FaultReporter): Route[] {
  return services
    .flatMap(({ methods }) => Object.values(methods))
    .flatMap(bindingsOf)
    .map((binding) => ({
      httpMethod: binding.httpMethod,
      template: binding.template,
      path: binding.path,
      rpc: binding.rpc.method,
      binding,
      answer: (request, response) => answerBinding(binding, request, response, maxBodyBytes, reporter, clock, registry),
    }));
}

async function answerBinding(
  binding: Binding,
  request: Request,
  response: Response,
  maxBytes: number,
  reporter: FaultReporter,
  clock: Clock,
  registry: Registry,
): Promise<void> {
  if (request.method === "HEAD" && binding.rpc.kind !== "unary") {
    response.end();
    return;
  }
  const question = request.url.indexOf("?");
  const parts = {
    captured: binding.captures.map((_, i) => String(request.params[`p${i}`])),
    query: question < 0 ? "" : request.url.slice(question + 1),
    body: await bodyOf(binding, request, maxBytes),
  };
  const message = requestMessage(binding, parts, registry);
  resume(message, binding, request);
  const raw = binding.rpc.kind === "unary" && hasRawAnswer(binding.rpc.method.output);
  if (raw) response.vary("Accept");
  const call = readyCall(binding.rpc, message, raw && wantsRaw(request), registry);
  await answerCall(call, request, response, reporter, clock);
}

async function bodyOf({ rpc, body }: Binding, request: Request, maxBytes: number): Promise<string | Uint8Array> {
  if (body === undefined) return "";
  const takesRaw = body === "*" && rawFieldOf(rpc.method.input) !== undefined;
  if (takesRaw && isRawBody(request)) return await readBody(request, maxBytes);
  return await readJsonText(request, maxBytes, takesRaw ? rawType : undefined);
}

/** A browser that comes back to a stream of events says so in a header, and repeats the URL of the first time. */
function resume(message: Message, { rpc }: Binding, { headers }: Request): void {
  const lastId = headers["last-event-id"];
  const after = resumeField(rpc.method);
  if (after === undefined || typeof lastId !== "string" || lastId === "") return;
  reflect(rpc.method.input, message).set(after, lastId);
}

/** By its convention: the field of the request of a stream that says where it goes on. */
export function resumeField({ methodKind, input }: DescMethod): DescField | undefined {
  if (methodKind !== "server_streaming") return undefined;
  return input.fields.find(({ name, scalar }) => name === "after" && scalar === ScalarType.STRING);
}

function readyCall(rpc: PlainMethod, message: Message, isRaw: boolean, registry: Registry): ReadyCall {
  const { method } = rpc;
  if (rpc.kind === "unary") {
    const { impl } = rpc;
    if (isRaw) {
      const bytes = async (context: HandlerContext) => rawAnswer(create(method.output, await impl(message, context)));
      return { method, streams: false, answer: bytes };
    }
    return {
      method,
      streams: false,
      answer: async (context) => jsonText(method.output, await impl(message, context), registry),
    };
  }
  const { impl } = rpc;
  const answers: Extract<ReadyCall, { streams: true }>["answers"] = async function* (context) {
    for await (const answer of impl(message, context)) {
      const json = jsonText(method.output, answer, registry);
      const cursor = cursorOf(answer);
      yield cursor === undefined ? { json } : { json, cursor };
    }
  };
  return { method, streams: true, answers };
}

/** By its convention: the string field `cursor` of an answer says where a request with the field `after` goes on. */
function cursorOf(answer: MessageInitShape<DescMessage>): string | undefined {
  const cursor: unknown = "cursor" in answer ? answer.cursor : undefined;
  return typeof cursor === "string" ? cursor : undefined;
}

function jsonText(output: DescMessage, message: MessageInitShape<DescMessage>, registry: Registry): string {
  return JSON.stringify(toJson(output, create(output, message), { registry, alwaysEmitImplicit: true }));
}

/**
 * Adds routes to the application.
 * @throws TypeError when two of them are the same
 */
export function addRoutes(app: Express, routes: readonly Route[], reporter: FaultReporter): void {
  const byPath = Map.groupBy(routes, ({ path }) => path);
  for (const [path, group] of [...byPath].sort(([a], [b]) => (order(a) < order(b) ? -1 : 1))) {
    for (const { httpMethod } of group) {
      if (group.filter((other) => other.httpMethod === httpMethod).length > 1) {
        throw new TypeError(`two methods want ${httpMethod} ${path}`);
      }
    }
    app.all(path, answerOne(group, reporter));
  }
}

/** Literal segments before captures, which would hide them. */
function order(path: string): string {
  return path.replaceAll(/[:*]\w+/g, "\u{10ffff}");
}

function answerOne(routes: readonly Route[], reporter: FaultReporter) {
  return async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    const httpMethod = request.method === "HEAD" ? "GET" : request.method;
    const route = routes.find((each) => each.httpMethod === httpMethod);
    if (route !== undefined) {
      try {
        await route.answer(request, response, next);
      } catch (thrown) {
        sendFault(response, reporter.report(thrown, route.rpc));
      }
      return;
    }
    const allowed: string[] = (response.locals["allowed"] ??= []);
    for (const each of routes) allowed.push(each.httpMethod, ...(each.httpMethod === "GET" ? ["HEAD"] : []));
    next();
  };
}

// Clients of Connect and gRPC expect the code "unimplemented" for a method that is not served.
const rpcPath = /^\/api\/[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\/[A-Za-z_]\w*$/;

/** Answers what no route did: 405, or what OPTIONS asks, where the path is known, else 404. */
export function answerUnrouted(request: Request, response: Response): void {
  const allowed: string[] | undefined = response.locals["allowed"];
  if (allowed === undefined && rpcPath.test(request.path)) {
    throw new Fault(Code.Unimplemented, "there is no such method; GET /api lists those there are", { status: 404 });
  }
  if (allowed === undefined) throw new Fault(Code.NotFound, "there is no such path; GET /api lists those there are");
  const headers = { Allow: [...new Set([...allowed, "OPTIONS"])].join(", ") };
  if (request.method !== "OPTIONS") {
    const why = `${request.method} is not possible here, only ${headers.Allow}`;
    throw new Fault(Code.Unimplemented, why, { status: 405, headers });
  }
  response.writeHead(204, headers).end();
}
