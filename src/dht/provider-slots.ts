// The providers of one key, of which a store keeps only so many. A provider record costs an invented key and nothing else, so that a
// newcomer always gets in, and one of those that are there gives way. A provider counts as proven where this node has seen its key
// itself: the provider stored the record on its own connection, or is in the routing table. Proven ones have most of the places, but
// not all: where a record was passed on by others, its provider cannot be proven.
import type { NodeId } from "../identity/node-id.ts";
import type { Clock } from "../util/clock.ts";
import type { RecordEntry } from "./record-entry.ts";

/** Whether this node knows by itself that a node is there. */
export type Knows = (id: NodeId) => boolean;

const provenShare = 0.75;

/**
 * The one of a key's providers, the newcomer among them, that gives way; never a record of this node itself. The newcomer does if it is
 * withdrawn and all others provide.
 */
export function providerToEvict(
  entries: readonly RecordEntry[],
  newcomer: RecordEntry,
  knows: Knows,
): RecordEntry | undefined {
  const others = entries.filter((entry) => entry.id !== newcomer.id && entry.from !== undefined);
  const { proven, unproven, gone } = sorted(others, knows);
  // They say only that older records are out of date.
  if (gone.length > 0) return oldestOfMost(gone, newcomer);
  if (newcomer.isGone) return newcomer;
  const reserve = Math.max(1, Math.floor(entries.length * (1 - provenShare)));
  const isProven = isProvenBy(newcomer, knows);
  const fromUnproven = unproven.length > 0 && (isProven ? unproven.length > reserve : unproven.length >= reserve);
  const pool = fromUnproven || proven.length === 0 ? unproven : proven;
  return oldestOfMost(pool, newcomer);
}

/**
 * The providers to answer with, at most `limit` and as many withdrawn ones: a random part of those that are proven, and of the others.
 * Nobody can fill the answer by being there first, and dead providers fill only a part of it.
 * @param asker a node whose own record is in the answer, if it is there
 */
export function providersToAnswer(
  entries: readonly RecordEntry[],
  limit: number,
  { knows, asker, clock }: { readonly knows: Knows; readonly asker: NodeId | undefined; readonly clock: Clock },
): RecordEntry[] {
  const { proven, unproven, gone } = sorted(entries, knows);
  const answer: RecordEntry[] = [];
  if (proven.length + unproven.length <= limit) answer.push(...proven, ...unproven);
  else {
    for (const all of [proven, unproven]) shuffle(all, clock, asker);
    const most = Math.max(Math.ceil(limit * provenShare), limit - unproven.length);
    const chosen = proven.slice(0, most);
    answer.push(...chosen, ...unproven.slice(0, limit - chosen.length));
  }
  if (gone.length > limit) shuffle(gone, clock, asker);
  return [...answer, ...gone.slice(0, limit)];
}

interface Sorted {
  readonly proven: RecordEntry[];
  readonly unproven: RecordEntry[];
  readonly gone: RecordEntry[];
}

function sorted(entries: readonly RecordEntry[], knows: Knows): Sorted {
  const all: Sorted = { proven: [], unproven: [], gone: [] };
  for (const entry of entries) {
    if (entry.isGone) all.gone.push(entry);
    else if (isProvenBy(entry, knows)) all.proven.push(entry);
    else all.unproven.push(entry);
  }
  return all;
}

function isProvenBy({ from, provider, isForwarded }: RecordEntry, knows: Knows): boolean {
  if (provider === undefined) return false;
  return from === undefined || (!isForwarded && from.equals(provider)) || knows(provider);
}

/** Of those of the host, and there of the peer, that stored most of them, the one that was refreshed longest ago. */
function oldestOfMost(pool: readonly RecordEntry[], newcomer: RecordEntry): RecordEntry | undefined {
  const ofHost = largestGroup(pool, newcomer, ({ host }) => host);
  const ofPeer = largestGroup(ofHost, newcomer, ({ from, isForwarded }) => `${isForwarded} ${String(from)}`);
  let oldest: RecordEntry | undefined;
  for (const entry of ofPeer) if (oldest === undefined || entry.expiresAtMs < oldest.expiresAtMs) oldest = entry;
  return oldest;
}

function largestGroup(
  pool: readonly RecordEntry[],
  newcomer: RecordEntry,
  nameOf: (entry: RecordEntry) => string,
): RecordEntry[] {
  const groups = new Map<string, RecordEntry[]>();
  for (const entry of pool) {
    const group = groups.get(nameOf(entry));
    if (group === undefined) groups.set(nameOf(entry), [entry]);
    else group.push(entry);
  }
  const own = nameOf(newcomer);
  let largest: RecordEntry[] = [];
  let most = 0;
  for (const [name, group] of groups) {
    // The newcomer counts with those that its peer has there already.
    const size = group.length + (name === own ? 1 : 0);
    if (size > most) [largest, most] = [group, size];
  }
  return largest;
}

/** Puts entries in a random order (Fisher and Yates), but that of a node first. */
function shuffle(entries: RecordEntry[], clock: Clock, first: NodeId | undefined): void {
  for (let i = entries.length - 1; i > 0; i--) swap(entries, i, Math.floor(clock.random() * (i + 1)));
  const at = first === undefined ? -1 : entries.findIndex(({ provider }) => provider?.equals(first) === true);
  if (at > 0) swap(entries, 0, at);
}

function swap(entries: RecordEntry[], i: number, j: number): void {
  const [a, b] = [entries[i], entries[j]];
  if (a === undefined || b === undefined) return;
  entries[i] = b;
  entries[j] = a;
}
