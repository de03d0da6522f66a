// A k-bucket (Maymounkov and Mazières 2002, sections 2.2 and 4.1): contacts of one range of distances, the one seen longest ago
// first, and replacements that wait for one of them to fail.
import type { NodeId } from "../identity/node-id.ts";
import type { Contact } from "./contact.ts";
import type { RoutingConfig } from "./params.ts";

/** A contact in a bucket. */
export interface BucketEntry {
  readonly contact: Contact;
  /** When it last answered, on the clock's `now`. */
  readonly lastSeenAt: number;
  /** Requests in a row that it has not answered. */
  readonly misses: number;
}

/** What became of a contact that was seen. */
export type Placement =
  | "added" // it is a new entry
  | "updated" // it was one already
  | "waiting" // the bucket is full: it is a replacement
  | "refused"; // too many of its host are here

/** Entries and replacements. Bounded by `k` each. */
export class KBucket {
  readonly #config: RoutingConfig;
  /** The one seen longest ago first. */
  readonly #entries: BucketEntry[] = [];
  /** Likewise. */
  readonly #replacements: BucketEntry[] = [];

  constructor(config: RoutingConfig) {
    this.#config = config;
  }

  /** The one seen longest ago first. */
  get entries(): readonly BucketEntry[] {
    return this.#entries;
  }

  /** Contacts that would take the place of one that fails, the one seen last at the end. */
  get replacements(): readonly BucketEntry[] {
    return this.#replacements;
  }

  /** Whether a contact misses no more answers than it may: others are not handed out. */
  isLive(entry: BucketEntry): boolean {
    return entry.misses < this.#config.maxMisses;
  }

  /** Notes that a contact has answered. */
  seen(contact: Contact, now: number): Placement {
    const entry: BucketEntry = { contact, lastSeenAt: now, misses: 0 };
    const known = take(this.#entries, contact.id);
    if (known !== undefined) {
      // One that moves to a host that has its share here keeps the addresses that it had.
      this.#entries.push(this.#hasRoomFor(contact, this.#entries) ? entry : { ...entry, contact: known.contact });
      return "updated";
    }
    take(this.#replacements, contact.id);
    if (!this.#hasRoomFor(contact, this.#entries)) return "refused";
    if (this.#entries.length >= this.#config.k) {
      const dead = this.#entries.find((other) => !this.isLive(other));
      if (dead === undefined) {
        if (!this.#hasRoomFor(contact, this.#replacements)) return "refused";
        this.#replacements.push(entry);
        if (this.#replacements.length > this.#config.k) this.#replacements.shift();
        return "waiting";
      }
      take(this.#entries, dead.contact.id);
    }
    this.#entries.push(entry);
    return "added";
  }

  /** Notes that an entry has answered a ping; its addresses stay as they are. */
  answered(id: NodeId, now: number): void {
    const entry = take(this.#entries, id);
    if (entry !== undefined) this.#entries.push({ ...entry, lastSeenAt: now, misses: 0 });
  }

  /** Notes that a contact has not answered. Returns whether it is an entry no more. */
  missed(id: NodeId): boolean {
    take(this.#replacements, id);
    const at = indexOf(this.#entries, id);
    const entry = this.#entries[at];
    if (entry === undefined) return false;
    const misses = entry.misses + 1;
    const { maxMisses, maxMissesAlone } = this.#config;
    if (misses >= maxMissesAlone || (misses >= maxMisses && this.#replacements.length > 0)) return this.remove(id);
    this.#entries[at] = { ...entry, misses };
    return false;
  }

  /** Forgets a contact. Returns whether it was an entry; the replacement seen last takes its place. */
  remove(id: NodeId): boolean {
    take(this.#replacements, id);
    if (take(this.#entries, id) === undefined) return false;
    const next = this.#replacements.findLast((entry) => this.#hasRoomFor(entry.contact, this.#entries));
    if (next !== undefined) {
      take(this.#replacements, next.contact.id);
      // Among the entries in the order of when they were seen.
      const at = this.#entries.findIndex((other) => other.lastSeenAt > next.lastSeenAt);
      this.#entries.splice(at < 0 ? this.#entries.length : at, 0, next);
    }
    return true;
  }

  #hasRoomFor({ addresses: [first] }: Contact, list: readonly BucketEntry[]): boolean {
    const { k, maxPerHost } = this.#config;
    const host = first?.host;
    return maxPerHost >= k || list.filter((entry) => entry.contact.addresses[0]?.host === host).length < maxPerHost;
  }
}

function indexOf(entries: readonly BucketEntry[], id: NodeId): number {
  return entries.findIndex((entry) => entry.contact.id.equals(id));
}

function take(entries: BucketEntry[], id: NodeId): BucketEntry | undefined {
  const at = indexOf(entries, id);
  return at < 0 ? undefined : entries.splice(at, 1)[0];
}
