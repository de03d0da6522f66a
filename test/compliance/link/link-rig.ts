// Runs the tests of link-compliance.ts on fresh pairs, with what they share.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import type { Link } from "../../../src/link/link.ts";
import { type LinkReactions, LinkRecorder } from "./link-recorder.ts";

/** Two joined link ends, neither opened yet, and a function that frees what the test leaves behind. */
export interface LinkPair {
  readonly dialer: Link;
  readonly listener: Link;
  teardown(): Promise<void>;
}

/** Makes a sink whose events are checked once more after the teardown. */
export type MakeRecorder = (reactions?: LinkReactions) => LinkRecorder;

/** A pair with both ends opened. */
export interface OpenPair extends LinkPair {
  readonly atDialer: LinkRecorder;
  readonly atListener: LinkRecorder;
}

const deadlineMs = 60_000;

/** Bytes that differ wherever two places are swapped or shifted. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/** Some turns of the event loop, for what may follow although nothing should. What comes later fails after teardown. */
export async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await nextTurn();
}

/** Resolves with the promise, or rejects when it takes too long. */
export async function soon(promise: Promise<unknown>, what: string): Promise<void> {
  const abort = new AbortController();
  const late = pause(deadlineMs, undefined, { signal: abort.signal }).then(
    () => Promise.reject(new Error(`${what} took longer than ${deadlineMs} ms`)),
    () => undefined,
  );
  try {
    await Promise.race([promise, late]);
  } finally {
    abort.abort();
  }
}

/** Asserts that both ends end, once, by goodbyes of both. */
export async function assertGoodbye({ dialer, listener, atDialer, atListener }: OpenPair): Promise<void> {
  await Promise.all([atDialer.untilClosed(), atListener.untilClosed()]);
  await someTurns();
  for (const [link, sink] of [
    [dialer, atDialer],
    [listener, atListener],
  ] as const) {
    sink.assertClosedOnce();
    assert.equal(sink.reason, undefined, `closed at the ${link.role}: ${sink.reason?.message}`);
  }
}

/** Declares tests, each on a pair of its own. */
export class LinkTests {
  readonly #makePair: () => Promise<LinkPair>;

  constructor(makePair: () => Promise<LinkPair>) {
    this.#makePair = makePair;
  }

  /** A test on a fresh pair. */
  onPair(fact: string, run: (pair: LinkPair, record: MakeRecorder) => Promise<void>): void {
    test(fact, async () => {
      const pair = await this.#makePair();
      const recorders: LinkRecorder[] = [];
      try {
        await run(pair, (reactions) => {
          const recorder = new LinkRecorder(reactions);
          recorders.push(recorder);
          return recorder;
        });
      } finally {
        await pair.teardown();
      }
      await someTurns();
      for (const recorder of recorders) recorder.assertOrder();
    });
  }

  /** A test on a fresh pair with both ends opened. */
  onOpenPair(fact: string, run: (pair: OpenPair) => Promise<void>): void {
    this.onPair(fact, async (pair, record) => {
      const [atDialer, atListener] = [record(), record()];
      pair.dialer.open(atDialer);
      pair.listener.open(atListener);
      await run({ ...pair, atDialer, atListener });
    });
  }
}
