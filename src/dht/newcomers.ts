// Records for those who have come to be among the k closest: nodes that are new, and nodes that take the places of those that are gone.
// Of the holders, the one that is closest to a record gives it: one that is in the way of this node counts only if it has been there for
// longer than the newcomer, and answers. One look through the store serves all who have come and gone since the last one.
import { compareDistance, type NodeId } from "../identity/node-id.ts";
import { type Clock, jittered } from "../util/clock.ts";
import type { Counters } from "../util/counters.ts";
import { RateLimiter } from "../util/rate-limiter.ts";
import { TokenBucket } from "../util/token-bucket.ts";
import type { Contact } from "./contact.ts";
import { hostGroup } from "./contact-host.ts";
import type { BucketEntry } from "./k-bucket.ts";
import type { DhtConfig } from "./options.ts";
import type { RecordEntry, RecordStore } from "./record-store.ts";
import type { RoutingTable } from "./routing-table.ts";

/** What giving records to newcomers needs of its node. */
export interface NewcomersInit {
  readonly self: NodeId;
  readonly config: DhtConfig;
  readonly clock: Clock;
  readonly table: RoutingTable;
  readonly store: RecordStore;
  readonly counters: Counters;
  /** Whether a contact answers now; tells the table. Must not reject. */
  readonly ping: (contact: Contact) => Promise<boolean>;
  /** Gives a record to a contact. Rejects where the contact does not take it. */
  readonly give: (id: string, contact: Contact) => Promise<void>;
  /** Aborts when the node closes. */
  readonly signal: AbortSignal;
}

// So long a newcomer may still be given something, as when those that were to do so turn out to be gone.
const newMs = 600_000;
const maxNewcomers = 64;
const maxGone = 256;
// A contact that came so much earlier than a newcomer has been given what it is to have.
const settledMs = 10_000;
// Contacts that come so soon after the first were there before this node. A longer time takes newcomers of a young network for holders.
const joinMs = 500;
// Who answered so recently is believed to be there.
const liveMs = 300_000;
// With more than so many in the way that may be gone, others find out sooner.
const maxInTheWay = 4;
const maxPings = 20;
const maxPingsAtOnce = 3;
const maxLooks = 3;
// Newcomers that come together are served together.
const gatherMs = 300;
const gatherJitter = 0.5;
// A look through the store takes time from others: so many milliseconds of pause for each entry.
const pausePerEntryMs = 0.2;
const minPauseMs = 1000;
// Entries looked at before others get their turn.
const chunk = 256;
const maxGivenAtOnce = 8;
const maxTries = 3;
const retryMs = 5000;
// What a record costs at least, so that many small ones count, too.
const minCost = 512;
const maxHosts = 1024;
// What all hosts together may get, in shares of one.
const totalShares = 4;

interface Newcomer {
  readonly contact: Contact;
  readonly addedAt: number;
  /** Ids that it was given by this node. Bounded by the store. */
  readonly given: Set<string>;
  /** Times that it did not take what it was to have. */
  failures: number;
}

interface Gift {
  readonly entry: RecordEntry;
  readonly to: readonly Contact[];
}

/** Gives records to newcomers. Bounded by `maxNewcomers`, `maxGone`, and what a host may be given. */
export class Newcomers {
  readonly #init: NewcomersInit;
  /** By the text of the id, the one that came first in front. */
  readonly #newcomers = new Map<string, Newcomer>();
  /** Gone since the last look. */
  #gone: Contact[] = [];
  readonly #hosts: RateLimiter;
  readonly #total: TokenBucket;
  /** When the first contact came: those that come right behind were there before this node. */
  #joinedAt: number | undefined;
  #stopTimer: (() => void) | undefined;
  #timerAt = Infinity;
  #mayLookAt = Number.NEGATIVE_INFINITY;
  #isLooking = false;

  constructor(init: NewcomersInit) {
    const { clock, config } = init;
    const { handOverBytesPerSecond: perSecond, handOverBurstBytes: burst } = config;
    this.#init = init;
    this.#hosts = new RateLimiter(clock, { perSecond, burst, maxKeys: maxHosts });
    this.#total = new TokenBucket(clock, { perSecond: totalShares * perSecond, burst: totalShares * burst });
  }

