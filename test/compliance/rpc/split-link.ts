// A link whose bytes arrive a few at a time, all within the turn: a timer for each would take minutes.

import type { NodeId } from "../../../src/identity/node-id.ts";
import type { Link, LinkRole, LinkSink } from "../../../src/link/link.ts";
import type { DswarmError } from "../../../src/util/errors.ts";

/** Hands on what another link brings in chunks of `chunkBytes`. */
export class SplitLink implements Link {
  readonly role: LinkRole;
  readonly localId: NodeId;
  readonly remoteId: NodeId;
  readonly remoteAddress: string;
  readonly #inner: Link;
  readonly #chunkBytes: number;
  #isOver = false;
  #isPaused = false;
  #sink: LinkSink | undefined;
  #held: Uint8Array[] = [];

  constructor(inner: Link, chunkBytes: number) {
    this.role = inner.role;
    this.localId = inner.localId;
    this.remoteId = inner.remoteId;
    this.remoteAddress = inner.remoteAddress;
    this.#inner = inner;
    this.#chunkBytes = chunkBytes;
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes;
  }

  get heldBytes(): number {
    return this.#inner.heldBytes;
  }

  open(sink: LinkSink): void {
    this.#sink = sink;
    this.#inner.open({
      data: (bytes) => {
        for (let at = 0; at < bytes.length; at += this.#chunkBytes) {
          this.#held.push(bytes.subarray(at, at + this.#chunkBytes));
        }
        this.#deliver();
      },
      drain: () => sink.drain(),
      sent: () => sink.sent?.(),
      held: () => sink.held?.(),
      closed: (reason) => {
        this.#isOver = true;
        sink.closed(reason);
      },
    });
  }

  pause(): void {
    this.#isPaused = true;
    this.#inner.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
    if (!this.#isPaused) this.#inner.resume();
  }

  #deliver(): void {
    let delivered = 0;
    const held = this.#held;
    while (!this.#isPaused && !this.#isOver && delivered < held.length) {
      const chunk = held[delivered++];
      if (chunk !== undefined) this.#sink?.data(chunk);
    }
    this.#held = held.slice(delivered);
  }

  write(bytes: Uint8Array): boolean {
    return this.#inner.write(bytes);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  abort(reason: DswarmError): void {
    this.#inner.abort(reason);
  }
}
