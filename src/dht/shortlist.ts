// The contacts that a lookup knows, in the order of their distance to its target (Maymounkov and Mazières 2002, section 2.3).
import { compareDistance } from "../identity/node-id.ts";
import type { Contact } from "./contact.ts";
import { type Candidate, isDoubted } from "./lookup-candidate.ts";

/**
 * Candidates, closest first. Bounded by `maxUnasked` and those that were asked, which stay, so that nobody is asked twice.
 */
export class Shortlist {
  /** What `heldBy` of a candidate contains when it is here. */
  readonly bit: number;
  readonly #target: Uint8Array;
  readonly #k: number;
  readonly #maxUnasked: number;
  readonly #isOneTooMany: (contact: Contact) => boolean;
  readonly #isConnected: (contact: Contact) => boolean;
  readonly #candidates: Candidate[] = [];
  #unasked = 0;

  /**
   * @param target 32 bytes
   * @param k how many of the closest matter
   * @param maxUnasked candidates kept for asking; the doubted go first, then the farthest
   * @param bit a power of two, another for each shortlist of a lookup
   * @param isOneTooMany whether as many of a contact's host are asked as may be while there are others
   * @param isConnected whether it is quick to ask
   */
  constructor(
    target: Uint8Array,
    k: number,
    maxUnasked: number,
    bit: number,
    isOneTooMany: (contact: Contact) => boolean,
    isConnected: (contact: Contact) => boolean,
  ) {
    this.#target = target;
    this.#k = k;
    this.#maxUnasked = maxUnasked;
    this.bit = bit;
    this.#isOneTooMany = isOneTooMany;
    this.#isConnected = isConnected;
  }

  /** All of it, closest first. */
  get candidates(): readonly Candidate[] {
    return this.#candidates;
  }

  /** The index of a 32-byte id that is here; otherwise the complement (`~`) of the index at which it belongs. */
  position(id: Uint8Array): number {
    let low = 0;
    let high = this.#candidates.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = compareDistance(this.#target, this.#candidates[middle]?.contact.id.bytes ?? id, id);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return ~low;
  }

  /**
   * Adds a candidate at the index that `position` told for it.
   * @returns whether it was kept: an unasked one goes where there are more than `maxUnasked`
   */
  insertAt(index: number, candidate: Candidate): boolean {
    this.#candidates.splice(index, 0, candidate);
    candidate.heldBy |= this.bit;
    if (candidate.state !== "unasked") return true;
    this.#unasked += 1;
    if (this.#unasked > this.#maxUnasked) this.#dropFarthest();
    return this.#holds(candidate);
  }

  /** A candidate is about to be asked, on whichever path. To be told for all of them. */
  asking(candidate: Candidate): void {
    if (candidate.state === "unasked" && this.#holds(candidate)) this.#unasked -= 1;
  }

  /**
   * Whom to ask next, or again: of the k closest the first that is connected, or else the closest one, unless k that are closer have
   * answered or may be expected to do so soon. Those that failed or are slow are made up for by others. Doubted ones, and those of
   * whose host there are many, come last.
   */
  next(): Candidate | undefined {
    let closer = 0;
    let few = 0;
    let closest: Candidate | undefined;
    let last: Candidate | undefined;
    for (const candidate of this.#candidates) {
      if (!isWaiting(candidate)) {
        if (candidate.state !== "failed" && candidate.state !== "slow" && ++closer === this.#k) return closest;
      } else if (this.#comesLast(candidate)) {
        last ??= candidate;
      } else {
        if (this.#isConnected(candidate.contact)) return candidate;
        closest ??= candidate;
        if (++few === this.#k) return closest;
      }
    }
    return closest ?? last;
  }

  /** Whether the k closest that have not failed and need not come last, or all if there are fewer, have answered. */
  get complete(): boolean {
    let answered = 0;
    let isAll = true;
    for (const candidate of this.#candidates) {
      const { state } = candidate;
      if (state === "failed") continue;
      if (isWaiting(candidate) && this.#comesLast(candidate)) isAll = false;
      else if (state !== "answered") return false;
      else if (++answered === this.#k) return true;
    }
    return isAll;
  }

  #comesLast(candidate: Candidate): boolean {
    return isDoubted(candidate) || this.#isOneTooMany(candidate.contact);
  }

  #holds(candidate: Candidate): boolean {
    return (candidate.heldBy & this.bit) !== 0;
  }

  /** Of the doubted ones, so that who makes up many does not crowd out those that are there; of all where none is doubted. */
  #dropFarthest(): void {
    let at = this.#candidates.findLastIndex((candidate) => candidate.state === "unasked" && isDoubted(candidate));
    if (at < 0) at = this.#candidates.findLastIndex(({ state }) => state === "unasked");
    const [dropped] = this.#candidates.splice(at, 1);
    if (dropped !== undefined) dropped.heldBy &= ~this.bit;
    this.#unasked -= 1;
  }
}

function isWaiting({ state }: Candidate): boolean {
  return state === "unasked" || state === "again";
}
