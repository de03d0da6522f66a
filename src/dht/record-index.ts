// What a store knows of its records without reading them: when they expire, who stored them, how much room they take.
import type { NodeId } from "../identity/node-id.ts";
import { DswarmError } from "../util/errors.ts";
import type { DhtRecord } from "./record.ts";
import type { RecordKey } from "./record-key.ts";
import type { StoreConfig } from "./store-options.ts";

/** What is known of a record that is held. */
export interface RecordEntry {
  /** `recordId` of it. */
  readonly id: string;
  readonly key: RecordKey;
  readonly kind: DhtRecord["kind"];
  readonly sequence: bigint;
  /** 64 bytes; none of an immutable record. */
  readonly signature: Uint8Array | undefined;
  /** What it takes of the store's room. */
  readonly bytes: number;
  /** On the wall clock. */
  readonly expiresAtMs: number;
  /** When a peer last stored or refreshed it, or it was last given to the k closest, on the clock's `now`. */
  readonly receivedAt: number;
  /** Who stored it first; undefined is this node itself. */
  readonly from: NodeId | undefined;
}

interface Share {
  records: number;
  bytes: number;
}

/** Entries by id and key, and the shares of those who stored them. Bounded by the settings of the store. */
export class RecordIndex {
  readonly #config: StoreConfig;
  readonly #entries = new Map<string, RecordEntry>();
  /** Ids by the text of their key. */
  readonly #byKey = new Map<string, Set<string>>();
  readonly #shares = new Map<string, Share>();
  #bytes = 0;
  /** None that is to be kept expires earlier than this. */
  #earliestMs = Infinity;

  constructor(config: StoreConfig) {
    this.#config = config;
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

  /** @throws DswarmError `quota_exceeded` where an entry has no room, in place of the one with its id if there is one */
  checkRoom(entry: RecordEntry): void {
    const { maxRecords, maxBytes, maxPeerRecords, maxPeerBytes, maxProviders } = this.#config;
    const held = this.#entries.get(entry.id);
    if (this.size + (held === undefined ? 1 : 0) > maxRecords) throw full("of all");
    if (this.#bytes + entry.bytes - (held?.bytes ?? 0) > maxBytes) throw full("of all");
    if (held === undefined && entry.kind === "provider") {
      const providers = this.under(entry.key).filter(({ kind }) => kind === "provider");
      if (providers.length >= maxProviders) throw full("of one key");
    }
    if (entry.from === undefined) return;
    const share = this.#shares.get(entry.from.toString()) ?? { records: 0, bytes: 0 };
    const isOwn = held?.from?.equals(entry.from) === true;
    if (share.records + (isOwn ? 0 : 1) > maxPeerRecords) throw full("of one peer");
    if (share.bytes + entry.bytes - (isOwn ? held.bytes : 0) > maxPeerBytes) throw full("of one peer");
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

  /** Adds an entry, in place of the one with its id, which is returned. An entry in the place of another keeps its turn. */
  set(entry: RecordEntry): RecordEntry | undefined {
    const before = this.#entries.get(entry.id);
    if (before !== undefined) this.#count(before, -1);
    this.#entries.set(entry.id, entry);
    const name = entry.key.toString();
    const ids = this.#byKey.get(name);
    if (ids === undefined) this.#byKey.set(name, new Set([entry.id]));
    else ids.add(entry.id);
    this.#count(entry, 1);
    this.#earliestMs = Math.min(this.#earliestMs, entry.expiresAtMs);
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

  #count({ from, bytes }: RecordEntry, sign: 1 | -1): void {
    this.#bytes += sign * bytes;
    if (from === undefined) return;
    const name = from.toString();
    const share = this.#shares.get(name) ?? { records: 0, bytes: 0 };
    share.records += sign;
    share.bytes += sign * bytes;
    if (share.records === 0) this.#shares.delete(name);
    else this.#shares.set(name, share);
  }
}

function full(whose: string): DswarmError {
  return new DswarmError("quota_exceeded", `the part ${whose} is used up`);
}
