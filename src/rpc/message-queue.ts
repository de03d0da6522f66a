// Messages received on a stream, as an async iterable whose reader paces the sender.
import type { ConnectError } from "@connectrpc/connect";
import { DswarmError } from "../util/errors.ts";
import type { Stream } from "./stream.ts";

interface Received {
  readonly bytes: Uint8Array;
  readonly cost: number;
}

interface Waiting<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/** A queue with one reader. Bounded by the credit that the stream gives: read messages are paid back. */
export class MessageQueue<T> implements AsyncIterableIterator<T, undefined> {
  readonly #decode: (bytes: Uint8Array) => T;
  readonly #onReturn: () => void;
  #stream: Stream | undefined;
  #messages: Received[] = [];
  #at = 0;
  #waiting: Waiting<T>[] = [];
  #end: { readonly error: ConnectError | undefined } | undefined;

  /** @param onReturn called when the reader stops before the end */
  constructor(decode: (bytes: Uint8Array) => T, onReturn: () => void) {
    this.#decode = decode;
    this.#onReturn = onReturn;
  }

  /** Says which stream is paid. */
  attach(stream: Stream): void {
    this.#stream = stream;
    if (this.#waiting.length > 0) stream.wantMessage();
  }

  /** Whether no further message will be pushed. */
  get finished(): boolean {
    return this.#end !== undefined;
  }

  push(bytes: Uint8Array, cost: number): void {
    const reader = this.#waiting.shift();
    if (reader === undefined) {
      this.#messages.push({ bytes, cost });
      return;
    }
    this.#give(reader, { bytes, cost });
    if (this.#waiting.length > 0) this.#stream?.wantMessage();
  }

  /** No message follows; after those in the queue the reader gets the error, where there is one. */
  finish(error?: ConnectError): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    for (const reader of this.#waiting.splice(0)) this.#giveEnd(reader);
  }

  /** Drops what is queued; the reader gets the error next. */
  fail(error: ConnectError): void {
    this.#messages = [];
    this.#at = 0;
    this.finish(error);
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      const reader = { resolve, reject };
      const received = this.#messages[this.#at];
      if (received !== undefined) {
        this.#at++;
        // Cut off in steps: shifting an array one by one costs its length each time.
        if (this.#at === this.#messages.length || this.#at === 1024) {
          this.#messages = this.#messages.slice(this.#at);
          this.#at = 0;
        }
        this.#give(reader, received);
      } else if (this.#end !== undefined) {
        this.#giveEnd(reader);
      } else {
        this.#waiting.push(reader);
        this.#stream?.wantMessage();
      }
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#messages = [];
    this.#at = 0;
    if (this.#end === undefined) {
      this.finish();
      this.#onReturn();
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #give(reader: Waiting<T>, { bytes, cost }: Received): void {
    this.#stream?.release(cost);
    try {
      reader.resolve({ done: false, value: this.#decode(bytes) });
    } catch (error) {
      reader.reject(new DswarmError("message_invalid", undefined, { cause: error }).toConnectError());
      void this.return();
    }
  }

  #giveEnd(reader: Waiting<T>): void {
    if (this.#end?.error === undefined) reader.resolve({ done: true, value: undefined });
    else reader.reject(this.#end.error);
    // An error is told once; the iteration is then over.
    this.#end = { error: undefined };
  }
}
