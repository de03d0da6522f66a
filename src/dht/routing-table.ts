// The routing table (Maymounkov and Mazières 2002, section 2.4, in the form of one k-bucket for each length of the prefix that
// an id shares with the node's own). Only contacts that have answered enter.
import { compareDistance, type NodeId, sharedBits } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import { equalBytes } from "../util/bytes.ts";
import type { Clock } from "../util/clock.ts";
import type { Contact } from "./contact.ts";
import { HostShares } from "./host-shares.ts";
import { type BucketEntry, isGood, KBucket, type Placement } from "./k-bucket.ts";
import { dhtProtocol, type RoutingConfig } from "./params.ts";

/** Settings of a routing table. */
export interface RoutingTableOptions {
  readonly self: NodeId;
  readonly config: RoutingConfig;
  readonly clock: Clock;
  /** Whether a contact answers now. Must not reject, nor tell the table itself what came of it. */
  readonly ping: (contact: Contact) => Promise<boolean>;
  /** An entry that answered before has not answered now. @default nobody is told */
  readonly onSilent?: (contact: Contact) => void;
}

const surelyLiveMs = 60_000;
// After so long without an answer a node is questionable (BEP 5, "Routing Table").
const questionableMs = 900_000;

interface Slot {
  readonly bucket: KBucket;
  /** When there last was a lookup in its range, on the clock's `now`. */
  lookedUpAt: number;
  /** Whether the contact seen longest ago is being pinged. */
  isChecking: boolean;
}

/** Contacts by their distance. Bounded by 256 buckets. */
export class RoutingTable {
  readonly #options: RoutingTableOptions;
  /** By the bits shared with the node's own id; made when first needed. */
  readonly #slots: (Slot | undefined)[] = [];
  readonly #shares: HostShares;
  #size = 0;
  /** Whether one of those that were told is being pinged. */
  #isCheckingTold = false;

  constructor(options: RoutingTableOptions) {
    this.#options = options;
    this.#shares = new HostShares(options.config.maxPerHostInTable);
  }

  /** Contacts in all buckets, without replacements. */
  get size(): number {
    return this.#size;
  }

