// Between Connect's handlers and the implementations: what an implementation does wrong is reported here, once, and the
// client gets what it may see of it.
import { type Message, type Registry, toBinary, toJson } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createContextKey,
  type Interceptor,
  type StreamResponse,
  type UnaryResponse,
} from "@connectrpc/connect";
import type { FaultReporter } from "./fault.ts";

/** Whether a call got past Connect's reading of its request. To be set for each call. */
export const progressKey = createContextKey({ called: false });

/**
 * An interceptor that makes every error one that was reported.
 * @param registry the types that google.protobuf.Any may hold
 */
export function reportFaults(reporter: FaultReporter, registry: Registry): Interceptor {
  return (next) => async (request) => {
    request.contextValues.get(progressKey).called = true;
    try {
      const response = await next(request.stream ? { ...request, message: readable(request.message) } : request);
      if (response.stream) return { ...response, message: reportStream(response, request.signal, reporter, registry) };
      checkEncodes(response.message, response, registry);
      return response;
    } catch (thrown) {
      throw reporter.report(thrown, request.method).toConnectError();
    }
  };
}

async function* readable(messages: AsyncIterable<Message>): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (error) {
    // Connect says so of a message that does not decode.
    if (!(error instanceof ConnectError && error.code === Code.Internal)) throw error;
    throw new ConnectError(error.rawMessage, Code.InvalidArgument, undefined, undefined, error);
  }
}

async function* reportStream(
  response: StreamResponse,
  signal: AbortSignal,
  reporter: FaultReporter,
  registry: Registry,
): AsyncGenerator<Message> {
  try {
    for await (const message of response.message) {
      // Node takes what is written to a client that is gone, as if it were sent.
      signal.throwIfAborted();
      checkEncodes(message, response, registry);
      yield message;
    }
  } catch (thrown) {
    throw reporter.report(thrown, response.method).toConnectError();
  }
}

/** Why an answer does not encode, Connect would tell the client, and nobody else. */
function checkEncodes(message: Message, { method, header }: UnaryResponse | StreamResponse, registry: Registry): void {
  if (header.get("content-type")?.includes("json") === true) toJson(method.output, message, { registry });
  else toBinary(method.output, message);
}
