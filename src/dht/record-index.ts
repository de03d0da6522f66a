// What a store knows of its records without reading them: when they expire, who stored them, how much room they take, and which of them
// give way when there is no room.
import type { NodeId } from "../identity/node-id.ts";
import { type Knows, providerToEvict } from "./provider-slots.ts";
import type { RecordEntry } from "./record-entry.ts";
import type { RecordKey } from "./record-key.ts";
import type { StoreConfig } from "./store-options.ts";
import { type Share, StoreShares } from "./store-shares.ts";

/** Entries by id and key, and the shares of those who stored them. Bounded by the settings of the store. */
export class RecordIndex {
  readonly #config: StoreConfig;
  readonly #entries = new Map<string, RecordEntry>();
  /** Ids by the text of their key. */
  readonly #byKey = new Map<string, Set<string>>();
  readonly #shares: StoreShares;
  #bytes = 0;
  /** None that is to be kept expires earlier than this. */
  #earliestMs = Infinity;

  constructor(self: NodeId, config: StoreConfig) {
    this.#config = config;
    // As many bytes as a record has in a store that reaches both bounds at once.
    this.#shares = new StoreShares(self, Math.ceil(config.maxBytes / config.maxRecords));
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(id: string): RecordEntry | undefined {
    return this.#entries.get(id);
  }

  entries(): MapIterator<RecordEntry> {
    return this.#entries.values();
  }

  has(key: RecordKey): boolean {
    return this.#byKey.has(key.toString());
  }

  /** What is held under a key, in the order in which it came. */
  under(key: RecordKey): RecordEntry[] {
    const ids = this.#byKey.get(key.toString()) ?? [];
    return [...ids].flatMap((id) => this.#entries.get(id) ?? []);
  }

  /** Whether there is more than there may be. */
  get isOver(): boolean {
    return this.size > this.#config.maxRecords || this.#bytes > this.#config.maxBytes;
  }

  /** Whether the share of a peer has room for an entry, in place of the one with its id if that is in the same share. */
  fits(entry: RecordEntry): boolean {
    if (entry.from === undefined) return true;
    const { records, bytes } = this.#shares.of(entry);
    const held = this.#entries.get(entry.id);
    const isThere = held !== undefined && isSameShare(held, entry);
    return this.#isWithin({
      records: records + (isThere ? 0 : 1),
      bytes: bytes + entry.bytes - (isThere ? held.bytes : 0),
    });
  }

  /** Whether the share in which one entry would count weighs less than half of the share of another. */
  isLighter(entry: RecordEntry, than: RecordEntry): boolean {
    const weight = (one: RecordEntry): number => this.#shares.weightOf(this.#shares.of(one));
    return 2 * weight(entry) < weight(than);
  }

  /** The entry that has to go now that one has been added, which may be that one itself; undefined where there is room. */
  overflow(added: RecordEntry, knows: Knows): RecordEntry | undefined {
    if (added.from !== undefined && !this.#isWithin(this.#shares.ofHeld(added))) {
      // A publisher shall hear that its share is used up. What is passed on is of many publishers: there the farthest record goes.
      return added.isForwarded ? this.#shares.farthestOf(added) : added;
    }
    if (added.kind === "provider") {
      const providers = this.#providersOf(added);
      if (providers.length > this.#config.maxProviders) return providerToEvict(providers, added, knows) ?? added;
    }
    return this.isOver ? (this.#shares.first ?? added) : undefined;
  }

  /** The entry that goes first where there is more than there may be. */
  get firstToGo(): RecordEntry | undefined {
    return this.#shares.first;
  }

  /**
   * Those that have expired by a wall time, which are then to be deleted. Looks through all only when one may have, so that
   * what is full refuses cheaply.
   */
  expired(wallMs: number): readonly RecordEntry[] {
    if (wallMs < this.#earliestMs) return [];
    const expired: RecordEntry[] = [];
    this.#earliestMs = Infinity;
    for (const entry of this.#entries.values()) {
      if (entry.expiresAtMs <= wallMs) expired.push(entry);
      else this.#earliestMs = Math.min(this.#earliestMs, entry.expiresAtMs);
    }
    return expired;
  }

  /** Moves the times at which all expire, by so many milliseconds. */
  expireEarlier(ms: number): void {
    for (const entry of this.#entries.values()) this.set({ ...entry, expiresAtMs: entry.expiresAtMs - ms });
  }

  /** Adds an entry, in place of the one with its id, which is returned. An entry in the place of another keeps its turn. */
  set(entry: RecordEntry): RecordEntry | undefined {
    const before = this.#entries.get(entry.id);
    this.#entries.set(entry.id, entry);
    this.#earliestMs = Math.min(this.#earliestMs, entry.expiresAtMs);
    if (before !== undefined && before.bytes === entry.bytes && isSameShare(before, entry)) {
      this.#shares.replace(entry);
      return before;
    }
    if (before !== undefined) this.#count(before, -1);
    const name = entry.key.toString();
    const ids = this.#byKey.get(name);
    if (ids === undefined) this.#byKey.set(name, new Set([entry.id]));
    else ids.add(entry.id);
    this.#count(entry, 1);
    return before;
  }

  /** Removes an entry, which is returned. */
  delete(id: string): RecordEntry | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    this.#entries.delete(id);
    const name = entry.key.toString();
    const ids = this.#byKey.get(name);
    ids?.delete(id);
    if (ids?.size === 0) this.#byKey.delete(name);
    this.#count(entry, -1);
    return entry;
  }

  #providersOf({ key }: RecordEntry): RecordEntry[] {
    return this.under(key).filter(({ kind }) => kind === "provider");
  }

  #isWithin({ records, bytes }: Share): boolean {
    return records <= this.#config.maxPeerRecords && bytes <= this.#config.maxPeerBytes;
  }

  #count(entry: RecordEntry, sign: 1 | -1): void {
    this.#bytes += sign * entry.bytes;
    if (sign === 1) this.#shares.add(entry);
    else this.#shares.delete(entry);
  }
}

function isSameShare(a: RecordEntry, b: RecordEntry): boolean {
  const isSamePeer = a.from === undefined || b.from === undefined ? a.from === b.from : a.from.equals(b.from);
  return isSamePeer && a.host === b.host && a.isForwarded === b.isForwarded;
}
