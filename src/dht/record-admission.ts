// What a store takes in and what gives way to it: newer records replace older ones, the same again lives longer, and where there is no
// room the index says who goes. All that it decides is in memory at once, and in the changes that are then written.
import type { NodeId } from "../identity/node-id.ts";
import { equalBytes } from "../util/bytes.ts";
import type { Clock } from "../util/clock.ts";
import type { Counters } from "../util/counters.ts";
import { DswarmError } from "../util/errors.ts";
import type { Changes } from "./group-commit.ts";
import type { Knows } from "./provider-slots.ts";
import { type DhtRecord, isGone, recordId, sequenceOf } from "./record.ts";
import type { RecordEntry } from "./record-entry.ts";
import type { RecordIndex } from "./record-index.ts";
import { headToRow, type RowHead } from "./record-row.ts";
import type { StoreConfig } from "./store-options.ts";
import type { Holder } from "./store-shares.ts";

/** How a record is put. */
export interface PutOptions {
  /** Seconds that it lives. 0 is expired; what is above `maxTtlS` is cut to it. */
  readonly ttlS: number;
  /** The peer that stores it; undefined is this node itself, which never gives way to a peer. */
  readonly from: NodeId | undefined;
  /** The `hostGroup` that the peer stores from. Without it, not known. */
  readonly host?: string | undefined;
  /** Whether the peer passes it on for another: it has a share of its own for that. Without it, it does not. */
  readonly isForwarded?: boolean | undefined;
  /** Whether this node has seen the key of a provider itself lately. Without it, it has seen none. */
  readonly knows?: Knows | undefined;
  /** Of a mutable record: only if none is held that is larger than this. */
  readonly expectedSequence?: bigint | undefined;
}

/** What became of a record that was put: it is new here, or was here already and lives longer now. */
export type PutOutcome = "stored" | "refreshed";

/** What became of a record: it was stored, has expired, or gave way to another. */
export type RecordChange = "stored" | "expired" | "evicted";

/** What admission is made of. */
export interface RecordAdmissionInit {
  readonly index: RecordIndex;
  readonly config: StoreConfig;
  readonly clock: Clock;
  readonly counters: Counters;
  /** A record was stored that was not held before in this form, has expired, or was evicted. Must not throw. */
  readonly onChange?: ((change: RecordChange, entry: RecordEntry) => void) | undefined;
}

// Rounding and delays on the way move an expiry by less than that; it is not worth a write. Of a short life it is less.
const maxSlackMs = 2000;
const slackShare = 0.01;
// Bytes of a head's row, with most hosts.
const headBytes = 64;

const knowsNobody: Knows = () => false;

/** Decides what is held. Has no state but the index. */
export class RecordAdmission {
  readonly #init: RecordAdmissionInit;

  constructor(init: RecordAdmissionInit) {
    this.#init = init;
  }

  /**
   * Enters a record as `RecordStore.put` says.
   * @throws DswarmError `record_stale`, `record_conflict`, `quota_exceeded`; it has changed nothing then but deleted what has expired
   */
  put(record: DhtRecord, row: Uint8Array, options: PutOptions, changes: Changes): PutOutcome {
    const { ttlS, expectedSequence, knows = knowsNobody } = options;
    const { clock, config } = this.#init;
    const id = recordId(record);
    const holder = holderOf(options);
    const expiresAtMs = clock.wallMs() + Math.min(ttlS, config.maxTtlS) * 1000;
    let held = this.#init.index.get(id);
    if (held !== undefined && held.expiresAtMs <= clock.wallMs()) {
      this.delete(id, changes);
      held = undefined;
    }
    const sequence = sequenceOf(record);
    const signature = signatureOf(record);
    if (held !== undefined && isOf(record, held)) {
      return this.#refresh(held, holder, expiresAtMs, changes);
    }
    // Who has an older one is behind: the newer is for it, too.
    if (held !== undefined && expectedSequence !== undefined && held.sequence > expectedSequence) {
      throw new DswarmError("record_conflict", `it is ${held.sequence}, not ${expectedSequence}`);
    }
    if (held !== undefined && !isNewer(sequence, signature, held)) throw new DswarmError("record_stale");
    const entry = entryOf(record, id, row, holder, expiresAtMs, clock.now());
    const before = this.#makeRoom(entry, knows, changes);
    changes.put(`m/${id}`, headToRow(entry));
    changes.put(`r/${id}`, row);
    changes.onFailure(() => (before === undefined ? this.#init.index.delete(id) : this.#init.index.set(before)));
    this.#init.onChange?.("stored", entry);
    return "stored";
  }

  /**
   * Enters an entry and evicts what has to give way to it. Returns the entry that was in its place.
   * @throws DswarmError `quota_exceeded` where the entry itself would have to go; nothing has changed then
   */
  #makeRoom(entry: RecordEntry, knows: Knows, changes: Changes): RecordEntry | undefined {
    const index = this.#init.index;
    const before = index.set(entry);
    let next = index.overflow(entry, knows);
    if (next !== undefined && this.deleteExpired(changes) > 0) next = index.overflow(entry, knows);
    const evicted: RecordEntry[] = [];
    for (; next !== undefined && next !== entry; next = index.overflow(entry, knows)) {
      index.delete(next.id);
      evicted.push(next);
    }
    if (next !== undefined) {
      for (const each of evicted.toReversed()) index.set(each);
      if (before === undefined) index.delete(entry.id);
      else index.set(before);
      throw new DswarmError("quota_exceeded", "the part that a peer has of the store is used up");
    }
    for (const each of evicted) this.#noteEvicted(each, changes);
    return before;
  }

  /** Enters a record that the database had when it was opened. */
  load(record: DhtRecord, row: Uint8Array, head: RowHead): RecordEntry {
    const { clock, index } = this.#init;
    // A clock that was set back must not let it live on for ever.
    const expiresAtMs = Math.min(head.expiresAtMs, this.latestMs);
    const entry = entryOf(record, recordId(record), row, head, expiresAtMs, clock.now());
    index.set(entry);
    return entry;
  }

  #noteEvicted(entry: RecordEntry, changes: Changes): void {
    changes.del(`m/${entry.id}`);
    changes.del(`r/${entry.id}`);
    changes.onFailure(() => this.#init.index.set(entry));
    this.#init.counters.add("dht_records_evicted");
    this.#init.onChange?.("evicted", entry);
  }

  #refresh(held: RecordEntry, holder: Holder, expiresAtMs: number, changes: Changes): PutOutcome {
    const { clock } = this.#init;
    const wallMs = clock.wallMs();
    const receivedAt = clock.now();
    const slackMs = Math.min(maxSlackMs, slackShare * (expiresAtMs - wallMs));
    const claimed = this.#claimed(held, holder);
    // A clock that was set back must not let it live on longer than it may.
    const latestMs = this.latestMs;
    const isTooLong = held.expiresAtMs > latestMs;
    if (claimed === held && !isTooLong && expiresAtMs <= held.expiresAtMs + slackMs) {
      this.#init.index.set({ ...held, receivedAt });
      return "refreshed";
    }
    const entry = { ...claimed, receivedAt, expiresAtMs: Math.max(expiresAtMs, Math.min(held.expiresAtMs, latestMs)) };
    this.#init.index.set(entry);
    changes.put(`m/${held.id}`, headToRow(entry));
    changes.onFailure(() => this.#init.index.set(held));
    return "refreshed";
  }

  /**
   * A held record, in the share of the peer that stores it again if that protects it better: the publisher's instead of a forwarder's,
   * the provider's own, a much smaller one. Otherwise strangers could take records into shares that give way first.
   */
  #claimed(held: RecordEntry, holder: Holder): RecordEntry {
    if (held.from === undefined || holder.isForwarded) return held;
    const claimed: RecordEntry = { ...held, ...holder };
    const { from } = holder;
    if (from === undefined) return claimed;
    const isOfProvider = held.provider !== undefined && from.equals(held.provider) && !from.equals(held.from);
    const isBetter = held.isForwarded || isOfProvider || this.#init.index.isLighter(claimed, held);
    return isBetter && this.#init.index.fits(claimed) ? claimed : held;
  }

