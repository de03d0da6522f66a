// /api/nodes/{id}/…: the API of another node of the same swarm, so that the page of one node can show all of them without a
// request to another origin. The other node checks access, too: it sees a client on this machine, and the client's token.
import { request as httpsRequest } from "node:https";
import { pipeline } from "node:stream/promises";
import { Code } from "@connectrpc/connect";
import type { Request, Response } from "express";
import { allowSlowRequest } from "../channel/slow-requests.ts";
import { NodeId } from "../identity/node-id.ts";
import type { SwarmDirectory } from "../node/swarm-directory.ts";
import { sendFault } from "./answer.ts";
import { isLines } from "./body.ts";
import { Fault, type FaultReporter } from "./fault.ts";

/** The paths that are forwarded, for Express. */
export const forwardedPath = "/api/nodes/:id/*rest";

const prefix = /^\/api\/nodes\/[^/?]+/;
// They are about this connection, or were checked here.
const ownHeaders = new Set(["connection", "keep-alive", "host", "origin", "te", "upgrade", "transfer-encoding"]);

// With the metadata that a peer may send.
const maxHeaderSize = 262_144;

/** Forwards requests to the other nodes of a swarm. */
export function forwardToNodes(swarm: SwarmDirectory, reporter: FaultReporter) {
  return async (request: Request, response: Response): Promise<void> => {
    try {
      const id = NodeId.parse(String(request.params["id"])).toString();
      const member = await swarm.find(id);
      if (member === undefined) throw new Fault(Code.NotFound, "no such node was started with this one");
      const rest = `/api${request.url.replace(prefix, "")}`;
      // A node that forwards to itself would never come to an end.
      if (prefix.test(rest)) throw new Fault(Code.InvalidArgument, "one node forwards to another, and no further");
      await forward(request, response, new URL(member.url), rest, member.agent());
    } catch (thrown) {
      sendFault(response, reporter.report(thrown, undefined));
    }
  };
}

async function forward(
  request: Request,
  response: Response,
  { hostname, port }: URL,
  path: string,
  agent: ReturnType<NonNullable<Awaited<ReturnType<SwarmDirectory["find"]>>>["agent"]>,
): Promise<void> {
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(([name]) => !ownHeaders.has(name) && !name.startsWith("sec-fetch-")),
  );
  // A stream of requests for a peer lasts as long as it does.
  if (isLines(request)) allowSlowRequest(request, response);
  const outgoing = httpsRequest({ hostname, port, path, method: request.method, headers, agent, maxHeaderSize });
  response.once("close", () => outgoing.destroy());
  const answered = new Promise<void>((resolve, reject) => {
    outgoing.once("error", (cause) => {
      reject(new Fault(Code.Unavailable, "the other node does not answer", { cause }));
    });
    outgoing.once("response", (incoming) => {
      response.writeHead(incoming.statusCode ?? 502, incoming.headers);
      // Either end may go at any time: then there is nobody left to tell.
      pipeline(incoming, response).then(resolve, () => resolve());
    });
  });
  request.pipe(outgoing);
  await answered;
}
