// The pieces of a message that is not complete.
import { ownedBytes, plainView } from "./byte-views.ts";

// Smaller pieces are gathered: each by itself would cost many times its bytes.
const smallBytes = 4096;
const blockBytes = 16_384;

/** Gathers pieces. Holds at most a few times their bytes, however small they are. */
export class PieceBuffer {
  readonly #blocks: Uint8Array[] = [];
  /** Small pieces, one after the other. */
  #small: Buffer | undefined;
  #smallBytes = 0;
  #bytes = 0;

  /** Bytes of all pieces. */
  get bytes(): number {
    return this.#bytes;
  }

  add(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (piece.length >= smallBytes) {
      this.#closeBlock();
      this.#blocks.push(ownedBytes(piece));
      return;
    }
    if (this.#small !== undefined && this.#smallBytes + piece.length > blockBytes) this.#closeBlock();
    this.#small ??= Buffer.allocUnsafeSlow(blockBytes);
    this.#small.set(piece, this.#smallBytes);
    this.#smallBytes += piece.length;
  }

  /** All pieces and the last one, in memory of their own. */
  join(last: Uint8Array): Uint8Array {
    this.#closeBlock();
    return plainView(Buffer.concat([...this.#blocks, last], this.#bytes + last.length));
  }

  #closeBlock(): void {
    if (this.#small !== undefined) this.#blocks.push(ownedBytes(this.#small.subarray(0, this.#smallBytes)));
    this.#small = undefined;
    this.#smallBytes = 0;
  }
}
