// The dashboard's end of /api: Connect's protocol in JSON for the node's own service. Every request goes to the origin of the page.
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { NodeService } from "../../gen/dswarm/v1/node_pb.ts";
import { pathId } from "./id-space.ts";
import { jsonLines } from "./json-lines.ts";
import { shown } from "./text.ts";

const tokenName = "dswarm-token";
const jsonType = "application/json";
const linesType = "application/x-ndjson";
/** Above what a message may have. */
const maxLineLength = 32 * 1024 * 1024;

/** The bearer token of this tab, and who waits for one. It is kept in sessionStorage, which ends with the tab. */
export class Session {
  #onRefused: () => void = () => undefined;

  get token(): string | undefined {
    return sessionStorage.getItem(tokenName) ?? undefined;
  }

  set token(token: string | undefined) {
    if (token === undefined) sessionStorage.removeItem(tokenName);
    else sessionStorage.setItem(tokenName, token);
  }

  /** Called when the node asks for a token, or for another. */
  onRefused(listener: () => void): void {
    this.#onRefused = listener;
  }

  /** As `fetch`, with the token. */
  readonly fetch: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    const { token } = this;
    if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
    const response = await answerOf(input, {
      ...init,
      headers,
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
    });
    if (response.status === 401) this.#onRefused();
    return response;
  };
}

/** Nobody listens where the page came from. */
class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

/** @throws NoAnswer where `fetch` throws what it throws for a network that fails, a TypeError */
async function answerOf(...request: Parameters<typeof fetch>): Promise<Response> {
  try {
    return await fetch(...request);
  } catch (error) {
    throw error instanceof TypeError ? new NoAnswer(error.message, { cause: error }) : error;
  }
}

/** A call of a peer's service. */
export interface PeerCall {
  readonly peer: string;
  /** Type name. */
  readonly service: string;
  readonly method: string;
  /** JSON without line breaks, each. Of a method that takes no stream there is one. */
  readonly requests: readonly string[];
  /** Whether the method takes a stream of requests. */
  readonly takesMany: boolean;
  readonly signal: AbortSignal;
}

/** The API of one node: that of the page, or another of its swarm, to which that one forwards. */
export class NodeApi {
  readonly node: Client<typeof NodeService>;
  readonly #baseUrl: string;
  readonly #session: Session;

  /** @param id the node; undefined is the one that serves the page */
  constructor(session: Session, id: string | undefined) {
    this.#session = session;
    this.#baseUrl = `${location.origin}/api${id === undefined ? "" : `/nodes/${pathId(id)}`}`;
    this.node = createClient(NodeService, createConnectTransport({ baseUrl: this.#baseUrl, fetch: session.fetch }));
  }

  /**
   * Calls a service of a peer through the node.
   * @returns the responses as they come, JSON with line breaks; of a unary method there is one
   * @throws Error with what the node or the peer says
   */
  async *call({ peer, service, method, requests, takesMany, signal }: PeerCall): AsyncGenerator<string> {
    const path = [pathId(peer), service, method].map(encodeURIComponent).join("/");
    const response = await this.#session.fetch(`${this.#baseUrl}/peers/${path}`, {
      method: "POST",
      headers: { "Content-Type": takesMany ? linesType : jsonType, Accept: `${jsonType}, ${linesType}` },
      body: requests.join("\n"),
      signal,
    });
    if (response.body === null || response.headers.get("Content-Type")?.startsWith(linesType) !== true) {
      const answer: unknown = await response.json();
      if (!response.ok) throw saidFault(answer, response.status);
      yield JSON.stringify(answer, null, 2);
      return;
    }
    for await (const line of jsonLines(response.body, maxLineLength)) {
      const { result, error } = line as { readonly result?: unknown; readonly error?: unknown };
      if (error !== undefined) throw saidFault(error, response.status);
      // The last line may hold trailers instead.
      if (result !== undefined) yield JSON.stringify(result, null, 2);
    }
  }
}

function saidFault(answer: unknown, status: number): Error {
  const { code, message, fromPeer } = answer as {
    readonly code?: string;
    readonly message?: string;
    readonly fromPeer?: boolean;
  };
  return new Error(`${code ?? status}${fromPeer === true ? ", says the peer" : ""}: ${message ?? ""}`);
}

/** What `faultText` says where the node does not answer. */
const noAnswer = "The node does not answer. It may have been stopped. The page goes on when it is back.";

/** A fault, unless it is that the node does not answer: the panel that shows its status says so once for all. */
export function beyondStatus(fault: string | undefined): string | undefined {
  return fault === noAnswer ? undefined : fault;
}

/** What to show of something that failed. */
export function faultText(thrown: unknown): string {
  if ((thrown instanceof ConnectError ? thrown.cause : thrown) instanceof NoAnswer) return noAnswer;
  if (thrown instanceof ConnectError) return shown(`${Code[thrown.code] ?? "Fault"}: ${thrown.rawMessage}`, 300);
  return shown(thrown instanceof Error ? thrown.message : String(thrown), 300);
}
