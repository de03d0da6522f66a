// Which running node a command is for: the one that --node names, or one that runs on this machine.
import { formatHostPort, type HostPort, parseHostPort, parsePeerAddress } from "../identity/peer-address.ts";
import { messageOf } from "../util/errors.ts";
import { isLoopback } from "../util/loopback.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { onlyMatch } from "./only-match.ts";
import { firstUserPort, type RunningNode } from "./runtime-files.ts";
import { printable, shortId } from "./text.ts";

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

const highestPort = 65_535;
const maxShownNumbers = 12;
// "@" and base64 or base64url of an id, or the first characters of it.
const idForm = /^@[A-Za-z0-9+/_-]{1,43}=?$/;
const forms =
  'a number of "ls", a port, HOST:PORT, https://HOST:PORT, dswarm://KEY@HOST:PORT, or @ and the start of an id';

/**
 * Finds a node.
 * @param selector the number of a node, a port, HOST:PORT, a URL, a `dswarm://` address, or the start of an id that runs here; undefined
 *   is the first of the list
 * @param running the list: nodes that run on this machine
 * @param programName the words that call this program, for hints
 * @param place what stands before the selector on the command line
 * @throws CliError when there is none, or the selector is neither
 */
export function findNode(
  selector: string | undefined,
  running: readonly RunningNode[],
  programName: string,
  place = "--node ",
): NodeTarget {
  if (selector === undefined) return firstOf(running, programName);
  if (/^\d{1,5}$/.test(selector)) return numbered(Number(selector), running);
  if (idForm.test(selector)) return identified(selector, running);
  const address = addressIn(selector, place);
  const url = URL.parse(address === undefined ? selector : `https://${formatHostPort(address)}`);
  if (
    url?.protocol !== "https:" ||
    url.pathname !== "/" ||
    url.search !== "" ||
    url.hash !== "" ||
    url.username !== ""
  ) {
    throw new CliError(`${place}${printable(selector)}: give ${forms}`, exitCodes.usage);
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
  const node = running.find(({ port }) => port === number) ?? running.find((candidate) => candidate.number === number);
  if (node !== undefined) return targetOf(node);
  if (number >= firstUserPort && number <= highestPort) return unlisted(new URL(`https://localhost:${number}`));
  throw noNumber(number, running);
}

/** The error of a number that no node has. */
export function noNumber(number: number, running: readonly RunningNode[]): CliError {
  const last = running.at(-1);
  if (last === undefined) return new CliError(`no node ${number}: none of yours runs on this machine`);
  const numbers = running.map((node) => node.number);
  const span = last.number === numbers.length ? `1 to ${last.number}` : numbers.slice(0, maxShownNumbers).join(", ");
  return new CliError(
    `no node ${number}: there are ${span}${numbers.length > maxShownNumbers ? ', …; "ls" lists them' : ""}`,
  );
}

/** Where the node of a `dswarm://` address, or at a host and port, is. Undefined for other text. */
function addressIn(selector: string, place: string): HostPort | undefined {
  if (!selector.startsWith("dswarm://")) return parseHostPort(selector);
  try {
    return parsePeerAddress(selector);
  } catch (error) {
    throw new CliError(`${place}${printable(selector)}: ${messageOf(error)}`, exitCodes.usage);
  }
}

function identified(selector: string, running: readonly RunningNode[]): NodeTarget {
  const start = selector.replaceAll("-", "+").replaceAll("_", "/");
  const ids = running.map(({ id }) => id).filter((id) => id.startsWith(start));
  const id = onlyMatch(selector, ids, 'no node of yours that runs here has such an id; "ls" lists them');
  const node = running.find((candidate) => candidate.id === id);
  if (node === undefined) throw new CliError(`${printable(selector)}: it has just stopped`);
  return targetOf(node);
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
