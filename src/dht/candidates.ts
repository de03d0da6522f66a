// Contacts that were heard of, pinged a few at a time as long as the routing table wants them: nothing enters it from hearsay.
import type { Contact } from "./contact.ts";

const maxAtOnce = 8;
const maxWaiting = 256;

/** What the queue of candidates needs. */
export interface CandidatesInit {
  /** Whether the routing table has a place for it. */
  readonly isWanted: (contact: Contact) => boolean;
  /** Whether it answers now; must not reject. Who answers is entered there. */
  readonly ping: (contact: Contact) => Promise<boolean>;
}

/** Candidates for the routing table. Bounded by 256 that wait (those that come when all places are taken are dropped). */
export class Candidates {
  readonly #init: CandidatesInit;
  readonly #waiting = new Map<string, Contact>();
  readonly #pinged = new Map<string, Promise<boolean>>();
  #isClosed = false;

  constructor(init: CandidatesInit) {
    this.#init = init;
  }

  /** Notes a contact that may enter the table, unless it is pinged already. */
  offer(contact: Contact): void {
    const name = contact.id.toString();
    if (this.#isClosed || this.#pinged.has(name) || !this.#init.isWanted(contact)) return;
    if (this.#waiting.size < maxWaiting || this.#waiting.has(name)) this.#waiting.set(name, contact);
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
    for (const [name, contact] of this.#waiting) {
      if (this.#pinged.size >= maxAtOnce) return;
      this.#waiting.delete(name);
      if (!this.#init.isWanted(contact)) continue;
      const pinged = this.#init.ping(contact).finally(() => {
        this.#pinged.delete(name);
        this.#proceed();
      });
      this.#pinged.set(name, pinged);
    }
  }
}
