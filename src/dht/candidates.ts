// Contacts that were heard of, pinged a few at a time as long as the routing table wants them: nothing enters it from hearsay.
import { compareDistance, type NodeId, sharedBits } from "../identity/node-id.ts";
import { type Clock, jittered } from "../util/clock.ts";
import type { Contact } from "./contact.ts";

// As many as a lookup asks (alpha). A ping costs a connection: where many nodes of one machine start at once and each makes
// more, handshakes take longer than they may, and what they cost is lost.
const maxAtOnce = 3;
const maxWaiting = 256;
// Who was too busy to answer, or this node too busy to ask, is there a moment later; who is dead is asked a few times in vain.
const retries = 4;
const firstRetryMs = 2000;
const retryJitter = 0.5;

/** What the queue of candidates needs. */
export interface CandidatesInit {
  /** The closest to it are pinged first: they belong in the table, and with them there is less need of others. */
  readonly self: NodeId;
  readonly clock: Clock;
  /** Whether the routing table has a place for it, with at most `farLimit` contacts of a range that is not near. */
  readonly isWanted: (contact: Contact, farLimit: number, others: Others) => boolean;
  /** Does something that may need a connection to the contact, when it is its turn. */
  readonly inTurn: <T>(contact: Contact, work: () => Promise<T>) => Promise<T>;
  /** Whether it answers now; must not reject. Who answers is entered there. */
  readonly ping: (contact: Contact) => Promise<boolean>;
}

/** Other candidates, which may enter the table too. */
export interface Others {
  /** Closer to this node. */
  readonly closer: number;
  /** Of the same range, being pinged. */
  readonly beside: number;
}

interface Waiting {
  readonly contact: Contact;
  /** Who told of it: the sources have turns. */
  readonly source: string;
  readonly farLimit: number;
  /** Bits that its id shares with this node's own: the range. */
  readonly range: number;
  readonly isFirst: boolean;
  /** Pings that it has not answered. */
  readonly failures: number;
}

/**
 * Candidates for the routing table. Bounded by 256 that wait, of which the source that has most gives way to a new one, and 256 that
 * are asked again later.
 */
export class Candidates {
  readonly #init: CandidatesInit;
  readonly #waiting = new Map<string, Waiting>();
  readonly #pinged = new Map<string, { readonly candidate: Waiting; readonly answer: Promise<unknown> }>();
  /** Those that did not answer, by what stops their timer. */
  readonly #later = new Map<string, () => void>();
  /** How many are pinged at once: fewer while pings fail, so that nodes that are all busy do not keep one another from answering. */
  #window = maxAtOnce;
  #isClosed = false;

  constructor(init: CandidatesInit) {
    this.#init = init;
  }

  /**
   * Notes a contact that may enter the table, unless it is pinged already.
   * @param source who told of it; each source has its share of the queue, and its turns
   */
  offer(contact: Contact, farLimit: number, source = ""): void {
    this.#offer(contact, farLimit, 0, source);
  }