  #entry({ bytes }: NodeId): BucketEntry | undefined {
    const bucket = this.#slots[sharedBits(this.#options.self.bytes, bytes)]?.bucket;
    return bucket?.entries.find(({ contact }) => equalBytes(contact.id.bytes, bytes));
  }

  /** The contact that has an id (32 bytes), where it is in the table. */
  get(id: Uint8Array): Contact | undefined {
    const bucket = this.#slots[sharedBits(this.#options.self.bytes, id)]?.bucket;
    return bucket?.entries.find(({ contact }) => equalBytes(contact.id.bytes, id))?.contact;
  }

  /** Entries by bucket: index (bits shared with the node's own id) and contacts, the one seen longest ago first. */
  *buckets(): Generator<{ readonly index: number; readonly entries: readonly BucketEntry[] }> {
    for (const [index, slot] of this.#slots.entries()) {
      if (slot !== undefined && slot.bucket.entries.length > 0) yield { index, entries: slot.bucket.entries };
    }
  }

  has(id: NodeId): boolean {
    return this.#slots[this.#indexOf(id)]?.bucket.entries.some((entry) => entry.contact.id.equals(id)) ?? false;
  }

  /**
   * Whether a contact that answers would become an entry, or is one that was silent: the k closest belong in the table, and of each
   * range that is farther `farLimit`; where that is k, also those that spread the contacts of a range more evenly. Its host may have
   * its share all the same.
   * @param others how many are about to enter in nearer ranges, and in the same one
   */
  hasRoomFor(id: NodeId, farLimit: number, others = { closer: 0, beside: 0 }): boolean {
    if (id.equals(this.#options.self)) return false;
    const index = this.#indexOf(id);
    const { k } = this.#options.config;
    let { closer } = others;
    for (let i = index + 1; i < this.#slots.length; i++) closer += this.#slots[i]?.bucket.entries.length ?? 0;
    for (const { contact } of this.#slots[index]?.bucket.entries ?? []) {
      if (closer >= k) break;
      if (compareDistance(this.#options.self.bytes, contact.id.bytes, id.bytes) < 0) closer += 1;
    }
    const limit = closer < k ? k : Math.min(k, farLimit);
    return this.#slots[index]?.bucket.hasRoomFor(id, limit - others.beside, farLimit >= k) ?? others.beside < limit;
  }

  /**
   * Notes that a contact has answered. In a full bucket it takes the place of another where that spreads the contacts more evenly;
   * otherwise it waits until one fails, of which the one seen longest ago is pinged now.
   * @param rttMs how long the answer took, milliseconds, where that was measured; entries keep the smoothed one
   */
  seen(contact: Contact, rttMs?: number): Placement {
    if (contact.id.equals(this.#options.self)) return "refused";
    const slot = this.#slotFor(this.#indexOf(contact.id));
    const before = slot.bucket.entries.length;
    const placement = slot.bucket.seen(contact, this.#options.clock.now(), rttMs);
    this.#size += slot.bucket.entries.length - before;
    if (placement === "waiting" && !slot.isChecking) void this.#checkOldest(slot);
    return placement;
  }

  /**
   * Notes that a contact has not answered a request. That a connection was closed is no such thing.
   * @param asked at which addresses. Where they are given, and none of them is one that the contact has here, nothing is noted: or
   *   whoever tells wrong addresses of others would make them go
   */
  missed(id: NodeId, asked?: readonly HostPort[]): void {
    const now = this.#options.clock.now();
    const before = this.#entry(id);
    this.#change(id, (bucket) => bucket.missed(id, now, asked));
    if (before !== undefined && isGood(before) && this.#entry(id) !== before) this.#options.onSilent?.(before.contact);
  }

  /** Forgets a contact, which has taken its leave. */
  remove(id: NodeId): void {
    this.#change(id, (bucket) => bucket.remove(id));
  }

  /**
   * The contacts closest to a target that answered when they were asked last, the closest first.
   * @param target 32 bytes
   * @param except one that is left out
   */
  closest(target: Uint8Array, count: number, except?: NodeId): Contact[] {
    const found: Contact[] = [];
    for (const entry of this.#byDistance(target)) {
      const { contact } = entry;
      if (isGood(entry) && (except === undefined || !contact.id.equals(except)) && found.push(contact) >= count) break;
    }
    return found;
  }

  /**
   * `closest`, to be told to a peer. Of these, and of those between them that were silent, the one tried longest ago is pinged if that
   * was a quarter of an hour ago, one at a time: so the dead are not told of for long, and where nobody asks it costs nothing.
   * @param except who asks
   */
  tell(target: Uint8Array, count: number, except: NodeId): Contact[] {
    const told: Contact[] = [];
    let stalest: BucketEntry | undefined;
    for (const entry of this.#byDistance(target)) {
      if (entry.contact.id.equals(except)) continue;
      if (entry.triedAt < (stalest?.triedAt ?? Infinity)) stalest = entry;
      if (isGood(entry) && told.push(entry.contact) >= count) break;
    }
    if (stalest !== undefined && !this.#isCheckingTold) void this.#checkTold(stalest);
    return told;
  }

  /** Entries that are closer to a target of 32 bytes than this node is, and answered when they were asked last, in no order. */
  *closerThanSelf(target: Uint8Array): Generator<BucketEntry> {
    for (const [index, slot] of this.#slots.entries()) {
      if (slot === undefined || !this.#isCloser(index, target)) continue;
      for (const entry of slot.bucket.entries) if (isGood(entry)) yield entry;
    }
  }

  /**
   * Where a lookup of this node begins: the contacts closest to a target that answered when they were asked last, the closest first,
   * and where there are fewer than `count`, those behind them that did not: after an outage of this node's own there may be no others.
   * @param target 32 bytes
   */
  seeds(target: Uint8Array, count: number): Contact[] {
    const good: Contact[] = [];
    const silent: Contact[] = [];
    for (const entry of this.#byDistance(target)) {
      if (!isGood(entry)) silent.push(entry.contact);
      else if (good.push(entry.contact) >= count) return good;
    }
    return [...good, ...silent].slice(0, count);
  }

  /** All entries, to be saved: those that answer in front, each part with the closest to this node first. */
  snapshot(): readonly Contact[] {
    return this.seeds(this.#options.self.bytes, Infinity);
  }

  /** Notes that there is a lookup of a key, 32 bytes. */
  lookedUp(target: Uint8Array): void {
    const slot = this.#slots[sharedBits(this.#options.self.bytes, target)];
    if (slot !== undefined) slot.lookedUpAt = this.#options.clock.now();
  }

  /** A random key (32 bytes) in the range of each bucket in use in which there was no lookup for `refreshMs`. */
  refreshTargets(): Uint8Array[] {
    const { clock, config } = this.#options;
    const before = clock.now() - config.refreshMs;
    return this.#slots.flatMap((slot, index) =>
      slot !== undefined && slot.lookedUpAt <= before ? [this.randomKey(index)] : [],
    );
  }

  /**
   * Indexes of the buckets that have fewer than `enough` contacts, the farthest first; those left out that hold the k closest,
   * which a lookup of the own id finds.
   */
  sparseBuckets(enough: number): number[] {
    const sparse: number[] = [];
    let closer = 0;
    for (let index = this.#slots.length - 1; index >= 0; index--) {
      const count = this.#slots[index]?.bucket.entries.length ?? 0;
      if (closer >= this.#options.config.k && count < enough) sparse.unshift(index);
      closer += count;
    }
    return sparse;
  }

  /** A random key of 32 bytes that shares just so many leading bits with the node's own id. 0 to 255. */
  randomKey(shared: number): Uint8Array {
    const { self, clock } = this.#options;
    const key = clock.randomBytes(dhtProtocol.idBits / 8);
    const at = shared >>> 3;
    key.set(self.bytes.subarray(0, at));
    const own = self.bytes[at] ?? 0;
    const flipped = 0x80 >>> (shared & 7);
    const random = flipped - 1;
    key[at] = ((own ^ flipped) & ~random) | ((key[at] ?? 0) & random);
    return key;
  }

  /**
   * Buckets in the order in which their contacts are away from a target, each as a whole closer than the next. With d = own id ^
   * target: contacts of bucket i agree with the own id in front of bit i and differ in it. So where bit i of d is set, they are
   * closer to the target than the own id is, and than all of the buckets behind; where it is not, farther than all of these.
   */
  *#bucketsByDistance(target: Uint8Array): Generator<KBucket> {
    const slots = this.#slots;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i];
      if (slot !== undefined && this.#isCloser(i, target)) yield slot.bucket;
    }
    for (let i = slots.length - 1; i >= 0; i--) {
      const slot = slots[i];
      if (slot !== undefined && !this.#isCloser(i, target)) yield slot.bucket;
    }
  }

  /** Whether the contacts of a bucket are closer to a target than this node is. */
  #isCloser(index: number, target: Uint8Array): boolean {
    const byte = index >>> 3;
    return ((((this.#options.self.bytes[byte] ?? 0) ^ (target[byte] ?? 0)) >>> (7 - (index & 7))) & 1) === 1;
  }

  /** Entries, the closest to a target first. */
  *#byDistance(target: Uint8Array): Generator<BucketEntry> {
    for (const { entries } of this.#bucketsByDistance(target)) {
      const sorted: BucketEntry[] = [];
      for (const entry of entries) insertByDistance(sorted, entry, target);
      yield* sorted;
    }
  }

  #indexOf(id: NodeId): number {
    return sharedBits(this.#options.self.bytes, id.bytes);
  }

  #slotFor(index: number): Slot {
    const known = this.#slots[index];
    if (known !== undefined) return known;
    const { config, clock } = this.#options;
    const slot: Slot = { bucket: new KBucket(config, index, this.#shares), lookedUpAt: clock.now(), isChecking: false };
    // Without holes, which would make the array slow.
    while (this.#slots.length < index) this.#slots.push(undefined);
    this.#slots[index] = slot;
    return slot;
  }

  #change(id: NodeId, change: (bucket: KBucket) => boolean): void {
    const slot = this.#slots[this.#indexOf(id)];
    if (slot === undefined) return;
    const before = slot.bucket.entries.length;
    change(slot.bucket);
    this.#size += slot.bucket.entries.length - before;
  }

  /** One ping for a newcomer: an outage of this node's own must not empty the bucket. */
  async #checkOldest(slot: Slot): Promise<void> {
    const [oldest] = slot.bucket.entries;
    // Of one that has just answered there is nothing to learn.
    if (oldest === undefined || this.#options.clock.now() - oldest.lastSeenAt < surelyLiveMs) return;
    slot.isChecking = true;
    try {
      await this.#check(oldest);
    } finally {
      slot.isChecking = false;
    }
  }

  async #checkTold(stalest: BucketEntry): Promise<void> {
    if (this.#options.clock.now() - stalest.triedAt < questionableMs) return;
    this.#isCheckingTold = true;
    try {
      await this.#check(stalest);
    } finally {
      this.#isCheckingTold = false;
    }
  }

  async #check({ contact: { id }, contact }: BucketEntry): Promise<void> {
    // It may have moved or left until then.
    if (await this.#options.ping(contact))
      this.#slots[this.#indexOf(id)]?.bucket.answered(id, this.#options.clock.now());
    else this.missed(id, contact.addresses);
  }
}

/** Puts an entry in its place, the closest first. Few at a time, for which this is quicker than to sort. */
function insertByDistance(entries: BucketEntry[], entry: BucketEntry, target: Uint8Array): void {
  const id = entry.contact.id.bytes;
  let at = entries.length;
  entries.push(entry);
  for (; at > 0; at--) {
    const before = entries[at - 1];
    if (before === undefined || compareDistance(target, before.contact.id.bytes, id) <= 0) break;
    entries[at] = before;
  }
  entries[at] = entry;
}
