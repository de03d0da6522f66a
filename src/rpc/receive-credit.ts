// The credit that the peer has on a connection, and which messages of several pieces get more.
//
//     received ──► waits for its consumer ──► consumed
//            └───► part of a message that a consumer waits for: many of these take turns above maxAssemblingBytes
//
// The credit of the connection bounds what is under way. It comes back at receipt and never waits for a reader: otherwise a
// set of unread streams would hold up all others, among them those that their readers wait for. The windows of the streams
// bound what waits for readers. Parts of messages that a consumer waits for are paid as they come, since nothing but more of
// the same can complete them. When these are too many, only the oldest message gets credit beyond the window of its stream.
import { DswarmError } from "../util/errors.ts";
import { protocol } from "./params.ts";

/** A stream whose consumer waits for a message of which a part has come. */
export interface Assembling {
  /** Gives the peer credit for the pieces that are there. Repeating it does nothing. */
  payPieces(): void;
}

const payAtBytes = protocol.initialConnectionCredit / 4;

/** The credit of one connection. Bounded by the streams of the connection. */
export class ReceiveCredit {
  readonly #maxAssemblingBytes: number;
  readonly #pay: (bytes: number) => void;
  readonly #assembling = new Set<Assembling>();
  #assemblingBytes = 0;
  #credit: number = protocol.initialConnectionCredit;
  #owed = 0;

  /** @param pay gives the peer credit of the connection */
  constructor(maxAssemblingBytes: number, pay: (bytes: number) => void) {
    this.#maxAssemblingBytes = maxAssemblingBytes;
    this.#pay = pay;
  }

  /** @throws DswarmError `credit_exceeded` */
  received(cost: number): void {
    this.#credit -= cost;
    if (this.#credit < 0) throw new DswarmError("credit_exceeded", "the connection");
    this.#owed += cost;
    if (this.#owed < payAtBytes) return;
    const bytes = this.#owed;
    this.#owed = 0;
    this.#credit += bytes;
    this.#pay(bytes);
  }

  /** More of a message that is waited for has come; the stream is told when its pieces are to be paid, at once or later. */
  assembling(stream: Assembling, cost: number): void {
    this.#assembling.add(stream);
    this.#assemblingBytes += cost;
    if (this.#assemblingBytes <= this.#maxAssemblingBytes || this.#isOldest(stream)) stream.payPieces();
  }

  /** The message is complete, or given up. `cost` is the sum of what was told. */
  assembled(stream: Assembling, cost: number): void {
    if (!this.#assembling.delete(stream)) return;
    this.#assemblingBytes -= cost;
    for (const waiting of this.#assembling) {
      waiting.payPieces();
      if (this.#assemblingBytes > this.#maxAssemblingBytes) return;
    }
  }

  #isOldest(stream: Assembling): boolean {
    const [oldest] = this.#assembling;
    return oldest === stream;
  }
}
