// Caps on how many of something there may be, in all and for one IP address.

/** A count with two caps. Bounded by the caps. */
export class AddressQuota {
  readonly #max: number;
  readonly #maxPerAddress: number;
  readonly #counts = new Map<string, number>();
  #count = 0;

  constructor(max: number, maxPerAddress = max) {
    this.#max = max;
    this.#maxPerAddress = maxPerAddress;
  }

  /** How many are taken. */
  get count(): number {
    return this.#count;
  }

  /** Takes one for an address. Returns false, and takes none, where a cap is reached. */
  take(address: string): boolean {
    const ofAddress = this.#counts.get(address) ?? 0;
    if (this.#count >= this.#max || ofAddress >= this.#maxPerAddress) return false;
    this.#counts.set(address, ofAddress + 1);
    this.#count += 1;
    return true;
  }

  /** Gives back one that was taken for the address. */
  give(address: string): void {
    const ofAddress = this.#counts.get(address) ?? 0;
    if (ofAddress === 0) return;
    if (ofAddress === 1) this.#counts.delete(address);
    else this.#counts.set(address, ofAddress - 1);
    this.#count -= 1;
  }
}
