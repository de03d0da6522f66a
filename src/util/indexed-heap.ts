// A binary heap whose items know their place, so that one anywhere in it is moved or removed in O(log n).

/** An item of an IndexedHeap; of one heap at a time. */
export interface HeapItem {
  /** Its place; -1 outside of a heap. Set by the heap alone. */
  at: number;
}

/** Items, the first by an order at the top. Bounded by the items pushed. */
export class IndexedHeap<T extends HeapItem> {
  readonly #isBefore: (a: T, b: T) => boolean;
  readonly #items: T[] = [];

  /** @param isBefore whether `a` is nearer to the top than `b` */
  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The first item. */
  get top(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    item.at = this.#items.length;
    this.#items.push(item);
    this.#rise(item);
  }

  /** Moves an item of this heap to its place after its order has changed. */
  update(item: T): void {
    this.#rise(item);
    this.#sink(item);
  }

  /** Removes an item of this heap. */
  remove(item: T): void {
    const { at } = item;
    item.at = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#set(at, last);
    this.update(last);
  }

  #rise(item: T): void {
    while (item.at > 0) {
      const parentAt = (item.at - 1) >> 1;
      const parent = this.#items[parentAt];
      if (parent === undefined || !this.#isBefore(item, parent)) return;
      this.#set(item.at, parent);
      this.#set(parentAt, item);
    }
  }

  #sink(item: T): void {
    for (;;) {
      const leftAt = 2 * item.at + 1;
      const left = this.#items[leftAt];
      const right = this.#items[leftAt + 1];
      if (left === undefined) return;
      const child = right !== undefined && this.#isBefore(right, left) ? right : left;
      if (!this.#isBefore(child, item)) return;
      const childAt = child.at;
      this.#set(item.at, child);
      this.#set(childAt, item);
    }
  }

  #set(at: number, item: T): void {
    this.#items[at] = item;
    item.at = at;
  }
}
