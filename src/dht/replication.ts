// Keeping records where they belong (Maymounkov and Mazières 2002, section 2.5): each hour to the k closest, unless another
// holder has just done so; to a node that comes and is closer; to others when this node leaves. What is passed on lives no
// longer than it would have here.
import { compareDistance, type NodeId } from "../identity/node-id.ts";
import type { Clock } from "../util/clock.ts";
import type { Contact } from "./contact.ts";
import type { DhtConfig } from "./options.ts";
import type { Queries } from "./queries.ts";
import type { RecordEntry, RecordStore } from "./record-store.ts";
import type { RoutingTable } from "./routing-table.ts";

// Sweeps in the time after which a record is due, so that of the holders one comes first and the others see what it did.
const sweepsPerPeriod = 12;
// Records given away at once.
const maxAtOnce = 8;
const maxNewcomers = 64;
// Entries looked at before others get their turn.
const chunk = 256;

/** What replication needs of its node. */
export interface ReplicationInit {
  readonly self: NodeId;
  readonly config: DhtConfig;
  readonly clock: Clock;
  readonly table: RoutingTable;
  readonly store: RecordStore;
  readonly queries: Queries;
  /** Aborts when the node closes. */
  readonly signal: AbortSignal;
}

/** Gives records to where they belong. */
export class Replication {
  readonly #init: ReplicationInit;
  /** Contacts that have just entered the table. Bounded by `maxNewcomers`. */
  readonly #newcomers: Contact[] = [];
  #isGreeting = false;

  constructor(init: ReplicationInit) {
    this.#init = init;
  }

  /** Milliseconds between two sweeps. */
  get sweepMs(): number {
    return this.#init.config.replicationMs / sweepsPerPeriod;
  }

  /** Replicates what nobody has stored here again for a period. */
  async sweep(): Promise<void> {
    const { store, clock, config } = this.#init;
    const before = clock.now() - config.replicationMs;
    const due = [...store.entries()].filter((entry) => entry.receivedAt <= before);
    await this.#each(due, async (entry) => {
      // While others were given away, another holder may have come first.
      const current = store.entry(entry.id);
      if (current !== undefined && current.receivedAt <= before) await this.#replicate(current);
    });
  }

  /** A contact has entered the table: it gets what it is closer to than this node, which is the closest of the others. */
  greet(contact: Contact): void {
    if (this.#init.store.size === 0 || this.#newcomers.length >= maxNewcomers) return;
    this.#newcomers.push(contact);
    if (!this.#isGreeting) void this.#greetAll();
  }

  /** Gives all records to those that take this node's place among the k closest. `signal` ends it. */
  async handOver(signal: AbortSignal): Promise<void> {
    const { store, table, config } = this.#init;
    const { k } = config.routing;
    await this.#each([...store.entries()], async (entry) => {
      if (signal.aborted) return;
      const closest = table.closest(entry.key.bytes, k);
      // The farthest is the one that may not have it yet; where there are fewer than k, any may lack it.
      const heirs = closest.length < k ? closest : closest.slice(-1);
      await Promise.all(heirs.map((heir) => this.#give(entry, heir, signal)));
    });
  }

  async #replicate(entry: RecordEntry): Promise<void> {
    const { id } = entry;
    const { store, queries, self, config, signal } = this.#init;
    const held = await store.read(id);
    if (held === undefined) return;
    const { record, ttlS } = held;
    const { replicas } = await queries.place(record, ttlS, { signal, isForwarded: true });
    const farthest = replicas[config.routing.k - 1];
    const isOutside = farthest !== undefined && compareDistance(record.key.bytes, farthest.id.bytes, self.bytes) < 0;
    // The k closest have it and this node is none of them: it need not keep it, unless it came again meanwhile.
    if (isOutside) await store.remove(id, entry);
    else if (replicas.length > 0) store.touch(id);
  }

  async #greetAll(): Promise<void> {
    this.#isGreeting = true;
    for (let newcomer = this.#newcomers.shift(); newcomer !== undefined; newcomer = this.#newcomers.shift()) {
      const contact = newcomer;
      const due: RecordEntry[] = [];
      let seen = 0;
      for (const entry of this.#init.store.entries()) {
        if (this.#isHeir(contact, entry)) due.push(entry);
        if (++seen % chunk === 0) await this.#breathe();
      }
      await this.#each(due, (entry) => this.#give(entry, contact, this.#init.signal));
    }
    this.#isGreeting = false;
  }

  /** Whether a newcomer is among the k closest to a record's key, and this node is the closest of the others. */
  #isHeir({ id }: Contact, { key }: RecordEntry): boolean {
    const { table, config } = this.#init;
    const target = key.bytes;
    if (!table.isClosest(target, id)) return false;
    const kth = table.closest(target, config.routing.k, id)[config.routing.k - 1];
    return kth === undefined || compareDistance(target, id.bytes, kth.id.bytes) < 0;
  }

  async #give({ id }: RecordEntry, contact: Contact, signal: AbortSignal): Promise<void> {
    const held = await this.#init.store.read(id);
    if (held === undefined) return;
    await this.#init.queries.storeWithin(contact, held.record, held.ttlS, signal);
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

  #breathe(): Promise<void> {
    return new Promise((resolve) => this.#init.clock.setTimeout(resolve, 0));
  }
}
