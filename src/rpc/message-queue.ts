// Messages received on a stream, as an async iterable whose reader paces the sender.
import type { ConnectError } from "@connectrpc/connect";
import { ownedBytes } from "./byte-views.ts";
import type { Stream } from "./stream.ts";

interface Received {
  readonly bytes: Uint8Array;
  /** The credit that is due for it. */
  readonly cost: number;
}

interface Waiting<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

const sliceAt = 1024;

/** A queue with one reader. Bounded by the credit that the stream gives: read messages are paid back. */
export class MessageQueue<T> implements AsyncIterableIterator<T, undefined> {
  readonly #decode: (bytes: Uint8Array) => T;
  readonly #onReturn: () => void;
  readonly #onEndTold: () => void;
  #stream: Stream | undefined;
  #messages: Received[] = [];
  #at = 0;
  #waiting: Waiting<T>[] = [];
  /** Set when no further message will be pushed; without the error once the reader has it. */
  #end: { readonly error: ConnectError | undefined } | undefined;
  #isEndTold = false;

  /**
   * @param decode what it throws is what the reader gets; the iteration is then over
   * @param onReturn called when the reader stops before the end
   * @param onEndTold called when the reader knows of the end, after which `fail` does nothing
   */
  constructor(decode: (bytes: Uint8Array) => T, onReturn: () => void, onEndTold: () => void = () => undefined) {
    this.#decode = decode;
    this.#onReturn = onReturn;
    this.#onEndTold = onEndTold;
  }

  /** Says which stream is paid. */
  attach(stream: Stream): void {
    this.#stream = stream;
    if (this.#waiting.length > 0) stream.wantMessage();
  }

  /** Takes a message, which is dropped when the reader has stopped. */
  push(bytes: Uint8Array, cost: number): void {
    if (this.#end !== undefined) {
      this.#stream?.discard(bytes.length);
      return;
    }
    const reader = this.#waiting.shift();
    if (reader === undefined) {
      this.#messages.push({ bytes: ownedBytes(bytes), cost });
      return;
    }
    this.#give(reader, { bytes, cost });
    if (this.#waiting.length > 0) this.#stream?.wantMessage();
  }

  /** No message follows; after those in the queue the reader gets the error, where there is one. */
  finish(error?: ConnectError): void {
    if (this.#end === undefined) this.#setEnd(error);
  }

  /** Drops what is queued; the reader gets the error next, unless it knows of the end already. */
  fail(error: ConnectError): void {
    if (this.#isEndTold) return;
    this.#clear();
    this.#setEnd(error);
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      const reader = { resolve, reject };
      const received = this.#messages[this.#at];
      if (received !== undefined) {
        this.#at++;
        // Cut off in steps: shifting an array one by one costs its length each time.
        if (this.#at === this.#messages.length || this.#at === sliceAt) {
          this.#messages = this.#messages.slice(this.#at);
          this.#at = 0;
        }
        this.#give(reader, received);
      } else if (this.#end !== undefined) {
        this.#giveEnd(reader, this.#end.error);
      } else {
        this.#waiting.push(reader);
        this.#stream?.wantMessage();
      }
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    const isEarly = this.#end === undefined;
    this.#clear();
    this.#setEnd(undefined);
    this.#endTold();
    if (isEarly) this.#onReturn();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #clear(): void {
    for (const { bytes } of this.#messages.slice(this.#at)) this.#stream?.discard(bytes.length);
    this.#messages = [];
    this.#at = 0;
  }

  #setEnd(error: ConnectError | undefined): void {
    this.#end = { error };
    for (const reader of this.#waiting.splice(0)) this.#giveEnd(reader, this.#end.error);
  }

  #give(reader: Waiting<T>, { bytes, cost }: Received): void {
    this.#stream?.release(bytes.length, cost);
    try {
      reader.resolve({ done: false, value: this.#decode(bytes) });
    } catch (error) {
      reader.reject(error);
      void this.return();
    }
  }

  #giveEnd(reader: Waiting<T>, error: ConnectError | undefined): void {
    if (error === undefined) reader.resolve({ done: true, value: undefined });
    else reader.reject(error);
    // An error is told once; the iteration is then over.
    this.#end = { error: undefined };
    this.#endTold();
  }

  #endTold(): void {
    if (this.#isEndTold) return;
    this.#isEndTold = true;
    this.#onEndTold();
  }
}