  /** The latest wall time at which any record may expire. */
  get latestMs(): number {
    const { clock, config } = this.#init;
    return clock.wallMs() + config.maxTtlS * 1000;
  }

  /** Removes an entry and its rows. */
  delete(id: string, changes: Changes): void {
    const before = this.#init.index.delete(id);
    if (before === undefined) return;
    changes.del(`m/${id}`);
    changes.del(`r/${id}`);
    changes.onFailure(() => this.#init.index.set(before));
  }

  /** Removes what has expired, and returns how many that were. */
  deleteExpired(changes: Changes): number {
    const expired = this.#init.index.expired(this.#init.clock.wallMs());
    for (const entry of expired) {
      this.delete(entry.id, changes);
      this.#init.onChange?.("expired", entry);
    }
    if (expired.length > 0) this.#init.counters.add("dht_records_expired", expired.length);
    return expired.length;
  }

  /** Evicts what is above the bounds, as where they were lowered since the records were stored. */
  evictOverflow(changes: Changes): void {
    for (
      let next = this.#init.index.firstToGo;
      next !== undefined && this.#init.index.isOver;
      next = this.#init.index.firstToGo
    ) {
      this.#init.index.delete(next.id);
      this.#noteEvicted(next, changes);
    }
  }

  /** Takes back what a clock gave too much that was set back since. */
  shortenLives(changes: Changes): void {
    const latestMs = this.latestMs;
    for (const held of this.#init.index.entries()) {
      if (held.expiresAtMs <= latestMs) continue;
      const entry = { ...held, expiresAtMs: latestMs };
      this.#init.index.set(entry);
      changes.put(`m/${held.id}`, headToRow(entry));
      changes.onFailure(() => this.#init.index.set(held));
    }
  }
}

function holderOf({ from, host = "", isForwarded = false }: PutOptions): Holder {
  return from === undefined ? { from, host: "", isForwarded: false } : { from, host, isForwarded };
}

function entryOf(
  record: DhtRecord,
  id: string,
  row: Uint8Array,
  { from, host, isForwarded }: Holder,
  expiresAtMs: number,
  receivedAt: number,
): RecordEntry {
  return {
    id,
    key: record.key,
    kind: record.kind,
    sequence: sequenceOf(record),
    signature: signatureOf(record),
    provider: record.kind === "provider" ? record.provider.id : undefined,
    isGone: isGone(record),
    bytes: 2 * id.length + headBytes + row.length,
    expiresAtMs,
    receivedAt,
    from,
    host,
    isForwarded,
  };
}

function signatureOf(record: DhtRecord): Uint8Array | undefined {
  return record.kind === "immutable" ? undefined : record.signature;
}

/** Whether an entry is of just this record. */
export function isOf(record: DhtRecord, { sequence, signature }: RecordEntry): boolean {
  return sequenceOf(record) === sequence && isSame(signatureOf(record), signature);
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

function isNewer(sequence: bigint, signature: Uint8Array | undefined, held: RecordEntry): boolean {
  if (sequence !== held.sequence) return sequence > held.sequence;
  return Buffer.compare(signature ?? new Uint8Array(), held.signature ?? new Uint8Array()) > 0;
}
