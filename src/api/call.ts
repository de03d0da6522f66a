// Makes a call for a request of plain HTTP and answers: one JSON message, or for a stream of them lines of JSON
// (https://jsonlines.org) or Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
//     lines                   events, for a client whose Accept prefers text/event-stream
//     {"result":{…}}          id: CURSOR     data: {…}           the id only of messages that have one
//     {"error":{"code":…}}    event: error   data: {"code":…}    the last, if it fails after the answer has begun
//     {"metadata":{…}}        id: end        event: end          data: {}, the last, if not; a line only with trailers
//                             event: header  data: {…}           a peer's metadata that came after the answer had begun
//                             : still here                       every 15 seconds, so that nobody on the way gives up
//
// Trailers are "metadata" in the last of them, and headers of an answer that is no stream. The status and the headers do not wait
// for the first message: a client is told that its stream is open.
import { once } from "node:events";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, createHandlerContext, type HandlerContext } from "@connectrpc/connect";
import type { Request, Response } from "express";
import { type Clock, systemClock } from "../util/clock.ts";
import { every } from "../util/every.ts";
import { sendBytes, sendText } from "./answer.ts";
import { metadataHeaders, metadataJson, trailerHeaders } from "./call-metadata.ts";
import type { FaultReporter } from "./fault.ts";
import type { RawAnswer } from "./raw-values.ts";

const lines = "application/x-ndjson";
const events = "text/event-stream";
// Proxies and browsers drop connections that are silent for 30 seconds or more.
const heartbeatMs = 15_000;
const peerVerdictMs = 1000;
/** The id of the last event of a stream that has ended: who comes back with it gets 204, which browsers do not repeat. */
const endId = "end";

interface Call {
  readonly method: DescMethod;
  /** Whether a peer is called: its metadata gets the prefix of such. */
  readonly isOfPeer?: boolean;
}

interface CallWithOneAnswer extends Call {
  readonly streams: false;
  /** Makes the call. The answer is JSON, or raw. */
  readonly answer: (context: HandlerContext) => Promise<string | RawAnswer>;
}

/** One message of a stream. */
export interface StreamedAnswer {
  readonly json: string;
  /** The id of its event, without control characters: where a client that comes back goes on. */
  readonly cursor?: string;
}

interface CallWithManyAnswers extends Call {
  readonly streams: true;
  /** Makes the call. */
  readonly answers: (context: HandlerContext) => AsyncIterable<StreamedAnswer>;
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
      const answer = await call.answer(context);
      setHeader(response, call, context);
      for (const [name, values] of trailerHeaders(context.responseTrailer)) response.setHeader(name, values);
      if (typeof answer === "string") sendText(response, 200, answer);
      else sendBytes(response, answer.headers, answer.bytes);
    }
  } finally {
    context.abort();
  }
}

/** Metadata that the call has given beside its answer. Only a peer's may have a value twice. */
function setHeader(response: Response, { isOfPeer }: ReadyCall, { responseHeader }: HandlerContext): void {
  if (isOfPeer !== true) response.setHeaders(responseHeader);
  else for (const [name, values] of metadataHeaders(responseHeader)) response.setHeader(name, values);
}

async function answerStream(
  call: CallWithManyAnswers,
  context: HandlerContext,
  request: Request,
  response: Response,
  reporter: FaultReporter,
  clock: Clock,
): Promise<void> {
  const isEvents = request.accepts([lines, events]) === events;
  if (isEvents && request.headers["last-event-id"] === endId) {
    response.writeHead(204).end();
    return;
  }
  let isHeaderTold = false;
  const begin = (): void => {
    if (response.headersSent || context.signal.aborted) return;
    setHeader(response, call, context);
    isHeaderTold = call.isOfPeer !== true || [...context.responseHeader].length > 0;
    response.setHeader("Content-Type", `${isEvents ? events : lines}; charset=utf-8`);
    response.flushHeaders();
  };
  const write = async (text: string): Promise<void> => {
    context.signal.throwIfAborted();
    begin();
    const metadata = isHeaderTold ? undefined : metadataJson(context.responseHeader);
    isHeaderTold ||= metadata !== undefined;
    const late = metadata === undefined || !isEvents ? "" : eventOf("header", { metadata });
    if (!response.write(late + text)) await once(response, "drain", { signal: context.signal });
  };
  const beat = (): void => {
    // A client that does not read hears enough from the system's own keepalive.
    if (context.signal.aborted || response.writableNeedDrain) return;
    begin();
    response.write(": still here\n\n");
  };
  const stopBeating = isEvents ? every(clock, heartbeatMs, beat) : () => undefined;
  const stopWaiting = beginSoon(call, isEvents, clock, begin);
  try {
    for await (const answer of call.answers(context)) await write(isEvents ? dataOf(answer) : resultOf(answer));
    const metadata = metadataJson(context.responseTrailer);
    const end = metadata === undefined ? {} : { metadata };
    await write(isEvents ? `id: ${endId}\n${eventOf("end", end)}` : lineOf(end));
  } catch (error) {
    if (!response.headersSent) throw error;
    const fault = reporter.report(error, call.method);
    const metadata = metadataJson(fault.trailer);
    const more = metadata === undefined ? {} : { metadata };
    if (!context.signal.aborted)
      await write(isEvents ? eventOf("error", { ...fault.toJSON(), ...more }) : lineOf({ error: fault, ...more }));
  } finally {
    stopBeating();
    stopWaiting();
  }
  response.end();
}

/**
 * Begins an answer whose first message takes its time. What is wrong with a request to the node itself is found within the turn of
 * the event loop, and gets a status. A peer's verdict takes a while; lines wait for its metadata, which they have no place for.
 */
function beginSoon({ isOfPeer }: CallWithManyAnswers, isEvents: boolean, clock: Clock, begin: () => void): () => void {
  if (isOfPeer !== true) return clock.nextTurn(begin);
  return isEvents ? clock.setTimeout(begin, peerVerdictMs) : () => undefined;
}

function dataOf({ json, cursor = "" }: StreamedAnswer): string {
  return `${cursor === "" ? "" : `id: ${cursor}\n`}data: ${json}\n\n`;
}

function resultOf({ json }: StreamedAnswer): string {
  return `{"result":${json}}\n`;
}

function eventOf(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** A line that says something; none for what says nothing. */
function lineOf(json: object): string {
  return Object.keys(json).length === 0 ? "" : `${JSON.stringify(json)}\n`;
}
