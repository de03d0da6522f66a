// Writes answers of one line of JSON.
import type { IncomingMessage, ServerResponse } from "node:http";
import { systemClock } from "../util/clock.ts";
import { trailerHeaders } from "./call-metadata.ts";
import type { Fault } from "./fault.ts";

/** The content type of all JSON that is not Connect's. */
export const jsonType = "application/json; charset=utf-8";

const hearMs = 1000;

/** Answers with a line of JSON. Headers set before stay. */
export function sendText(response: ServerResponse, status: number, json: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", jsonType);
  response.setHeader("Content-Length", Buffer.byteLength(json) + 1);
  response.end(`${json}\n`);
}

/** Answers with bytes of the content type that the headers name. */
export function sendBytes(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  bytes: Uint8Array,
): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader("Content-Length", bytes.length);
  response.end(bytes);
}

/** Answers with a fault, and closes the connection: who is refused holds none. */
export function refuse(response: ServerResponse, fault: Fault): void {
  response.shouldKeepAlive = false;
  sendFault(response, fault);
}

/**
 * Answers with a fault. An answer that has begun is cut off instead. A client that is still sending is heard out for a while: it
 * would find its connection closed, and might never read the answer. If it is not done then, the connection is closed, too, a moment
 * after the answer.
 */
export function sendFault(response: ServerResponse, fault: Fault): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(fault.headers)) response.setHeader(name, value);
  for (const [name, values] of trailerHeaders(fault.trailer)) response.setHeader(name, values);
  whenHeard(response.req, () => {
    if (response.headersSent) return;
    if (!response.req.complete) closeSlowly(response);
    sendText(response, fault.status, JSON.stringify(fault));
  });
}

/**
 * Closes the connection after the answer, but reads on for a moment before: a connection that is closed with bytes unread is reset,
 * which may take from the client what it has not read.
 */
function closeSlowly(response: ServerResponse): void {
  const { socket } = response;
  response.shouldKeepAlive = false;
  if (socket === null) return;
  // Node calls it once the last answer has gone out.
  socket.destroySoon = () => {
    socket.end();
    socket.resume();
    const cancel = systemClock.setTimeout(() => socket.destroy(), hearMs);
    socket.once("close", cancel);
  };
}

function whenHeard(request: IncomingMessage, answer: () => void): void {
  if (request.complete || request.destroyed) {
    answer();
    return;
  }
  const cancel = systemClock.setTimeout(answer, hearMs);
  request.once("close", cancel);
  request.once("end", () => {
    cancel();
    answer();
  });
  request.resume();
}