  /** A contact has entered the table. */
  came(contact: Contact): void {
    const now = this.#init.clock.now();
    this.#joinedAt ??= now;
    const name = contact.id.toString();
    this.#newcomers.delete(name);
    this.#newcomers.set(name, { contact, addedAt: now, given: new Set(), failures: 0 });
    const [oldest] = this.#newcomers.keys();
    if (this.#newcomers.size > maxNewcomers && oldest !== undefined) this.#newcomers.delete(oldest);
    if (this.#init.store.size > 0) this.#plan(gatherMs);
  }

  /** A neighbour is gone: others take its place, and it was to give to newcomers what nobody has given them. */
  went(contact: Contact): void {
    this.#newcomers.delete(contact.id.toString());
    if (this.#gone.length < maxGone) this.#gone.push(contact);
    if (this.#init.store.size > 0) this.#plan(gatherMs);
  }

  close(): void {
    this.#stopTimer?.();
    this.#newcomers.clear();
  }

  #plan(delayMs: number): void {
    const { clock, signal } = this.#init;
    const now = clock.now();
    const at = Math.max(now + jittered(clock, delayMs, gatherJitter), this.#mayLookAt);
    if (this.#isLooking || signal.aborted || at >= this.#timerAt) return;
    this.#stopTimer?.();
    this.#timerAt = at;
    this.#stopTimer = clock.setTimeout(() => {
      this.#timerAt = Infinity;
      void this.#lookAgain();
    }, at - now);
  }

  async #lookAgain(): Promise<void> {
    const { clock, store } = this.#init;
    this.#isLooking = true;
    const gone = this.#gone;
    this.#gone = [];
    const newest = [...this.#newcomers.values()].at(-1);
    this.#forget();
    const isDone = await this.#look(gone);
    this.#isLooking = false;
    this.#mayLookAt = clock.now() + Math.max(minPauseMs, store.size * pausePerEntryMs);
    const hasMore = this.#gone.length > 0 || [...this.#newcomers.values()].at(-1) !== newest;
    if (hasMore) this.#plan(gatherMs);
    else if (!isDone) this.#plan(retryMs);
  }

  /** Forgets those that are no newcomers any more. */
  #forget(): void {
    const before = this.#init.clock.now() - newMs;
    for (const [name, { addedAt }] of this.#newcomers) if (addedAt < before) this.#newcomers.delete(name);
  }

  /** Gives away what is to be given. Returns whether all was taken. */
  async #look(gone: readonly Contact[]): Promise<boolean> {
    const { store, signal } = this.#init;
    let entries: Iterable<RecordEntry> = store.entries();
    let isDone = true;
    for (let looks = 1; looks <= maxLooks && !signal.aborted; looks++) {
      const gifts: Gift[] = [];
      const undecided: RecordEntry[] = [];
      const inTheWay = new Map<string, Contact>();
      let seen = 0;
      for (const entry of entries) {
        const to = this.#recipients(entry, gone, inTheWay);
        if (to === undefined) undecided.push(entry);
        else if (to.length > 0) gifts.push({ entry, to });
        if (++seen % chunk === 0) await this.#breathe();
        if (signal.aborted) return true;
      }
      const pinged = inParallel([...inTheWay.values()].slice(0, maxPings), maxPingsAtOnce, async (contact) => {
        await this.#init.ping(contact);
      });
      isDone = (await this.#giveAll(gifts)) && isDone;
      await pinged;
      if (undecided.length === 0) return isDone;
      entries = undecided;
    }
    return isDone;
  }

  /**
   * Those that this node is to give a record to; undefined where that depends on whether some answer who are closer, which are added to
   * `inTheWay`.
   */
  #recipients(
    { id, key: { bytes: target }, receivedAt }: RecordEntry,
    gone: readonly Contact[],
    inTheWay: Map<string, Contact>,
  ): readonly Contact[] | undefined {
    const { table, clock } = this.#init;
    const now = clock.now();
    const newest = this.#newestNear(target, id);
    if (newest === undefined && gone.length === 0) return [];
    const silent: Contact[] = [];
    for (const entry of table.closerThanSelf(target)) {
      if (newest !== undefined && !this.#isSettled(entry, newest, receivedAt)) continue;
      if (now - entry.lastSeenAt < liveMs || silent.push(entry.contact) > maxInTheWay) return [];
    }
    if (silent.length > 0) {
      for (const contact of silent) inTheWay.set(contact.id.toString(), contact);
      return undefined;
    }
    const { closest, last } = this.#closest(target);
    const left = last === undefined ? [] : gone.filter(({ id: other }) => isCloser(target, other.bytes, last.id.bytes));
    return closest.filter((contact, i) => i >= closest.length - left.length || this.#lacks(contact, id));
  }

  /** The others of the k closest to a target, this node counted, and the farthest of them; none where there are fewer than k. */
  #closest(target: Uint8Array): { readonly closest: readonly Contact[]; readonly last: Contact | undefined } {
    const { self, table, config } = this.#init;
    const { k } = config.routing;
    const closest = table.closest(target, k);
    const kth = closest[k - 1];
    if (kth === undefined) return { closest, last: undefined };
    if (isCloser(target, self.bytes, kth.id.bytes)) closest.pop();
    return { closest, last: closest.at(-1) };
  }

  /** When the newest came of those newcomers who may be among the k closest to a target and were not given the record. */
  #newestNear(target: Uint8Array, id: string): number | undefined {
    let last: Contact | undefined;
    let isKnown = false;
    let newest: number | undefined;
    for (const { contact, addedAt, given, failures } of this.#newcomers.values()) {
      if (given.has(id) || failures >= maxTries) continue;
      if (!isKnown) ({ last } = this.#closest(target));
      isKnown = true;
      if (last === undefined || !isCloser(target, last.id.bytes, contact.id.bytes)) newest = addedAt;
    }
    return newest;
  }

  /** Whether a contact has been given a record: it was there long before the newcomer, or when the record came here. */
  #isSettled({ addedAt }: BucketEntry, newcomerAt: number, receivedAt: number): boolean {
    const joinedUntil = (this.#joinedAt ?? 0) + joinMs;
    return (
      addedAt <= newcomerAt - settledMs || addedAt <= receivedAt || addedAt <= Math.min(joinedUntil, newcomerAt - 1)
    );
  }

  #lacks({ id }: Contact, record: string): boolean {
    const newcomer = this.#newcomers.get(id.toString());
    return newcomer !== undefined && !newcomer.given.has(record) && newcomer.failures < maxTries;
  }

  async #giveAll(gifts: readonly Gift[]): Promise<boolean> {
    let areTaken = true;
    await inParallel(gifts, maxGivenAtOnce, async ({ entry, to }) => {
      for (const contact of to) if (!(await this.#give(entry, contact))) areTaken = false;
    });
    return areTaken;
  }

  /** Returns false where it is worth another try. */
  async #give({ id, bytes }: RecordEntry, contact: Contact): Promise<boolean> {
    const { counters, give, signal } = this.#init;
    const newcomer = this.#newcomers.get(contact.id.toString());
    if (signal.aborted || (newcomer !== undefined && newcomer.failures >= maxTries)) return true;
    const host = hostGroup(contact.addresses[0]?.host ?? "");
    const cost = Math.max(bytes, minCost);
    // What is above is left to replication, which comes each hour.
    if (!this.#hosts.take(host, cost) || !this.#total.take(cost)) {
      counters.add("dht_hand_overs_limited");
      return true;
    }
    try {
      await give(id, contact);
      counters.add("dht_handed_over");
      newcomer?.given.add(id);
      return true;
    } catch {
      counters.add("dht_replications_failed");
      if (newcomer === undefined) return true;
      newcomer.failures += 1;
      return newcomer.failures >= maxTries;
    }
  }

  #breathe(): Promise<void> {
    return new Promise((resolve) => this.#init.clock.nextTurn(resolve));
  }
}

function isCloser(target: Uint8Array, a: Uint8Array, b: Uint8Array): boolean {
  return compareDistance(target, a, b) < 0;
}

/** Does something with each, `limit` at once. */
async function inParallel<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next++];
      if (item !== undefined) await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}
