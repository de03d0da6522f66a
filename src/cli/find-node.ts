// Which running node a command is for: the one that --node names, or one that runs on this machine.
import { isLoopback } from "../util/loopback.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { RunningNode } from "./runtime-files.ts";
import { shortId } from "./text.ts";

/** Where the API of a node is, and which certificate it has. */
export interface NodeTarget {
  /** "https://host:port". */
  readonly url: string;
  /** The sha256 that its certificate must have, 64 hex digits, where that is known. */
  readonly certificateSha256: string | undefined;
  /** Whether it is reached on this machine's loopback, where nobody else can answer for it. */
  readonly isLocal: boolean;
  /** Which node it is, for people: in several lengths, the longest first. */
  readonly titles: readonly string[];
  /** The node as its file says, where it has one. */
  readonly running: RunningNode | undefined;
  /** Bearer token that its API asks for. @default none */
  readonly token?: string | undefined;
}

// What is below is a place in the list and not a port: those ports are for the system's services.
const firstUserPort = 1024;
const highestPort = 65_535;

/**
 * Finds a node.
 * @param selector a port, a URL, or a place in the list, from 1; undefined is the first of the list
 * @param running the list: nodes that run on this machine
 * @param programName the words that call this program, for hints
 * @throws CliError when there is none, or the selector is neither
 */
export function findNode(
  selector: string | undefined,
  running: readonly RunningNode[],
  programName: string,
): NodeTarget {
  if (selector === undefined) return firstOf(running, programName);
  if (/^\d{1,5}$/.test(selector)) return numbered(Number(selector), running);
  const url = URL.parse(selector);
  if (
    url?.protocol !== "https:" ||
    url.pathname !== "/" ||
    url.search !== "" ||
    url.hash !== "" ||
    url.username !== ""
  ) {
    throw new CliError(`--node ${selector}: give a port, https://HOST:PORT, or a number from 1`, exitCodes.usage);
  }
  return addressed(url, running);
}

function firstOf(running: readonly RunningNode[], programName: string): NodeTarget {
  const [first] = running;
  if (first !== undefined) return targetOf(first, running.length);
  throw new CliError(
    `no node of yours runs on this machine; start one with "${programName} start", or name one with --node`,
  );
}

function numbered(number: number, running: readonly RunningNode[]): NodeTarget {
  const node =
    running.find(({ port }) => port === number) ?? (number < firstUserPort ? running[number - 1] : undefined);
  if (node !== undefined) return targetOf(node);
  if (number >= firstUserPort && number <= highestPort) return unlisted(new URL(`https://localhost:${number}`));
  const last = running.at(-1);
  const range = last === undefined ? "none of yours runs on this machine" : `there are 1 to ${running.length}`;
  throw new CliError(`no node ${number}: ${range}`);
}

function addressed(url: URL, running: readonly RunningNode[]): NodeTarget {
  const node = running.find((candidate) => {
    const own = new URL(candidate.url);
    return own.port === url.port && (own.hostname === url.hostname || (isLocal(own) && isLocal(url)));
  });
  return node === undefined ? unlisted(url) : { ...targetOf(node), url: url.origin };
}

function unlisted(url: URL): NodeTarget {
  return {
    url: url.origin,
    certificateSha256: undefined,
    isLocal: isLocal(url),
    titles: [`Node at ${url.origin}`],
    running: undefined,
  };
}

/** @param amongst how many it is the first of; 1 where it was named */
function targetOf(running: RunningNode, amongst = 1): NodeTarget {
  const { id, port, url, certificateSha256 } = running;
  const remark = amongst === 1 ? "" : `, the first of ${amongst} here: --node chooses another`;
  const titles = [
    `Node ${id} on port ${port}${remark}`,
    `Node ${shortId(id)} on port ${port}${remark}`,
    `Node ${shortId(id)} on port ${port}${amongst === 1 ? "" : ` (of ${amongst}: --node)`}`,
  ];
  return { url, certificateSha256, isLocal: isLocal(new URL(url)), titles, running };
}

function isLocal({ hostname }: URL): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return host === "localhost" || isLoopback(host);
}
