// What the peer may send on a connection, all streams together, and what of it is held here.
//
//     received ──► waits for its consumer ──► consumed            counts against maxUnconsumedBytes
//            └───► part of a message that a consumer waits for    takes turns once these are above maxUnconsumedBytes
//
// The credit of the connection bounds what is under way; it comes back at receipt, so that one consumer that stalls does not
// hold up the others. Only when too much waits for consumers does the peer have to wait. Parts of messages that are waited
// for do not count there, as nothing but more of the same can complete them: when they are too many, only the oldest of
// these messages goes on beyond the credit that its stream has.
import { DswarmError } from "../util/errors.ts";
import { protocol } from "./params.ts";

/** A stream whose consumer waits for a message of which a part has come. */
export interface Assembling {
  /** Gives the peer credit for the pieces that are there. Repeating it does nothing. */
  payPieces(): void;
}

const payAtBytes = protocol.initialConnectionCredit / 4;

/** Accounts for the bytes received on a connection. Bounded by the streams of the connection. */
export class ReceiveBudget {
  readonly #maxUnconsumedBytes: number;
  readonly #pay: (bytes: number) => void;
  readonly #assembling = new Set<Assembling>();
  #assemblingBytes = 0;
  #credit: number = protocol.initialConnectionCredit;
  #owed = 0;
  #unconsumedBytes = 0;

  /** @param pay gives the peer credit of the connection */
  constructor(maxUnconsumedBytes: number, pay: (bytes: number) => void) {
    this.#maxUnconsumedBytes = maxUnconsumedBytes;
    this.#pay = pay;
  }

  /** Cost of what was received and not yet consumed. */
  get unconsumedBytes(): number {
    return this.#unconsumedBytes;
  }

  /** @throws DswarmError `credit_exceeded` */
  received(cost: number): void {
    this.#credit -= cost;
    if (this.#credit < 0) throw new DswarmError("credit_exceeded", "the connection");
    this.#unconsumedBytes += cost;
    this.#owed += cost;
    this.#payIfDue();
  }

  consumed(cost: number): void {
    this.#unconsumedBytes -= cost;
    this.#payIfDue();
  }

  /** More of a message that is waited for has come; the stream is told when its pieces are to be paid, at once or later. */
  assembling(stream: Assembling, cost: number): void {
    this.#assembling.add(stream);
    this.#assemblingBytes += cost;
    if (this.#assemblingBytes <= this.#maxUnconsumedBytes || this.#isOldest(stream)) stream.payPieces();
    this.#payIfDue();
  }

  /** The message is complete, or given up. `cost` is the sum of what was told. */
  assembled(stream: Assembling, cost: number): void {
    if (!this.#assembling.delete(stream)) return;
    this.#assemblingBytes -= cost;
    for (const waiting of this.#assembling) {
      waiting.payPieces();
      if (this.#assemblingBytes > this.#maxUnconsumedBytes) return;
    }
  }

  #isOldest(stream: Assembling): boolean {
    const [oldest] = this.#assembling;
    return oldest === stream;
  }

  #payIfDue(): void {
    if (this.#owed < payAtBytes || this.#unconsumedBytes - this.#assemblingBytes > this.#maxUnconsumedBytes) return;
    const bytes = this.#owed;
    this.#owed = 0;
    this.#credit += bytes;
    this.#pay(bytes);
  }
}
