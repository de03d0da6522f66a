// Neighbours that fell silent. A second ping tells soon whether they are gone, so that what they held is kept elsewhere: a lookup
// might find out only an hour later.
import { compareDistance, type NodeId } from "../identity/node-id.ts";
import { type Clock, jittered } from "../util/clock.ts";
import type { Contact } from "./contact.ts";
import type { DhtConfig } from "./options.ts";
import type { RoutingTable } from "./routing-table.ts";

/** What watching neighbours needs of their node. */
export interface SuspectsInit {
  readonly self: NodeId;
  readonly config: DhtConfig;
  readonly clock: Clock;
  readonly table: RoutingTable;
  /** Whether a contact answers now; tells the table. Must not reject. */
  readonly ping: (contact: Contact) => Promise<boolean>;
  /** A neighbour is gone. */
  readonly onGone: (contact: Contact) => void;
}

// Records that this node holds are near it, and so are their k closest.
const neighboursPerK = 2;
const maxSuspects = 64;
const maxAtOnce = 3;
// One that only was busy has answered by then; of a broken connection it is enough that nobody listens any more.
const silentMs = 3000;
const brokenMs = 1000;
const jitterShare = 0.5;

/** Neighbours under suspicion. Bounded by `maxSuspects`; the others are found out by lookups. */
export class Suspects {
  readonly #init: SuspectsInit;
  /** What stops the timer of each; undefined while it is pinged or waits for its turn. */
  readonly #suspects = new Map<string, (() => void) | undefined>();
  readonly #waiting: Contact[] = [];
  #pinging = 0;
  #isClosed = false;

  constructor(init: SuspectsInit) {
    this.#init = init;
  }

  /** A contact has not answered. */
  silent(contact: Contact): void {
    this.#suspect(contact, silentMs);
  }

  /** The connection to a peer broke. */
  broken(id: NodeId): void {
    const contact = this.#init.table.get(id.bytes);
    if (contact !== undefined) this.#suspect(contact, brokenMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
    for (const stop of this.#suspects.values()) stop?.();
    this.#suspects.clear();
  }

  #suspect(contact: Contact, delayMs: number): void {
    const name = contact.id.toString();
    if (this.#isClosed || this.#suspects.size >= maxSuspects || this.#suspects.has(name)) return;
    if (!this.#isNeighbour(contact.id)) return;
    const { clock } = this.#init;
    const verify = (): void => {
      this.#suspects.set(name, undefined);
      this.#waiting.push(contact);
      this.#proceed();
    };
    this.#suspects.set(name, clock.setTimeout(verify, jittered(clock, delayMs, jitterShare)));
  }

  #isNeighbour(id: NodeId): boolean {
    const { self, table, config } = this.#init;
    const count = neighboursPerK * config.routing.k;
    const farthest = table.closest(self.bytes, count)[count - 1];
    return farthest === undefined || compareDistance(self.bytes, id.bytes, farthest.id.bytes) <= 0;
  }

  #proceed(): void {
    while (this.#pinging < maxAtOnce) {
      const contact = this.#waiting.shift();
      if (contact === undefined) return;
      this.#pinging += 1;
      void this.#verify(contact);
    }
  }

  async #verify(contact: Contact): Promise<void> {
    const answers = await this.#init.ping(contact);
    this.#pinging -= 1;
    this.#suspects.delete(contact.id.toString());
    if (this.#isClosed) return;
    if (!answers) this.#init.onGone(contact);
    this.#proceed();
  }
}
