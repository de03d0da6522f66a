// Makes a call for a request of plain HTTP and answers: one JSON message, or for a stream of them lines of JSON
// (https://jsonlines.org) or Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
//     lines                          events, for a client whose Accept prefers text/event-stream
//     {"result":{…}}                 data: {…}
//     {"error":{"code":…}}           event: error      data: {"code":…}      the last, if it fails after the first message
//     {"metadata":{…}}               event: end        data: {}              the last, if not; a line only with trailers
//                                    : still here                            every 15 seconds, so that nobody on the way gives up
//
// Trailers are "metadata" in the last of them, and headers of an answer that is no stream.
import { once } from "node:events";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, createHandlerContext, type HandlerContext } from "@connectrpc/connect";
import type { Request, Response } from "express";
import { type Clock, systemClock } from "../util/clock.ts";
import { every } from "../util/every.ts";
import { sendText } from "./answer.ts";
import { trailerHeaders, trailerJson } from "./call-metadata.ts";
import type { FaultReporter } from "./fault.ts";

const lines = "application/x-ndjson";
const events = "text/event-stream";
// Proxies and browsers drop connections that are silent for 30 seconds or more.
const heartbeatMs = 15_000;

interface CallWithOneAnswer {
  readonly method: DescMethod;
  readonly streams: false;
  /** Makes the call. The answer is JSON. */
  readonly answer: (context: HandlerContext) => Promise<string>;
}

interface CallWithManyAnswers {
  readonly method: DescMethod;
  readonly streams: true;
  /** Makes the call. Each answer is JSON. */
  readonly answers: (context: HandlerContext) => AsyncIterable<string>;
}

/** A call whose request is at hand. */
export type ReadyCall = CallWithOneAnswer | CallWithManyAnswers;

/**
 * Makes the call and answers. The context's signal aborts when the client goes away.
 * @throws whatever the call throws before anything is sent
 */
export async function answerCall(
  call: ReadyCall,
  request: Request,
  response: Response,
  reporter: FaultReporter,
  clock: Clock = systemClock,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort(new ConnectError("the client went away", Code.Canceled)));
  const context = createHandlerContext({
    service: call.method.parent,
    method: call.method,
    protocolName: "connect",
    requestMethod: request.method,
    url: request.url,
    requestHeader: Object.entries(request.headersDistinct).flatMap(([name, values = []]) =>
      values.map((value): [string, string] => [name, value]),
    ),
    requestSignal: gone.signal,
  });
  try {
    if (call.streams) {
      await answerStream(call, context, request, response, reporter, clock);
    } else {
      const json = await call.answer(context);
      response.setHeaders(context.responseHeader);
      for (const [name, value] of trailerHeaders(context.responseTrailer)) response.setHeader(name, value);
      sendText(response, 200, json);
    }
  } finally {
    context.abort();
  }
}

async function answerStream(
  { method, answers }: CallWithManyAnswers,
  context: HandlerContext,
  request: Request,
  response: Response,
  reporter: FaultReporter,
  clock: Clock,
): Promise<void> {
  const isEvents = request.accepts([lines, events]) === events;
  const begin = (): void => {
    if (response.headersSent) return;
    response.setHeaders(context.responseHeader);
    response.setHeader("Content-Type", `${isEvents ? events : lines}; charset=utf-8`);
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
  const stopBeating = isEvents ? every(clock, heartbeatMs, beat) : () => undefined;
  try {
    for await (const json of answers(context)) await write(isEvents ? `data: ${json}\n\n` : `{"result":${json}}\n`);
    const metadata = trailerJson(context.responseTrailer);
    const end = metadata === undefined ? {} : { metadata };
    await write(isEvents ? eventOf("end", end) : lineOf(end));
  } catch (error) {
    if (!response.headersSent) throw error;
    const fault = reporter.report(error, method);
    const metadata = trailerJson(fault.trailer);
    const more = metadata === undefined ? {} : { metadata };
    if (!context.signal.aborted)
      await write(isEvents ? eventOf("error", { ...fault.toJSON(), ...more }) : lineOf({ error: fault, ...more }));
  } finally {
    stopBeating();
  }
  response.end();
}

function eventOf(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** A line that says something; none for what says nothing. */
function lineOf(json: object): string {
  return Object.keys(json).length === 0 ? "" : `${JSON.stringify(json)}\n`;
}
