// POST /api/<package.Service>/<Method>: Connect's protocol (https://connectrpc.com/docs/protocol) and gRPC-Web, by Connect's
// Express middleware. Its answers to what implementations do are Connect's own. A request that it refuses gets the answer
// that it would get elsewhere under /api; what fails in it, it would print, leaving the client without an answer.
import { validateHeaderValue } from "node:http";
import { buffer } from "node:stream/consumers";
import type { DescMethod, Registry } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, createContextValues, type ServiceImplSpec } from "@connectrpc/connect";
import { codeToHttpStatus, errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { expressConnectMiddleware } from "@connectrpc/connect-express";
import type { Request } from "express";
import { jsonType } from "./answer.ts";
import { chunksOf, readBody } from "./body.ts";
import { exactEnvelopes, exactMessage, exactUrl } from "./connect-json.ts";
import { Fault, type FaultReporter, httpStatusOf } from "./fault.ts";
import type { ApiConfig } from "./options.ts";
import { progressKey, reportFaults } from "./report-faults.ts";
import type { Route } from "./routes.ts";

type Handler = ConnectRouter["handlers"][number];
type Result = Awaited<ReturnType<Handler>>;

const unauthorized = 401;
const plainJson = /^application\/json\b/i;
const envelopedJson = /^application\/(?:connect|grpc-web)\+json\b/i;

const jsonOptions = {
  ignoreUnknownFields: false,
  alwaysEmitImplicit: true,
  textDecoder: new TextDecoder("utf-8", { fatal: true }),
};

/** A route for each method of each service. */
export function connectRoutes({ services, registry, maxBodyBytes }: ApiConfig, reporter: FaultReporter): Route[] {
  const handlers: Handler[] = [];
  const middleware = expressConnectMiddleware({
    requestPathPrefix: "/api",
    // It needs HTTP/2.
    grpc: false,
    // Neither taken nor given: a small body must not become a large one here.
    acceptCompression: [],
    readMaxBytes: maxBodyBytes,
    jsonOptions: { ...jsonOptions, registry },
    interceptors: [reportFaults(reporter, registry)],
    routes: (router) => {
      addServices(router, services);
      handlers.push(...router.handlers.map((handler) => Object.assign(withFaults(handler, reporter), handler)));
      router.handlers.splice(0, handlers.length, ...handlers);
    },
  });
  return handlers.flatMap(({ method, requestPath, allowedMethods }) => {
    // Connect allows GET of streams, and then finds no content type in it.
    const httpMethods = allowedMethods.filter((each) => each === "POST" || method.methodKind === "unary");
    const path = `/api${requestPath}`;
    const answer: Route["answer"] = async (request, response, next) => {
      request.body = await bodyOf(request, method, maxBodyBytes, registry);
      if (request.method === "HEAD") request.method = "GET";
      if (request.method === "GET") request.url = exactUrl(method.input, request.url, maxBodyBytes, registry);
      middleware(request, response, next);
    };
    return httpMethods.map((httpMethod) => ({ httpMethod, template: path, path, rpc: method, answer }));
  });
}

function addServices(router: ConnectRouter, services: readonly ServiceImplSpec[]): void {
  for (const { service, methods } of services) {
    const implementation = Object.entries(methods).map(([name, { impl }]) => [name, impl]);
    router.service(service, Object.fromEntries(implementation));
  }
}

/** What is read in place of the request: leaving that early, as the middleware does, closes the connection unanswered. */
async function bodyOf(
  request: Request,
  method: DescMethod,
  maxBytes: number,
  registry: Registry,
): Promise<AsyncIterable<Uint8Array>> {
  const type = request.get("content-type") ?? "";
  const isEnveloped = method.methodKind !== "unary" || /^application\/grpc-web/i.test(type);
  if (isEnveloped) {
    const chunks = chunksOf(request);
    return envelopedJson.test(type) ? exactEnvelopes(method.input, chunks, maxBytes, registry) : chunks;
  }
  const body = await readBody(request, maxBytes);
  if (!plainJson.test(type) || body.length === 0) return only(body);
  const exact = exactMessage(method.input, body, registry);
  // Connect compares.
  request.headers["content-length"] = `${exact.length}`;
  return only(exact);
}

/** The handler, but never failing, and with faults for what it refuses. */
function withFaults(handler: Handler, reporter: FaultReporter) {
  return async (request: Parameters<Handler>[0]): Promise<Result> => {
    const progress = { called: false };
    const contextValues = createContextValues().set(progressKey, progress);
    try {
      const result = await handler({ ...request, contextValues });
      if (result.status >= 400 && !progress.called) throw await refusalOf(result);
      // As Node will, too late for an answer.
      for (const [name, value] of result.header ?? []) validateHeaderValue(name, value);
      // As everywhere under /api: 401 would ask for another token of the node. Clients look at the code.
      return result.status === unauthorized ? { ...result, status: httpStatusOf(Code.Unauthenticated) } : result;
    } catch (thrown) {
      const fault = reporter.report(thrown, handler.method);
      const header = new Headers({ ...fault.headers, "Content-Type": jsonType });
      return { status: fault.status, header, body: only(Buffer.from(`${JSON.stringify(fault)}\n`)) };
    }
  };
}

/** Why Connect refused a request. Where it blames the server, the client is at fault all the same. */
async function refusalOf({ status, body }: Result): Promise<Fault> {
  if (body === undefined && status === 415) {
    const accepted =
      "application/json or application/proto, for streams application/connect+json or application/connect+proto";
    return new Fault(Code.InvalidArgument, `the content type must be ${accepted}, or gRPC-Web's`, { status });
  }
  if (body === undefined) return new Fault(Code.Unimplemented, "this method needs HTTP/2", { status });
  const unclear = new ConnectError("not a request", Code.Internal);
  const { code, rawMessage } = errorFromJsonBytes(await buffer(body), undefined, unclear);
  if (code === Code.ResourceExhausted) return new Fault(code, rawMessage, { status: 413 });
  // An encoding that is not known here.
  if (code === Code.Unimplemented) return new Fault(code, rawMessage, { status: 415 });
  return new Fault(codeToHttpStatus(code) < 500 ? code : Code.InvalidArgument, rawMessage);
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
