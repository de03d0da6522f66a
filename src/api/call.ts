// Calls a method for a request of plain HTTP and answers: one JSON message, or for a stream of them lines of JSON
// (https://jsonlines.org) or Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
//     lines                          events, for a client whose Accept prefers text/event-stream
//     {"result":{…}}                 data: {…}
//     {"error":{"code":…}}           event: fault      data: {"code":…}      the last, if it fails after the first message
//                                    event: end        data: {}              the last, if not
import { once } from "node:events";
import { create, type DescMessage, type Message, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createHandlerContext, type HandlerContext } from "@connectrpc/connect";
import type { Request, Response } from "express";
import { sendText } from "./answer.ts";
import type { FaultReporter } from "./fault.ts";
import type { PlainMethod } from "./http-rule.ts";

const lines = "application/x-ndjson";
const events = "text/event-stream";

/**
 * Calls the method and answers. The implementation's signal aborts when the client goes away.
 * @throws whatever the implementation throws before anything is sent
 */
export async function answerCall(
  rpc: PlainMethod,
  message: Message,
  request: Request,
  response: Response,
  reporter: FaultReporter,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort(new ConnectError("the client went away", Code.Canceled)));
  const context = createHandlerContext({
    service: rpc.method.parent,
    method: rpc.method,
    protocolName: "connect",
    requestMethod: request.method,
    url: request.url,
    requestHeader: Object.entries(request.headersDistinct).flatMap(([name, values = []]) =>
      values.map((value): [string, string] => [name, value]),
    ),
    requestSignal: gone.signal,
  });
  try {
    if (rpc.kind === "unary") {
      const text = jsonText(rpc.method.output, await rpc.impl(message, context));
      response.setHeaders(context.responseHeader);
      sendText(response, 200, text);
    } else {
      await answerStream(rpc.impl(message, context), rpc, context, request, response, reporter);
    }
  } finally {
    context.abort();
  }
}

async function answerStream(
  messages: AsyncIterable<MessageInitShape<DescMessage>>,
  rpc: PlainMethod,
  context: HandlerContext,
  request: Request,
  response: Response,
  reporter: FaultReporter,
): Promise<void> {
  const type = request.accepts([lines, events]) === events ? events : lines;
  const write = async (text: string): Promise<void> => {
    context.signal.throwIfAborted();
    if (!response.headersSent) {
      response.setHeaders(context.responseHeader);
      response.setHeader("Content-Type", `${type}; charset=utf-8`);
    }
    if (!response.write(text)) await once(response, "drain", { signal: context.signal });
  };
  try {
    for await (const message of messages) {
      const text = jsonText(rpc.method.output, message);
      await write(type === events ? `data: ${text}\n\n` : `{"result":${text}}\n`);
    }
    await write(type === events ? "event: end\ndata: {}\n\n" : "");
  } catch (error) {
    if (!response.headersSent) throw error;
    const fault = JSON.stringify(reporter.report(error, rpc.method));
    if (!context.signal.aborted)
      await write(type === events ? `event: fault\ndata: ${fault}\n\n` : `{"error":${fault}}\n`);
  }
  response.end();
}

function jsonText(output: DescMessage, message: MessageInitShape<DescMessage>): string {
  return JSON.stringify(toJson(output, create(output, message), { alwaysEmitImplicit: true }));
}
