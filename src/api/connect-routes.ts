// POST /api/<package.Service>/<Method>: Connect's protocol (https://connectrpc.com/docs/protocol) by Connect's own
// handlers, which belong to an exact version of it. Not by expressConnectMiddleware: that prints to the console, and
// answers 500 to a message that does not decode.
import type { DescMethod, JsonReadOptions, JsonWriteOptions } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextKey, createContextValues, type Interceptor } from "@connectrpc/connect";
import { createUniversalServiceHandlers } from "@connectrpc/connect/protocol";
import { createHandlerFactory, errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { Request, Response } from "express";
import { sendText } from "./answer.ts";
import { chunksOf, readBody } from "./body.ts";
import { Fault, type FaultReporter } from "./fault.ts";
import type { ApiConfig } from "./options.ts";
import type { Route } from "./routes.ts";

type UniversalHandler = ReturnType<typeof createUniversalServiceHandlers>[number];
type UniversalResponse = Awaited<ReturnType<UniversalHandler>>;

/** How far a unary call got. */
interface Progress {
  /** Whether the request was decoded, and the implementation called. */
  called: boolean;
  /** What it threw. */
  thrown?: unknown;
}

const progressKey = createContextKey<Progress>({ called: false });

const jsonOptions: Partial<JsonReadOptions & JsonWriteOptions> = {
  ignoreUnknownFields: false,
  alwaysEmitImplicit: true,
};

/** A route for each method of each service. */
export function connectRoutes({ services, maxBodyBytes }: ApiConfig, reporter: FaultReporter): Route[] {
  const connect = createHandlerFactory({
    readMaxBytes: maxBodyBytes,
    jsonOptions,
    interceptors: [watchCalls(reporter)],
  });
  const handlers = services.flatMap((service) => createUniversalServiceHandlers(service, [connect]));
  return handlers.flatMap((handler) =>
    handler.allowedMethods.map((httpMethod) => ({
      httpMethod,
      template: `/api${handler.requestPath}`,
      path: `/api${handler.requestPath}`,
      rpc: handler.method,
      answer: (request, response) => answer(handler, request, response, maxBodyBytes),
    })),
  );
}

async function answer(
  handler: UniversalHandler,
  request: Request,
  response: Response,
  maxBytes: number,
): Promise<void> {
  const progress: Progress = { called: false };
  const values = createContextValues().set(progressKey, progress);
  const call = universalRequestFromNodeRequest(request, response, undefined, values);
  if (call.method === "HEAD") call.method = "GET";
  if (handler.method.methodKind === "unary") {
    call.body = oneOf(await readBody(request, maxBytes));
    await answerUnary(await handler(call), progress, response);
    return;
  }
  call.body = chunksOf(request);
  const result = await handler(call);
  if (result.status >= 400) throw faultOfStatus(result.status);
  await universalResponseToNodeResponse(result, response);
}

async function answerUnary(result: UniversalResponse, progress: Progress, response: Response): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of result.body ?? []) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (result.status >= 400) {
    if ("thrown" in progress) throw progress.thrown;
    if (progress.called) throw new Error(`the answer does not encode: ${bytes.toString()}`);
    throw bytes.length === 0 ? faultOfStatus(result.status) : faultOfRequest(bytes);
  }
  const headers = new Headers(result.header);
  headers.delete("content-length");
  response.setHeaders(headers);
  if (headers.get("content-type") === "application/json") sendText(response, result.status, bytes.toString());
  else response.end(bytes);
}

/** Connect's answer to a request that it does not decode: where it says "internal", the client is at fault all the same. */
function faultOfRequest(bytes: Buffer): Fault {
  const { code, rawMessage } = errorFromJsonBytes(bytes, undefined, new ConnectError("not a request", Code.Internal));
  return new Fault(code === Code.Internal ? Code.InvalidArgument : code, rawMessage);
}

function faultOfStatus(status: number): Fault {
  if (status !== 415) return new Fault(Code.Unimplemented, "this method needs HTTP/2", { status });
  const accepted =
    "application/json or application/proto, for streams application/connect+json or application/connect+proto";
  return new Fault(Code.InvalidArgument, `the content type must be ${accepted}`, { status });
}

function watchCalls(reporter: FaultReporter): Interceptor {
  return (next) => async (request) => {
    const progress = request.contextValues.get(progressKey);
    progress.called = true;
    try {
      const response = await next(request);
      return response.stream
        ? { ...response, message: watchStream(response.message, request.method, reporter) }
        : response;
    } catch (thrown) {
      progress.thrown = thrown;
      // The answer to a unary call is made from what was thrown; a stream carries its error within.
      throw request.stream ? reporter.report(thrown, request.method).toConnectError() : thrown;
    }
  };
}

async function* watchStream<T>(
  messages: AsyncIterable<T>,
  method: DescMethod,
  reporter: FaultReporter,
): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (thrown) {
    throw reporter.report(thrown, method).toConnectError();
  }
}

async function* oneOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
