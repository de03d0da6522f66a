// How many of those that a lookup asks are on one host, so that one machine with many keys near a target does not take all of the
// closest places.
import type { Contact } from "./contact.ts";
import { hostGroup } from "./contact-host.ts";

/**
 * Counts contacts by all hosts that are named for them: at one of them they are, and by others than that they cannot hide. Bounded
 * by the contacts counted and their addresses.
 */
export class LookupHosts {
  readonly #maxPerHost: number;
  readonly #counts = new Map<string, number>();

  /** @param maxPerHost contacts of a host at most; Infinity: nothing is counted */
  constructor(maxPerHost: number) {
    this.#maxPerHost = maxPerHost;
  }

  /** Whether one of the hosts of a contact has its share. */
  isFull(contact: Contact): boolean {
    if (this.#maxPerHost === Infinity) return false;
    for (const group of groupsOf(contact)) if ((this.#counts.get(group) ?? 0) >= this.#maxPerHost) return true;
    return false;
  }

  /** A contact is asked. */
  add(contact: Contact): void {
    this.#change(contact, 1);
  }

  /** It has failed; the same addresses as were added. */
  delete(contact: Contact): void {
    this.#change(contact, -1);
  }

  #change(contact: Contact, by: 1 | -1): void {
    if (this.#maxPerHost === Infinity) return;
    for (const group of groupsOf(contact)) this.#counts.set(group, (this.#counts.get(group) ?? 0) + by);
  }
}

function groupsOf({ addresses }: Contact): ReadonlySet<string> {
  return new Set(addresses.map(({ host }) => hostGroup(host)));
}
