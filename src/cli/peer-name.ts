// How a peer or a record is named on the command line: by its id or key, by the first characters of it as tables print them, by its number
// among the nodes that run here, by a port, by HOST:PORT, or by a dswarm:// address.
import { RecordKey } from "../dht/record-key.ts";
import { NodeId } from "../identity/node-id.ts";
import { type HostPort, parseHostPort, parsePeerAddress } from "../identity/peer-address.ts";
import { messageOf } from "../util/errors.ts";
import { isLoopback } from "../util/loopback.ts";
import type { NodeClient } from "./api-client.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { noNumber } from "./find-node.ts";
import { onlyMatch } from "./only-match.ts";
import { firstUserPort, type RunningNode, RuntimeFiles } from "./runtime-files.ts";
import { printable } from "./text.ts";

const digits = /^\d{1,5}$/;
// "@" and base64, or base64url, shorter than a whole id.
const idStart = /^@?[A-Za-z0-9+/_-]{4,42}$/;
const keyStart = /^&[A-Za-z0-9+/_-]{4,42}$/;
const timeoutMs = 10_000;
const recordsAtOnce = 1000;
const maxRecordPages = 100;

/** @throws CliError with exit code 2 for what names no peer, whatever there is */
export function checkPeerName(name: string): void {
  if (name.startsWith("dswarm://")) addressed(name);
  else if (!digits.test(name) && !idStart.test(name) && parseHostPort(name) === undefined) parsed(name);
}

/** As `checkPeerName`, of what may be a record's key as well. */
export function checkKeyName(name: string): void {
  if (isOfPeer(name)) checkPeerName(name);
  else checkRecordName(name);
}

/** @throws CliError with exit code 2 for what names no record, whatever there is */
export function checkRecordName(name: string): void {
  if (keyStart.test(name)) return;
  try {
    RecordKey.parse(name);
  } catch (error) {
    const hint = `of a key that the node keeps, "&" and the first 4 are enough`;
    throw new CliError(`${printable(name)}: ${messageOf(error)}; ${hint}`, exitCodes.usage, { cause: error });
  }
}

/** The key that is meant: the id of a peer where a peer is named, otherwise that of a record. */
export async function keyNamed(name: string, client: NodeClient): Promise<string> {
  return isOfPeer(name) ? await peerNamed(name, client) : await recordNamed(name, client);
}

function isOfPeer(name: string): boolean {
  return name.startsWith("@") || name.startsWith("dswarm://") || digits.test(name) || parseHostPort(name) !== undefined;
}

/**
 * The key of a record: the name itself, unless it is "&" and the first characters of a key.
 * @param client of the node whose records are searched
 * @throws CliError when no record of the node, or more than one key, begins so
 */
export async function recordNamed(name: string, client: NodeClient): Promise<string> {
  if (!keyStart.test(name)) return name;
  const start = name.replaceAll("-", "+").replaceAll("_", "/");
  const matches: string[] = [];
  let after = "";
  for (let page = 0; page < maxRecordPages; page++) {
    const { records, next } = await client.listRecords({ limit: recordsAtOnce, after }, { timeoutMs });
    matches.push(...records.map(({ key }) => key).filter((key) => key.startsWith(start)));
    if (next === "") break;
    after = next;
  }
  return onlyMatch(
    name,
    matches,
    'no record of the node has such a key; "records" lists them, and others take the whole key',
  );
}

/**
 * The id of a peer.
 * @param client of the node that is asked which peers there are, where the name is not the whole id
 * @throws CliError when no peer, or more than one, has the name
 */
export async function peerNamed(name: string, client: NodeClient): Promise<string> {
  if (name.startsWith("dswarm://")) return await introduced(name, client);
  if (digits.test(name)) return await numbered(Number(name), client);
  const place = parseHostPort(name);
  if (place !== undefined) return await peerAt(name, client, (candidate) => isSamePlace(candidate, place));
  if (!idStart.test(name)) return parsed(name);
  const start = `@${name.replace(/^@/, "").replaceAll("-", "+").replaceAll("_", "/")}`;
  const ids = (await knownPeers(client)).map(({ id }) => id);
  const none = 'no peer that the node knows has such an id; "peers" lists them';
  return onlyMatch(
    name,
    ids.filter((id) => id.startsWith(start)),
    none,
  );
}

/** Tells the node where the peer is. */
async function introduced(address: string, client: NodeClient): Promise<string> {
  const id = addressed(address);
  const { id: ownId } = await client.getStatus({}, { timeoutMs });
  if (id !== ownId) await client.findPeer({ id: address }, { timeoutMs });
  return id;
}

async function numbered(number: number, client: NodeClient): Promise<string> {
  const running = RuntimeFiles.open().list();
  const node = running.find(({ port }) => port === number) ?? running.find((candidate) => candidate.number === number);
  if (node !== undefined) return node.id;
  if (number < firstUserPort) throw noNumber(number, running);
  return await peerAt(`${number}`, client, ({ port }) => port === number);
}

interface KnownPeer {
  readonly id: string;
  readonly addresses: readonly string[];
}

/** The peers that a node knows, itself, and those that run here. */
async function knownPeers(client: NodeClient): Promise<KnownPeer[]> {
  const [{ id, address }, { peers }] = await Promise.all([
    client.getStatus({}, { timeoutMs }),
    client.listPeers({}, { timeoutMs }),
  ]);
  const running = RuntimeFiles.open().list();
  return [{ id, addresses: [hostPortOf(address)] }, ...peers, ...running.map(ofRunning)];
}

function ofRunning({ id, address }: RunningNode): KnownPeer {
  return { id, addresses: [hostPortOf(address)] };
}

/** "HOST:PORT" of a `dswarm://` address. */
function hostPortOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}

async function peerAt(name: string, client: NodeClient, isThere: (place: HostPort) => boolean): Promise<string> {
  const found = (await knownPeers(client)).filter(({ addresses }) =>
    addresses.some((text) => {
      const place = parseHostPort(text);
      return place !== undefined && isThere(place);
    }),
  );
  return onlyMatch(
    name,
    found.map(({ id }) => id),
    "the node knows no peer there; give dswarm://KEY@HOST:PORT",
  );
}

function isSamePlace(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && (a.host === b.host || (isOnLoopback(a.host) && isOnLoopback(b.host)));
}

function isOnLoopback(host: string): boolean {
  return host === "localhost" || isLoopback(host);
}

/** The id in a `dswarm://` address. */
function addressed(name: string): string {
  try {
    return parsePeerAddress(name).id.toString();
  } catch (error) {
    throw new CliError(`${printable(name)}: ${messageOf(error)}`, exitCodes.usage, { cause: error });
  }
}

function parsed(name: string): string {
  try {
    return NodeId.parse(name).toString();
  } catch (error) {
    throw new CliError(`${printable(name)}: ${messageOf(error)}`, exitCodes.usage, { cause: error });
  }
}