  /** Resolves when all candidates have been pinged. */
  async settled(): Promise<void> {
    while (this.#pinged.size > 0) await Promise.all([...this.#pinged.values()].map(({ answer }) => answer));
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting.clear();
    for (const stop of this.#later.values()) stop();
    this.#later.clear();
  }

  #offer(contact: Contact, farLimit: number, failures: number, source: string): void {
    const name = contact.id.toString();
    if (this.#isClosed || this.#pinged.has(name) || !this.#init.isWanted(contact, farLimit, { closer: 0, beside: 0 }))
      return;
    // There is news of it.
    this.#later.get(name)?.();
    this.#later.delete(name);
    const { self } = this.#init;
    const range = sharedBits(self.bytes, contact.id.bytes);
    this.#waiting.set(name, { contact, source, farLimit, range, isFirst: isFirst(self, contact.id), failures });
    if (this.#waiting.size > maxWaiting) this.#dropExcess();
    this.#proceed();
  }

  #proceed(): void {
    while (this.#pinged.size < this.#window) {
      const candidate = this.#next();
      if (candidate === undefined) return;
      const { contact, farLimit } = candidate;
      const name = contact.id.toString();
      this.#waiting.delete(name);
      if (!this.#init.isWanted(contact, farLimit, this.#othersOf(candidate))) continue;
      const answer = this.#init
        .inTurn(contact, () => this.#pingIfWanted(candidate))
        .then((answers) => {
          this.#pinged.delete(name);
          if (answers === false) this.#tryLater(candidate);
          if (answers !== undefined) this.#window = answers ? Math.min(this.#window + 1, maxAtOnce) : 1;
          this.#proceed();
        });
      this.#pinged.set(name, { candidate, answer });
    }
  }

  /** Undefined where others, which have come while it waited for its turn, have taken its place. */
  async #pingIfWanted(candidate: Waiting): Promise<boolean | undefined> {
    const { contact, farLimit } = candidate;
    return this.#init.isWanted(contact, farLimit, this.#othersOf(candidate)) ? this.#init.ping(contact) : undefined;
  }

  /** Drops the oldest of the source that has most. */
  #dropExcess(): void {
    const sources = this.#sources();
    let largest: readonly Waiting[] = [];
    for (const of of sources.values()) if (of.length > largest.length) largest = of;
    const [oldest] = largest;
    if (oldest !== undefined) this.#waiting.delete(oldest.contact.id.toString());
  }

  #sources(): Map<string, Waiting[]> {
    const sources = new Map<string, Waiting[]>();
    for (const waiting of this.#waiting.values()) {
      const of = sources.get(waiting.source);
      if (of === undefined) sources.set(waiting.source, [waiting]);
      else of.push(waiting);
    }
    return sources;
  }

  #tryLater({ contact, source, farLimit, failures }: Waiting): void {
    if (this.#isClosed || failures >= retries || this.#later.size >= maxWaiting) return;
    const { clock } = this.#init;
    const name = contact.id.toString();
    const again = (): void => {
      this.#later.delete(name);
      this.#offer(contact, farLimit, failures + 1, source);
    };
    this.#later.set(name, clock.setTimeout(again, jittered(clock, firstRetryMs * 2 ** failures, retryJitter)));
  }

  /** Of a contact, which may be among them itself. */
  #othersOf({ contact, range }: Waiting): Others {
    const target = this.#init.self.bytes;
    const isCloser = (other: Waiting) => compareDistance(target, other.contact.id.bytes, contact.id.bytes) < 0;
    let [closer, beside] = [0, 0];
    for (const waiting of this.#waiting.values()) if (isCloser(waiting)) closer += 1;
    for (const { candidate } of this.#pinged.values()) {
      if (isCloser(candidate)) closer += 1;
      if (candidate.range === range && candidate.contact !== contact) beside += 1;
    }
    return { closer, beside };
  }

  /** Of a source chosen at random, the closest of those that this node is to ping first; when there are none, of all. */
  #next(): Waiting | undefined {
    const { self, clock } = this.#init;
    const target = self.bytes;
    const sources = [...this.#sources().values()];
    const of = sources.length < 2 ? sources[0] : sources[Math.floor(clock.random() * sources.length)];
    let next: Waiting | undefined;
    for (const waiting of of ?? []) {
      if (next === undefined || waiting.isFirst !== next.isFirst) {
        if (next === undefined || waiting.isFirst) next = waiting;
      } else if (compareDistance(target, waiting.contact.id.bytes, next.contact.id.bytes) < 0) {
        next = waiting;
      }
    }
    return next;
  }
}

/**
 * Whether the first of two nodes that hear of each other is to ping before the second does: so that they do not connect to each
 * other at once. Each node is the first for half of the others.
 */
function isFirst({ bytes: a }: NodeId, { bytes: b }: NodeId): boolean {
  const isFlipped = (((a.at(-1) ?? 0) ^ (b.at(-1) ?? 0)) & 1) === 1;
  return Buffer.compare(a, b) < 0 !== isFlipped;
}
