// The HTTP side of accepting a link: which upgrade requests are a node's, and how the others are answered.
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { DswarmError } from "../util/errors.ts";
import { subprotocol, websocketPath } from "./websocket.ts";

/** How an upgrade request is turned down. */
export interface Refusal {
  /** HTTP status. */
  readonly status: number;
  readonly error: DswarmError;
}

/** Why an upgrade request is none of a node's (`upgrade_refused`); undefined where it is one. */
export function refusalOf({ url, headers }: IncomingMessage): Refusal | undefined {
  if (url?.split("?", 1)[0] !== websocketPath) {
    return { status: 404, error: new DswarmError("upgrade_refused", "the path is not /dht") };
  }
  // Browsers send it always and nodes never: no web page has business here. The Host header need not be checked: a page
  // that reaches this port under a name of its own still sends Origin, and no page can prove a key.
  if (headers.origin !== undefined) {
    return { status: 403, error: new DswarmError("upgrade_refused", "it comes from a web page") };
  }
  const offered = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim());
  if (offered?.includes(subprotocol) !== true) {
    return { status: 400, error: new DswarmError("upgrade_refused", `the subprotocol is not ${subprotocol}`) };
  }
  return undefined;
}

/** Answers an upgrade request with an HTTP status and its name, and closes the connection. */
export function answerAndClose(socket: Duplex, status: number): void {
  const text = `${status} ${STATUS_CODES[status]}`;
  const head = ["Connection: close", "Content-Type: text/plain", `Content-Length: ${text.length}`].join("\r\n");
  socket.end(`HTTP/1.1 ${text}\r\n${head}\r\n\r\n${text}`, () => socket.destroy());
}
