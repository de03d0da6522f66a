// A client of the API of a running node.
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { NodeService } from "../../gen/dswarm/v1/node_pb.ts";
import { messageOf } from "../util/errors.ts";
import { CliError } from "./cli-error.ts";
import type { NodeTarget } from "./find-node.ts";
import { PinnedAgent } from "./pinned-agent.ts";

/** A client of the API. */
export type NodeClient = Client<typeof NodeService>;

/** Nothing listens where the node should be: it is gone. */
export class NothingListens extends CliError {}

/** Bytes of one answer at most. */
export const maxAnswerBytes = 64 * 1024 * 1024;

/** Connections to a node whose certificate no authority vouches for. Undefined for one that Node.js is to judge. */
export function agentFor({ certificateSha256, isLocal }: NodeTarget): PinnedAgent | undefined {
  return isLocal || certificateSha256 !== undefined ? new PinnedAgent(certificateSha256) : undefined;
}

/**
 * Calls the API of a node, for as long as `call` takes.
 * @throws CliError that says why it cannot be reached; ConnectError when the node answers with an error
 */
export async function callNode<T>(target: NodeTarget, call: (client: NodeClient) => Promise<T>): Promise<T> {
  const { url, token } = target;
  const agent = agentFor(target);
  const transport = createConnectTransport({
    baseUrl: `${url}/api`,
    httpVersion: "1.1",
    readMaxBytes: maxAnswerBytes,
    interceptors: token === undefined ? [] : [bearing(token)],
    nodeOptions: agent === undefined ? {} : { agent },
  });
  try {
    return await call(createClient(NodeService, transport));
  } catch (error) {
    throw explained(error, url);
  } finally {
    agent?.destroy();
  }
}

function bearing(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("Authorization", `Bearer ${token}`);
    return next(request);
  };
}

const reasons: Readonly<Record<string, string>> = {
  EAI_AGAIN: "the name cannot be looked up now; check it, or try again later",
  EHOSTUNREACH: "the host cannot be reached; check the address and the network",
  ENETUNREACH: "the host cannot be reached; check the address and the network",
  ENOTFOUND: "there is no such host; check the name",
  ECONNRESET: "the connection was closed; has the node ended, or is it none of dswarm?",
  ETIMEDOUT: "the host does not answer; check the address and the network",
  EPROTO: "what answers there does not speak TLS; is it a node of dswarm?",
};

function explained(error: unknown, url: string): unknown {
  if (error instanceof CliError) return error;
  const cause = rootOf(error);
  if (cause instanceof CliError) return new CliError(`${url}: ${cause.message}`);
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : undefined;
  if (code === undefined) return error;
  if (code === "ECONNREFUSED")
    return new NothingListens(`${url}: nothing listens there; "ls" lists your nodes that run here`);
  if (/CERT|SIGNED|SIGNATURE|ISSUER/.test(code)) {
    return new CliError(`${url}: its certificate is not trusted (${code}); give that of the node with --cacert`);
  }
  return new CliError(`${url}: ${reasons[code] ?? messageOf(cause)}`);
}

/** The error at the end of the chain of causes. */
function rootOf(error: unknown): Error {
  let root = error instanceof Error ? error : new Error(messageOf(error));
  while (root.cause instanceof Error) root = root.cause;
  return root;
}
