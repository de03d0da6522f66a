// The open streams of a connection, by id: a hash table with open addressing and linear probing, in which a removal moves the
// entries behind it up. A Map would do the same, at a price: with every hundred calls it makes itself a new table, to which the old
// one holds on. Once the garbage collector has moved one such table to old space, all calls since then stay there until the
// next major collection.
import type { Stream } from "./stream.ts";

const minSlots = 8;
/** No table is made smaller than this: bursts of calls would make it grow each time. */
const keptSlots = 512;

/** Streams by id. Bounded by the streams that are open: two to 16 slots for each, or as many as 512. */
export class StreamTable implements Iterable<Stream> {
  /** A power of two in length, and never more than half full. */
  #slots: (Stream | undefined)[] = emptySlots(minSlots);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Stream | undefined {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = id & mask; ; at = (at + 1) & mask) {
      const stream = slots[at];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  /** Adds a stream whose id is not in the table. */
  add(stream: Stream): void {
    if (this.#size * 2 >= this.#slots.length) this.#resize(this.#slots.length * 2);
    this.#size += 1;
    place(this.#slots, stream);
  }

  /** Removes the stream of an id, if there is one. */
  delete(id: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = id & mask;
    for (let stream = slots[hole]; stream?.id !== id; stream = slots[hole]) {
      if (stream === undefined) return;
      hole = (hole + 1) & mask;
    }
    this.#size -= 1;
    // Each that comes before its place, seen from the hole, is to be found when the hole is empty.
    for (let at = (hole + 1) & mask, stream = slots[at]; stream !== undefined; stream = slots[at]) {
      if (((at - stream.id) & mask) >= ((at - hole) & mask)) {
        slots[hole] = stream;
        hole = at;
      }
      at = (at + 1) & mask;
    }
    slots[hole] = undefined;
    if (slots.length > keptSlots && this.#size * 16 <= slots.length) this.#resize(slots.length / 2);
  }

  /** The streams of this moment, in no order: what happens to the table meanwhile changes nothing. */
  [Symbol.iterator](): Iterator<Stream> {
    return this.#slots.filter((stream) => stream !== undefined)[Symbol.iterator]();
  }

  #resize(slotCount: number): void {
    const old = this.#slots;
    this.#slots = emptySlots(slotCount);
    for (const stream of old) if (stream !== undefined) place(this.#slots, stream);
    // If it is in old space, it is to keep nothing alive.
    old.fill(undefined);
  }
}

function emptySlots(count: number): (Stream | undefined)[] {
  const slots: (Stream | undefined)[] = [];
  for (let i = 0; i < count; i++) slots.push(undefined);
  return slots;
}

function place(slots: (Stream | undefined)[], stream: Stream): void {
  const mask = slots.length - 1;
  let at = stream.id & mask;
  while (slots[at] !== undefined) at = (at + 1) & mask;
  slots[at] = stream;
}
