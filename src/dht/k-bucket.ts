// A k-bucket (Maymounkov and Mazières 2002, sections 2.2 and 4.1): contacts of one range of distances, the one seen longest ago
// first, and replacements that wait for one of them to fail.
import type { NodeId } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import type { Contact } from "./contact.ts";
import { HostShares } from "./host-shares.ts";
import type { RoutingConfig } from "./params.ts";

/** A contact in a bucket. */
export interface BucketEntry {
  readonly contact: Contact;
  /** When it came, on the clock's `now`. */
  readonly addedAt: number;
  /** When it last answered, likewise. */
  readonly lastSeenAt: number;
  /** Requests in a row that it has not answered. */
  readonly misses: number;
  /** When it last answered, or did not, on the clock's `now`. */
  readonly triedAt: number;
  /** Its smoothed round trip, milliseconds; undefined where none was measured. */
  readonly rttMs: number | undefined;
}

/** What became of a contact that was seen. */
export type Placement =
  | "added" // it is a new entry, maybe in place of another
  | "updated" // it was one already
  | "waiting" // the bucket is full: it is a replacement
  | "refused"; // too many of its host are here

// Weight of a new round trip (RFC 6298, section 2.3).
const rttWeight = 1 / 8;
// Of a full bucket whose contacts are spread evenly, at least so many to a part of its range.
const contactsPerPart = 2;

/** Entries and replacements. Bounded by `k` each. */
export class KBucket {
  readonly #config: RoutingConfig;
  /** The one seen longest ago first. */
  readonly #entries: BucketEntry[] = [];
  /** Likewise. */
  readonly #replacements: BucketEntry[] = [];
  /** Of the entries of all buckets. */
  readonly #tableShares: HostShares;
  readonly #entryShares: HostShares;
  readonly #replacementShares: HostShares;

  /** Parts of the range: ids that have the same `#partBits` bits from `#firstBit` on. */
  readonly #firstBit: number;
  readonly #partBits: number;

  /**
   * @param sharedBits that all ids here have in common with the node's own, in which the next one differs
   * @param tableShares counts the entries of all buckets of a table
   */
  constructor(config: RoutingConfig, sharedBits: number, tableShares: HostShares) {
    const maxPerHost = config.maxPerHost >= config.k ? Infinity : config.maxPerHost;
    this.#firstBit = sharedBits + 1;
    this.#partBits = Math.max(Math.floor(Math.log2(config.k / contactsPerPart)), 0);
    this.#config = config;
    this.#tableShares = tableShares;
    this.#entryShares = new HostShares(maxPerHost);
    this.#replacementShares = new HostShares(maxPerHost);
  }

  /** The one seen longest ago first. */
  get entries(): readonly BucketEntry[] {
    return this.#entries;
  }

  /** Contacts that would take the place of one that fails, the one seen last at the end. */
  get replacements(): readonly BucketEntry[] {
    return this.#replacements;
  }

