// Calls a method for a request of plain HTTP and answers: one JSON message, or for a stream of them lines of JSON
// (https://jsonlines.org) or Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
//     lines                          events, for a client whose Accept prefers text/event-stream
//     {"result":{…}}                 data: {…}
//     {"error":{"code":…}}           event: error      data: {"code":…}      the last, if it fails after the first message
//                                    event: end        data: {}              the last, if not
//                                    : still here                            every 15 seconds, so that nobody on the way gives up
import { once } from "node:events";
import { create, type DescMessage, type Message, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createHandlerContext, type HandlerContext } from "@connectrpc/connect";
import type { Request, Response } from "express";
import { type Clock, systemClock } from "../util/clock.ts";
import { every } from "../util/every.ts";
import { sendText } from "./answer.ts";
import type { FaultReporter } from "./fault.ts";
import type { PlainMethod } from "./http-rule.ts";

const lines = "application/x-ndjson";
const events = "text/event-stream";
// Proxies and browsers drop connections that are silent for 30 seconds or more.
const heartbeatMs = 15_000;

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
  clock: Clock = systemClock,
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
      await answerStream(rpc.impl(message, context), rpc, context, request, response, reporter, clock);
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
  clock: Clock,
): Promise<void> {
  const type = request.accepts([lines, events]) === events ? events : lines;
  const begin = (): void => {
    if (response.headersSent) return;
    response.setHeaders(context.responseHeader);
    response.setHeader("Content-Type", `${type}; charset=utf-8`);
  };
  const write = async (text: string): Promise<void> => {
    context.signal.throwIfAborted();
    begin();
    if (!response.write(text)) await once(response, "drain", { signal: context.signal });
  };
  const beat = (): void => {
    // A client that does not read hears enough from the system's own keepalive.
    if (context.signal.aborted || response.writableNeedDrain) return;
    begin();
    response.write(": still here\n\n");
  };
  const stopBeating = type === events ? every(clock, heartbeatMs, beat) : () => undefined;
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
      await write(type === events ? `event: error\ndata: ${fault}\n\n` : `{"error":${fault}}\n`);
  } finally {
    stopBeating();
  }
  response.end();
}

function jsonText(output: DescMessage, message: MessageInitShape<DescMessage>): string {
  return JSON.stringify(toJson(output, create(output, message), { alwaysEmitImplicit: true }));
}
