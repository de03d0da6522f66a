// Keeping records where they belong (Maymounkov and Mazières 2002, section 2.5): each hour to the k closest, unless another
// holder has just done so; to nodes that come, or take the place of one that is gone; to others when this node leaves. What is passed on
// lives no longer than it would have here. No record is dropped because others say that they have it: they may lie.
import { compareDistance, type NodeId } from "../identity/node-id.ts";
import type { Clock } from "../util/clock.ts";
import type { Counters } from "../util/counters.ts";
import type { Contact } from "./contact.ts";
import { Newcomers } from "./newcomers.ts";
import type { DhtConfig } from "./options.ts";
import type { Queries } from "./queries.ts";
import type { RecordEntry, RecordStore } from "./record-store.ts";
import type { RoutingTable } from "./routing-table.ts";
import { Suspects } from "./suspects.ts";

// Sweeps in the time after which a record is due, so that of the holders one comes first and the others see what it did.
const sweepsPerPeriod = 12;
// Records given away at once.
const maxAtOnce = 8;
// Of the k holders of a record one in so many periods replicates it though another has done so: that one may have lied.
const doubtPeriods = 4;
// A holder that is none of the k closest replicates more and more rarely: each time after so many times the periods.
const outsideFactor = 4;

/** What replication needs of its node. */
export interface ReplicationInit {
  readonly self: NodeId;
  readonly config: DhtConfig;
  readonly clock: Clock;
  readonly table: RoutingTable;
  readonly store: RecordStore;
  readonly queries: Queries;
  readonly counters: Counters;
  /** Whether a contact answers now; tells the table. Must not reject. */
  readonly ping: (contact: Contact) => Promise<boolean>;
  /** Aborts when the node closes. */
  readonly signal: AbortSignal;
}

/** A record of which this node is none of the k closest. */
interface Outside {
  /** `receivedAt` of it then: once it is another, somebody counts this node among the closest again. */
  readonly receivedAt: number;
  readonly periods: number;
  readonly dueAt: number;
}

/** Gives records to where they belong. */
export class Replication {
  readonly #init: ReplicationInit;
  readonly #newcomers: Newcomers;
  readonly #suspects: Suspects;
  /** By id. Bounded by the store. */
  readonly #outside = new Map<string, Outside>();

  constructor(init: ReplicationInit) {
    const { signal } = init;
    this.#init = init;
    const give = (id: string, contact: Contact): Promise<void> => this.#give(id, contact, signal);
    this.#newcomers = new Newcomers({ ...init, give });
    this.#suspects = new Suspects({ ...init, onGone: (contact) => this.#newcomers.went(contact) });
  }

  /** Milliseconds between two sweeps. */
  get sweepMs(): number {
    return this.#init.config.replicationMs / sweepsPerPeriod;
  }

  /** Replicates what nobody has stored here again for a period. */
  async sweep(): Promise<void> {
    const { store } = this.#init;
    for (const id of this.#outside.keys()) if (store.entry(id) === undefined) this.#outside.delete(id);
    const due = [...store.entries()].filter((entry) => this.#isDue(entry) || this.#isDoubted());
    await this.#each(due, async ({ id, receivedAt }) => {
      // While others were given away, another holder may have come first.
      const current = store.entry(id);
      if (current !== undefined && current.receivedAt === receivedAt) await this.#replicate(current);
    });
  }

  /** A contact has entered the table: it gets what it is now to keep. */
  greet(contact: Contact): void {
    this.#newcomers.came(contact);
  }

  /** A contact has not answered. */
  silent(contact: Contact): void {
    this.#suspects.silent(contact);
  }

  /** The connection to a peer broke. */
  broken(id: NodeId): void {
    this.#suspects.broken(id);
  }

  /** Gives all records to those that take this node's place among the k closest. `signal` ends it. */
  async handOver(signal: AbortSignal): Promise<void> {
    const { store, table, config } = this.#init;
    const { k } = config.routing;
    await this.#each([...store.entries()], async ({ id, key }) => {
      if (signal.aborted) return;
      const closest = table.closest(key.bytes, k);
      // The farthest is the one that may not have it yet; where there are fewer than k, any may lack it.
      const heirs = closest.length < k ? closest : closest.slice(-1);
      await Promise.all(heirs.map((heir) => this.#give(id, heir, signal)));
    });
  }

  close(): void {
    this.#suspects.close();
    this.#newcomers.close();
  }

  #isDue({ id, receivedAt }: RecordEntry): boolean {
    const { clock, config } = this.#init;
    const outside = this.#outside.get(id);
    if (outside !== undefined && outside.receivedAt === receivedAt) return outside.dueAt <= clock.now();
    return receivedAt <= clock.now() - config.replicationMs;
  }

  /** Whether to replicate what another has just replicated, or seemed to. */
  #isDoubted(): boolean {
    const { clock, config } = this.#init;
    return clock.random() * config.routing.k * doubtPeriods * sweepsPerPeriod < 1;
  }

  async #replicate({ id, receivedAt, key }: RecordEntry): Promise<void> {
    const { store, queries, self, config, clock, signal } = this.#init;
    const held = await store.read(id);
    if (held === undefined) return;
    const { replicas } = await queries.place(held.record, held.ttlS, { signal, isForwarded: true });
    if (replicas.length === 0) return;
    const farthest = replicas[config.routing.k - 1];
    if (farthest === undefined || compareDistance(key.bytes, farthest.id.bytes, self.bytes) >= 0) {
      store.touch(id);
      return;
    }
    // The k closest say that they have it. It stays here until its time is over or the store needs the room.
    const periods = (this.#outside.get(id)?.periods ?? 1) * outsideFactor;
    this.#outside.set(id, { receivedAt, periods, dueAt: clock.now() + periods * config.replicationMs });
  }

  async #give(id: string, contact: Contact, signal: AbortSignal): Promise<void> {
    const { store, queries } = this.#init;
    const held = await store.read(id);
    if (held === undefined) return;
    await queries.storeWithin(contact, held.record, held.ttlS, signal);
  }

  /** Does something with each, a few at a time; what fails, fails alone. */
  async #each(entries: readonly RecordEntry[], give: (entry: RecordEntry) => Promise<void>): Promise<void> {
    let next = 0;
    const work = async (): Promise<void> => {
      for (let entry = entries[next++]; entry !== undefined; entry = entries[next++]) {
        if (this.#init.signal.aborted) return;
        await give(entry).catch(() => this.#init.queries.failed("dht_replications_failed"));
      }
    };
    await Promise.all(Array.from({ length: maxAtOnce }, work));
  }
}
