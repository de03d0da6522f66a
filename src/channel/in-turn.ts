// HTTP requests that a client sends before it has the answers to those before (pipelining, RFC 9112, section 9.3.2). One read of
// the socket can bring hundreds, and Node hands them out all at once.
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../util/clock.ts";

type Exchange = readonly [IncomingMessage, ServerResponse];

// No client in use pipelines; RFC 9112 lets it, and lets a server close instead.
const maxWaiting = 8;

/**
 * A listener that is given the requests of one connection one after the other, the next in a turn of the event loop after the answer
 * to the one before. A connection with more than 8 that wait is closed.
 */
export function inTurn(clock: Clock, listener: RequestListener): RequestListener {
  /** Those that wait, by connection with an answer under way. Sockets that are gone leave it. */
  const waiting = new WeakMap<Duplex, Exchange[]>();
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request;
    const queue: Exchange[] = [];
    waiting.set(socket, queue);
    response.once("close", () => {
      const next = queue.shift();
      if (next === undefined) {
        waiting.delete(socket);
        return;
      }
      clock.nextTurn(() => {
        if (socket.destroyed) return;
        handle(...next);
        waiting.get(socket)?.push(...queue);
      });
    });
    listener(request, response);
  };
  return (request, response) => {
    const { socket } = request;
    if (socket.destroyed) return;
    const queue = waiting.get(socket);
    if (queue === undefined) handle(request, response);
    else if (queue.length < maxWaiting) queue.push([request, response]);
    else socket.destroy();
  };
}
