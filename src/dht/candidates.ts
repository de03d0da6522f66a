// Contacts that were heard of, pinged a few at a time as long as the routing table wants them: nothing enters it from hearsay.
import { compareDistance, type NodeId } from "../identity/node-id.ts";
import type { Contact } from "./contact.ts";

const maxAtOnce = 8;
const maxWaiting = 256;

/** What the queue of candidates needs. */
export interface CandidatesInit {
  /** The closest to it are pinged first: they belong in the table, and with them there is less need of others. */
  readonly self: NodeId;
  /** Whether the routing table has a place for it, with at most `farLimit` contacts of a range that is not near. */
  readonly isWanted: (contact: Contact, farLimit: number) => boolean;
  /** Whether it answers now; must not reject. Who answers is entered there. */
  readonly ping: (contact: Contact) => Promise<boolean>;
}

interface Waiting {
  readonly contact: Contact;
  readonly farLimit: number;
}

/** Candidates for the routing table. Bounded by 256 that wait (those that come when all places are taken are dropped). */
export class Candidates {
  readonly #init: CandidatesInit;
  readonly #waiting = new Map<string, Waiting>();
  readonly #pinged = new Map<string, Promise<boolean>>();
  #isClosed = false;

  constructor(init: CandidatesInit) {
    this.#init = init;
  }

  /** Notes a contact that may enter the table, unless it is pinged already. */
  offer(contact: Contact, farLimit: number): void {
    const name = contact.id.toString();
    if (this.#isClosed || this.#pinged.has(name) || !this.#init.isWanted(contact, farLimit)) return;
    if (this.#waiting.size < maxWaiting || this.#waiting.has(name)) this.#waiting.set(name, { contact, farLimit });
    this.#proceed();
  }

  /** Resolves when all candidates have been pinged. */
  async settled(): Promise<void> {
    while (this.#pinged.size > 0) await Promise.all(this.#pinged.values());
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting.clear();
  }

  #proceed(): void {
    while (this.#pinged.size < maxAtOnce) {
      const next = this.#closest();
      if (next === undefined) return;
      const { contact, farLimit } = next;
      const name = contact.id.toString();
      this.#waiting.delete(name);
      if (!this.#init.isWanted(contact, farLimit)) continue;
      const pinged = this.#init.ping(contact).finally(() => {
        this.#pinged.delete(name);
        this.#proceed();
      });
      this.#pinged.set(name, pinged);
    }
  }

  #closest(): Waiting | undefined {
    const target = this.#init.self.bytes;
    let closest: Waiting | undefined;
    for (const waiting of this.#waiting.values()) {
      const { id } = waiting.contact;
      if (closest === undefined || compareDistance(target, id.bytes, closest.contact.id.bytes) < 0) closest = waiting;
    }
    return closest;
  }
}
