// What is heard of around a target, and by how many of those who are near it.
import { compareDistance, type NodeId } from "../identity/node-id.ts";
import type { Contact } from "./contact.ts";

/** Contacts around a target. Bounded by what the queries of a lookup bring. */
export class Neighbourhood {
  readonly #target: Uint8Array;
  readonly #k: number;
  readonly #contacts = new Map<string, Contact>();
  /** The k closest, closest first. */
  readonly #closest: Contact[] = [];
  readonly #answered: Contact[] = [];
  readonly #failed = new Set<string>();

  /**
   * @param target 32 bytes
   * @param k how many of the closest are near
   * @param seeds contacts known before
   */
  constructor(target: Uint8Array, k: number, seeds: readonly Contact[]) {
    this.#target = target;
    this.#k = k;
    for (const seed of seeds) this.add(seed);
  }

  /** All but those that failed, in no order. */
  get contacts(): readonly Contact[] {
    return [...this.#contacts].flatMap(([name, contact]) => (this.#failed.has(name) ? [] : contact));
  }

  /** Of those that have answered, how many are among the k closest that were heard of. */
  get nearAnswers(): number {
    const farthest = this.#closest[this.#k - 1];
    return farthest === undefined
      ? this.#answered.length
      : this.#answered.filter(({ id }) => this.#compare(id, farthest.id) <= 0).length;
  }

  /** A contact was heard of; of one id the first. */
  add(contact: Contact): void {
    const name = contact.id.toString();
    if (this.#contacts.has(name)) return;
    this.#contacts.set(name, contact);
    const closest = this.#closest;
    let at = closest.length;
    while (at > 0 && this.#compare(contact.id, closest[at - 1]?.id ?? contact.id) < 0) at -= 1;
    if (at === this.#k) return;
    closest.splice(at, 0, contact);
    if (closest.length > this.#k) closest.pop();
  }

  answered(contact: Contact): void {
    this.#answered.push(contact);
  }

  failed({ id }: Contact): void {
    this.#failed.add(id.toString());
  }

  #compare(a: NodeId, b: NodeId): number {
    return compareDistance(this.#target, a.bytes, b.bytes);
  }
}
