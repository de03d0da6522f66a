// What Node leaves out when a client goes away. A write that waits may fail by any name (EPIPE, ECANCELED, …), and Connect's
// middleware prints the names that it does not know; or it never ends, and neither do the middleware and the call.
import { ServerResponse } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Express } from "express";

const maxListeners = 32;

type Written = (error: Error | null | undefined) => void;

/** Lets every write that waits for a client end when the client is gone, and makes its error ConnectError `aborted`. */
export function reportGoneClients(app: Express): void {
  // Express has it that responses inherit from this one.
  app.response.write = write;
  app.use((_request, response, next) => {
    // Of a request that is forwarded: a few of this program's, the rest Node's own for its pipeline.
    response.setMaxListeners(maxListeners);
    response.once("close", () => response.emit("drain"));
    next();
  });
}

function write(this: ServerResponse, chunk: unknown, ...rest: (BufferEncoding | Written | undefined)[]): boolean {
  const encoding = rest.find((each) => typeof each === "string") ?? "utf8";
  const written = rest.find((each) => typeof each === "function");
  return ServerResponse.prototype.write.call(this, chunk, encoding, (error) => {
    written?.(error && new ConnectError("the client went away", Code.Aborted, undefined, undefined, error));
  });
}
