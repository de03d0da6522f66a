// Writes answers of one line of JSON.
import type { ServerResponse } from "node:http";
import { trailerHeaders } from "./call-metadata.ts";
import type { Fault } from "./fault.ts";

/** The content type of all JSON that is not Connect's. */
export const jsonType = "application/json; charset=utf-8";

/** Answers with a line of JSON. Headers set before stay. */
export function sendText(response: ServerResponse, status: number, json: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", jsonType);
  response.setHeader("Content-Length", Buffer.byteLength(json) + 1);
  response.end(`${json}\n`);
}

/** Answers with a fault. An answer that has begun is cut off instead. */
export function sendFault(response: ServerResponse, fault: Fault): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(fault.headers)) response.setHeader(name, value);
  for (const [name, value] of trailerHeaders(fault.trailer)) response.setHeader(name, value);
  sendText(response, fault.status, JSON.stringify(fault));
}
