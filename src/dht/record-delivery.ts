// One record on its way to those that are to keep it. A connection costs both ends many times what a call does, and those close to a
// key have connections with one another: so who can be called at once is asked to pass the record on to others.
import { compareDistance } from "../identity/node-id.ts";
import type { Clock } from "../util/clock.ts";
import type { Contact } from "./contact.ts";
import { dhtProtocol } from "./params.ts";

// Who is to pass a record on may only say that he did. So many, the closest if there are no others, get it from this node itself; and
// replication, which asks each itself, finds out who does not have it.
const minDirect = 4;

const nobody: ReadonlySet<string> = new Set();

/** What delivering a record needs. */
export interface RecordDeliveryInit {
  /** 32 bytes: the record's key. */
  readonly target: Uint8Array;
  readonly clock: Clock;
  /** Milliseconds after which the others are asked without who was to pass the record on. */
  readonly patienceMs: () => number;
  /** Whether this node asks a contact itself. */
  readonly isDirect: (contact: Contact) => boolean;
  /** Asks a peer to keep the record, and to pass it on to at most 4 others. Resolves with the ids, in text, of those that keep it then. */
  readonly store: (
    contact: Contact,
    forwardTo: readonly Contact[],
    signal: AbortSignal,
  ) => Promise<ReadonlySet<string>>;
}

interface Recipient {
  readonly contact: Contact;
  readonly signal: AbortSignal;
  readonly settle: (outcome: Promise<void>) => void;
}

/** Who gets the record from this node, and to whom he is to pass it on. */
interface Errand {
  readonly to: Recipient;
  readonly others: Recipient[];
}

/** Delivers a record; recipients that are named in the same turn can pass it on to one another. */
export class RecordDelivery {
  readonly #init: RecordDeliveryInit;
  /** Named in this turn. Bounded by the queries of a lookup. */
  #recipients: Recipient[] = [];
  readonly #byHearsay = new Set<string>();

  constructor(init: RecordDeliveryInit) {
    this.#init = init;
  }

  /** Whether it was another who said that a contact keeps the record: it has not answered this node. */
  isHearsay({ id }: Contact): boolean {
    return this.#byHearsay.has(id.toString());
  }

  /** Resolves when a contact keeps the record. Rejects with what it answers this node. */
  deliver(contact: Contact, signal: AbortSignal): Promise<void> {
    return new Promise((settle) => {
      if (this.#recipients.push({ contact, signal, settle }) === 1) queueMicrotask(() => this.#dispatch());
    });
  }

  #dispatch(): void {
    const { target, isDirect } = this.#init;
    const recipients = this.#recipients.sort((a, b) => compareDistance(target, idOf(a), idOf(b)));
    this.#recipients = [];
    const errands: Errand[] = [];
    const others: Recipient[] = [];
    for (const recipient of recipients) {
      if (isDirect(recipient.contact)) errands.push({ to: recipient, others: [] });
      else others.push(recipient);
    }
    for (const to of others.splice(0, Math.max(minDirect - errands.length, 0))) errands.push({ to, others: [] });
    for (const other of others) {
      const errand = nearest(errands, other);
      if (errand === undefined) errands.push({ to: other, others: [] });
      else errand.others.push(other);
    }
    for (const errand of errands) this.#send(errand);
  }

  #send({ to: { contact, signal, settle }, others }: Errand): void {
    const { clock, patienceMs, store } = this.#init;
    const stored = store(
      contact,
      others.map((other) => other.contact),
      signal,
    );
    settle(stored.then(() => undefined));
    if (others.length === 0) return;
    let isOver = false;
    const finish = (keptBy: ReadonlySet<string>): void => {
      if (isOver) return;
      isOver = true;
      stop();
      for (const other of others) this.#finish(other, keptBy);
    };
    const stop = clock.setTimeout(() => finish(nobody), patienceMs());
    stored.then(finish, () => finish(nobody));
  }

  #finish(recipient: Recipient, keptBy: ReadonlySet<string>): void {
    const name = recipient.contact.id.toString();
    if (keptBy.has(name)) {
      this.#byHearsay.add(name);
      recipient.settle(Promise.resolve());
    } else {
      this.#send({ to: recipient, others: [] });
    }
  }
}

/** Of those that have room for one more the closest to it: the closer two are, the likelier they are connected. */
function nearest(errands: readonly Errand[], recipient: Recipient): Errand | undefined {
  let best: Errand | undefined;
  for (const errand of errands) {
    if (errand.others.length === dhtProtocol.maxForwards) continue;
    if (best === undefined || compareDistance(idOf(recipient), idOf(errand.to), idOf(best.to)) < 0) best = errand;
  }
  return best;
}

function idOf({ contact }: Recipient): Uint8Array {
  return contact.id.bytes;
}
