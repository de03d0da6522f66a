// A sink that keeps all that a link tells it, checks the order of it, and can be waited on.
import assert from "node:assert/strict";
import type { LinkSink } from "../../../src/link/link.ts";
import type { DswarmError } from "../../../src/util/errors.ts";

const deadlineMs = 60_000;

/** What a test does in answer to what it is told. */
export interface LinkReactions {
  data?(bytes: Uint8Array): void;
  drain?(): void;
  closed?(reason: DswarmError | undefined): void;
}

/** Records one end of a link. Bounded by what the test sends. */
export class LinkRecorder implements LinkSink {
  readonly chunks: Uint8Array[] = [];
  readonly #reactions: LinkReactions;
  readonly #faults: string[] = [];
  readonly #waiting = new Set<() => void>();
  byteCount = 0;
  drains = 0;
  closings = 0;
  reason: DswarmError | undefined;

  constructor(reactions: LinkReactions = {}) {
    this.#reactions = reactions;
  }

  data(bytes: Uint8Array): void {
    if (this.closings > 0) this.#faults.push("data after closed");
    this.chunks.push(bytes);
    this.byteCount += bytes.length;
    this.#reactions.data?.(bytes);
    this.#wake();
  }

  drain(): void {
    if (this.closings > 0) this.#faults.push("drain after closed");
    this.drains++;
    this.#reactions.drain?.();
    this.#wake();
  }

  closed(reason: DswarmError | undefined): void {
    if (this.closings > 0) this.#faults.push("closed again");
    this.closings++;
    this.reason = reason;
    this.#reactions.closed?.(reason);
    this.#wake();
  }

  /** Whether anything has been told yet. */
  get isUntouched(): boolean {
    return this.byteCount === 0 && this.drains === 0 && this.closings === 0;
  }

  /** All bytes so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** Resolves when the condition holds, which is looked at after each event. Rejects when it does not within 15 s. */
  async until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const wake = (): void => {
      if (condition()) resolve();
    };
    const timer = setTimeout(() => {
      const seen = `${this.byteCount} bytes, ${this.drains} drains, ${this.closings} times closed`;
      reject(new Error(`waited ${deadlineMs} ms for ${what}; saw ${seen}`));
    }, deadlineMs);
    this.#waiting.add(wake);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(wake);
    }
  }

  /** Resolves when so many bytes have come. */
  untilBytes(count: number): Promise<void> {
    return this.until(`${count} bytes`, () => this.byteCount >= count);
  }

  /** Resolves when the link has ended. */
  untilClosed(): Promise<void> {
    return this.until("closed", () => this.closings > 0);
  }

  /** Asserts that nothing came after the end. */
  assertOrder(): void {
    assert.deepEqual(this.#faults, []);
  }

  /** Asserts that the link ended, once and last. */
  assertClosedOnce(): void {
    this.assertOrder();
    assert.equal(this.closings, 1);
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}