  /**
   * Whether it is worth asking a contact of an id: it would become an entry, while there are fewer than `limit` or in place of a dead
   * one, or it is one that was silent.
   * @param canSpread also in place of one that stands where there are many
   */
  hasRoomFor(id: NodeId, limit: number, canSpread = false): boolean {
    const known = this.#entries[indexOf(this.#entries, id)];
    if (known !== undefined) return !isGood(known);
    if (this.#entries.length < limit || this.#entries.some((entry) => !this.#isLive(entry))) return true;
    return canSpread && this.#entries.length >= this.#config.k && this.#crowded(id) !== undefined;
  }

  /** Notes that a contact has answered, and in how many milliseconds where that was measured. */
  seen(contact: Contact, now: number, rttMs?: number): Placement {
    const known = this.#takeEntry(contact.id);
    if (known !== undefined) {
      // One that moves to a host that has its share here keeps the addresses that it had.
      const kept = this.#hasRoomFor(contact) ? contact : known.contact;
      const { addedAt } = known;
      const smoothedMs = smoothed(known.rttMs, rttMs);
      const entry = { contact: kept, addedAt, lastSeenAt: now, triedAt: now, misses: 0, rttMs: smoothedMs };
      this.#putEntry(this.#entries.length, entry);
      return "updated";
    }
    const waiting = this.#takeReplacement(contact.id);
    const smoothedMs = smoothed(waiting?.rttMs, rttMs);
    const entry = { contact, addedAt: now, lastSeenAt: now, triedAt: now, misses: 0, rttMs: smoothedMs };
    if (this.#entries.length >= this.#config.k) {
      const at = this.#entries.findIndex((other) => !this.#isLive(other));
      const dead = this.#entries[at];
      if (dead === undefined) return this.#spread(entry);
      // The one that leaves may make room for its host. Where nobody comes, nobody goes.
      this.#takeEntry(dead.contact.id);
      if (!this.#hasRoomFor(contact)) this.#putEntry(at, dead);
    }
    if (!this.#hasRoomFor(contact)) return "refused";
    this.#putEntry(this.#entries.length, entry);
    return "added";
  }

  /** Notes that an entry has answered a ping; its addresses stay as they are. */
  answered(id: NodeId, now: number): void {
    const entry = take(this.#entries, id);
    if (entry !== undefined) this.#entries.push({ ...entry, lastSeenAt: now, triedAt: now, misses: 0 });
  }

  /**
   * Notes that a contact has not answered.
   * @param asked where, if that is known: silence at none of the addresses that it has here says nothing of it
   * @returns whether it is an entry no more
   */
  missed(id: NodeId, now: number, asked?: readonly HostPort[]): boolean {
    const waiting = this.#replacements[indexOf(this.#replacements, id)];
    if (waiting !== undefined && wasAsked(waiting, asked)) this.#takeReplacement(id);
    const at = indexOf(this.#entries, id);
    const entry = this.#entries[at];
    if (entry === undefined || !wasAsked(entry, asked)) return false;
    const misses = entry.misses + 1;
    const { maxMisses, maxMissesAlone } = this.#config;
    if (misses >= maxMissesAlone || (misses >= maxMisses && this.#replacements.length > 0)) return this.remove(id);
    this.#entries[at] = { ...entry, triedAt: now, misses };
    return false;
  }

  /** Forgets a contact. Returns whether it was an entry; the replacement seen last takes its place. */
  remove(id: NodeId): boolean {
    this.#takeReplacement(id);
    if (this.#takeEntry(id) === undefined) return false;
    const next = this.#replacements.findLast((entry) => this.#hasRoomFor(entry.contact));
    if (next !== undefined) {
      this.#takeReplacement(next.contact.id);
      this.#putEntry(
        this.#entries.findIndex((other) => other.lastSeenAt > next.lastSeenAt),
        next,
      );
    }
    return true;
  }

  /**
   * In a full bucket of which all live a newcomer takes the place of one that stands where there are many: what is looked for is
   * the closer to one of the entries, the more evenly they are spread over the range. Elsewhere those stay that are here, as who has
   * been there for long is likely to stay.
   */
  #spread(entry: BucketEntry): Placement {
    const crowded = this.#crowded(entry.contact.id);
    if (crowded === undefined) return this.#putReplacement(entry);
    const at = indexOf(this.#entries, crowded.contact.id);
    this.#takeEntry(crowded.contact.id);
    if (!this.#hasRoomFor(entry.contact)) {
      this.#putEntry(at, crowded);
      return this.#putReplacement(entry);
    }
    this.#putEntry(this.#entries.length, entry);
    this.#putReplacement(crowded);
    return "added";
  }

  /** The entry seen longest ago of the part that has the most; undefined where it has not even two more than the part of an id. */
  #crowded(id: NodeId): BucketEntry | undefined {
    const counts = new Uint16Array(1 << this.#partBits);
    for (const { contact } of this.#entries) {
      const part = this.#partOf(contact.id);
      counts[part] = (counts[part] ?? 0) + 1;
    }
    const most = Math.max(...counts);
    if (most < (counts[this.#partOf(id)] ?? 0) + 2) return undefined;
    return this.#entries.find(({ contact }) => counts[this.#partOf(contact.id)] === most);
  }

  #partOf({ bytes }: NodeId): number {
    let part = 0;
    for (let bit = this.#firstBit; bit < this.#firstBit + this.#partBits; bit++) {
      part = part * 2 + (((bytes[bit >>> 3] ?? 0) >>> (7 - (bit & 7))) & 1);
    }
    return part;
  }

  /** Whether a contact has missed no more answers than it may: others give way to newcomers. */
  #isLive(entry: BucketEntry): boolean {
    return entry.misses < this.#config.maxMisses;
  }

  /** Whether the host of a contact has room for one more entry, here and in the table. */
  #hasRoomFor(contact: Contact): boolean {
    return this.#entryShares.hasRoomFor(contact) && this.#tableShares.hasRoomFor(contact);
  }

  /** @param at its place in the order of when the entries were seen; below 0 is the end */
  #putEntry(at: number, entry: BucketEntry): void {
    this.#entries.splice(at < 0 ? this.#entries.length : at, 0, entry);
    this.#entryShares.add(entry.contact);
    this.#tableShares.add(entry.contact);
  }

  #takeEntry(id: NodeId): BucketEntry | undefined {
    const entry = take(this.#entries, id);
    if (entry === undefined) return undefined;
    this.#entryShares.delete(entry.contact);
    this.#tableShares.delete(entry.contact);
    return entry;
  }

  #putReplacement(entry: BucketEntry): Placement {
    // One whose host has its share of the entries could hardly ever replace another.
    if (!this.#hasRoomFor(entry.contact) || !this.#replacementShares.hasRoomFor(entry.contact)) return "refused";
    this.#replacements.push(entry);
    this.#replacementShares.add(entry.contact);
    const [oldest] = this.#replacements;
    if (oldest !== undefined && this.#replacements.length > this.#config.k) this.#takeReplacement(oldest.contact.id);
    return "waiting";
  }

  #takeReplacement(id: NodeId): BucketEntry | undefined {
    const entry = take(this.#replacements, id);
    if (entry !== undefined) this.#replacementShares.delete(entry.contact);
    return entry;
  }
}

/** Whether a contact has answered what it was asked last: others are told to nobody. */
export function isGood({ misses }: BucketEntry): boolean {
  return misses === 0;
}

function smoothed(beforeMs: number | undefined, rttMs: number | undefined): number | undefined {
  if (beforeMs === undefined || rttMs === undefined) return rttMs ?? beforeMs;
  return beforeMs + rttWeight * (rttMs - beforeMs);
}

function wasAsked({ contact }: BucketEntry, asked: readonly HostPort[] | undefined): boolean {
  return asked?.some(({ host, port }) => contact.addresses.some((o) => o.host === host && o.port === port)) ?? true;
}

function indexOf(entries: readonly BucketEntry[], id: NodeId): number {
  return entries.findIndex((entry) => entry.contact.id.equals(id));
}

function take(entries: BucketEntry[], id: NodeId): BucketEntry | undefined {
  const at = indexOf(entries, id);
  return at < 0 ? undefined : entries.splice(at, 1)[0];
}
