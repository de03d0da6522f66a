// Requests of HTTP that may take longer than `requestTimeout`, such as a stream of messages. All others end as Node has it: Node
// leaves out its own answers where somebody listens for them, so they are made here.
import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

// Sockets that are gone leave them.
const allowed = new WeakSet<Duplex>();
const responses = new WeakMap<Duplex, ServerResponse>();

const statuses: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
};

/** Lets a request take any time, until its response is sent. It is of a server that `endSlowRequests` was called with. */
export function allowSlowRequest({ socket }: IncomingMessage, response: ServerResponse): void {
  allowed.add(socket);
  // Where the connection is closed instead, it is of no matter.
  response.once("finish", () => allowed.delete(socket));
}

/** Whether a request may take any time. */
export function isSlowAllowed({ socket }: IncomingMessage): boolean {
  return allowed.has(socket);
}

/** The class of the responses of a server that `endSlowRequests` is called with. */
export class NotedResponse<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  constructor(...args: ConstructorParameters<typeof ServerResponse<Request>>) {
    super(...args);
    responses.set(args[0].socket, this);
  }
}

/** Answers what is no request, and those that take too long unless they may, and closes their connections. */
export function endSlowRequests(server: Server): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    const { code = "" } = error;
    if (code === "ERR_HTTP_REQUEST_TIMEOUT" && allowed.has(socket)) return;
    const response = responses.get(socket);
    const isAnswering = response?.headersSent === true && !response.writableFinished;
    if (socket.writable && !isAnswering && code !== "ECONNRESET") {
      socket.write(`HTTP/1.1 ${statuses[code] ?? "400 Bad Request"}\r\nConnection: close\r\n\r\n`);
    }
    socket.destroy(error);
  });
}
