// Things that datagrams have brought, by where they came from: so that one source cannot keep out the others.
//
//     address ─┬─ port ── oldest … newest        the address that has most gives way, in it the port that has most
//              └─ port ── …                      addresses take turns, in each its ports
import { Largest } from "./largest.ts";

/** Where a datagram came from. */
export interface Source {
  /** IPv4 address. */
  readonly address: string;
  /** UDP port. */
  readonly port: number;
}

interface OfAddress<T> {
  /** By port, the one whose turn it is in front. */
  readonly ports: Map<number, Set<T>>;
  readonly largest: Largest<number>;
}

/** Items by source. All operations take constant time. Bounded by whoever adds items. */
export class SourceShares<T> {
  /** By address, the one whose turn it is in front. */
  readonly #addresses = new Map<string, OfAddress<T>>();
  readonly #largest = new Largest<string>();
  readonly #sources = new Map<T, Source>();

  /** Items in all. */
  get size(): number {
    return this.#sources.size;
  }

  has(item: T): boolean {
    return this.#sources.has(item);
  }

  /** Adds an item that is not there. */
  add(item: T, source: Source): void {
    const { address, port } = source;
    const of = this.#addresses.get(address) ?? { ports: new Map<number, Set<T>>(), largest: new Largest<number>() };
    this.#addresses.set(address, of);
    const items = of.ports.get(port);
    if (items === undefined) of.ports.set(port, new Set([item]));
    else items.add(item);
    of.largest.change(port, 1);
    this.#largest.change(address, 1);
    this.#sources.set(item, source);
  }

  /** Takes an item out. Returns whether it was there. */
  delete(item: T): boolean {
    const source = this.#sources.get(item);
    if (source === undefined) return false;
    const { address, port } = source;
    this.#sources.delete(item);
    const of = this.#addresses.get(address);
    const items = of?.ports.get(port);
    items?.delete(item);
    if (items?.size === 0) of?.ports.delete(port);
    if (of?.ports.size === 0) this.#addresses.delete(address);
    of?.largest.change(port, -1);
    this.#largest.change(address, -1);
    return true;
  }

  /** The oldest item of the port that has most, at the address that has most. */
  get excess(): T | undefined {
    const address = this.#largest.key;
    const of = address === undefined ? undefined : this.#addresses.get(address);
    const port = of?.largest.key;
    return port === undefined ? undefined : of?.ports.get(port)?.values().next().value;
  }

  /**
   * Takes out the oldest item of whose turn it is.
   * @param mayTake which addresses may have a turn; it is asked of each until one may
   */
  take(mayTake: (address: string) => boolean = () => true): T | undefined {
    for (const [address, of] of this.#addresses) {
      if (!mayTake(address)) continue;
      const [first] = of.ports;
      if (first === undefined) return undefined;
      const [port, items] = first;
      const [item] = items;
      if (item === undefined) return undefined;
      this.delete(item);
      toTheEnd(this.#addresses, address);
      toTheEnd(of.ports, port);
      return item;
    }
    return undefined;
  }

  /** Takes out everything. */
  clear(): void {
    for (const item of this.#sources.keys()) this.delete(item);
  }
}

function toTheEnd<K, V>(map: Map<K, V>, key: K): void {
  const value = map.get(key);
  if (value === undefined) return;
  map.delete(key);
  map.set(key, value);
}
