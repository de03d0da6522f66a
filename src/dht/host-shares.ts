// How many contacts a list has of each host, so that one machine cannot fill it with keys of its own.
import type { Contact } from "./contact.ts";
import { hostGroup } from "./contact-host.ts";

/** Counts contacts by the host of their first address. Bounded by the contacts counted. */
export class HostShares {
  readonly #maxPerHost: number;
  readonly #counts = new Map<string, number>();

  /** @param maxPerHost contacts of a host at most; Infinity: nothing is counted */
  constructor(maxPerHost: number) {
    this.#maxPerHost = maxPerHost;
  }

  /** Whether the host of a contact has less than its share. */
  hasRoomFor(contact: Contact): boolean {
    return this.#maxPerHost === Infinity || (this.#counts.get(groupOf(contact)) ?? 0) < this.#maxPerHost;
  }

  /** Counts a contact that enters. */
  add(contact: Contact): void {
    if (this.#maxPerHost === Infinity) return;
    const group = groupOf(contact);
    this.#counts.set(group, (this.#counts.get(group) ?? 0) + 1);
  }

  /** Counts a contact no more; the same addresses as were added. */
  delete(contact: Contact): void {
    if (this.#maxPerHost === Infinity) return;
    const group = groupOf(contact);
    const left = (this.#counts.get(group) ?? 0) - 1;
    if (left > 0) this.#counts.set(group, left);
    else this.#counts.delete(group);
  }
}

function groupOf({ addresses: [first] }: Contact): string {
  return first === undefined ? "" : hostGroup(first.host);
}
