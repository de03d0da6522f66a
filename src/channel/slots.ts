// How many of something there may be, in all and for one address, and which of them gives way when there is no room: "full" keeps
// nobody out for long.
//
//     an address over its share ─► its own oldest gives way
//     no room left ──────────────► the oldest gives way of the address that has most
//     the last `reserve` slots ──► are for this machine alone

/** Holds a slot. */
export interface SlotHolder {
  /** The address that it counts for; an IPv6 /64 is one. */
  readonly share: string;
  /** Whether it is of this machine. */
  readonly isLocal: boolean;
}

/** Settings of Slots. */
export interface SlotsOptions<Holder extends SlotHolder> {
  /** Slots in all. */
  readonly max: number;
  /** Slots of one address. @default as many as in all */
  readonly maxPerAddress?: number;
  /** Whether an address over its share is refused, rather than its own oldest put out. @default false */
  readonly isShareStrict?: boolean;
  /** Whether addresses of this machine may have all. @default false */
  readonly isLocalExempt?: boolean;
  /** Slots that only holders of this machine may have; at most all but one. @default 0 */
  readonly reserve?: number;
  /** Whether a holder may be put out for another. */
  readonly mayGiveWay: (holder: Holder) => boolean;
  /** A holder that loses its slot to another is told. It has it no more. */
  readonly onEvicted: (holder: Holder) => void;
  /** How many more than the newcomer's address the address must have that gives way for lack of room. @default 0 */
  readonly minLead?: number;
}

/** Slots of a kind. Bounded by `max`. */
export class Slots<Holder extends SlotHolder> {
  readonly #options: SlotsOptions<Holder>;
  readonly #reserve: number;
  /** By address; the oldest holder is the first. */
  readonly #byAddress = new Map<string, Set<Holder>>();
  #count = 0;
  #local = 0;

  constructor(options: SlotsOptions<Holder>) {
    this.#options = options;
    this.#reserve = Math.min(options.reserve ?? 0, options.max - 1);
  }

  /** How many are taken. */
  get count(): number {
    return this.#count;
  }

  /** Takes a slot for a holder that has none, from another where need be. Returns false, and takes none, where there is no room. */
  take(holder: Holder): boolean {
    if (!this.#makeRoom(holder)) return false;
    const own = this.#byAddress.get(holder.share) ?? new Set();
    this.#byAddress.set(holder.share, own.add(holder));
    this.#count += 1;
    if (holder.isLocal) this.#local += 1;
    return true;
  }

  /** Gives a slot back. Does nothing where the holder has none. */
  give(holder: Holder): void {
    const own = this.#byAddress.get(holder.share);
    if (own?.delete(holder) !== true) return;
    if (own.size === 0) this.#byAddress.delete(holder.share);
    this.#count -= 1;
    if (holder.isLocal) this.#local -= 1;
  }

  #makeRoom(newcomer: Holder): boolean {
    const { max, maxPerAddress = max, isLocalExempt = false, isShareStrict = false } = this.#options;
    const own = this.#byAddress.get(newcomer.share);
    const isExempt = isLocalExempt && newcomer.isLocal;
    if (!isExempt && own !== undefined && own.size >= maxPerAddress) {
      return !isShareStrict && this.#evict(this.#oldest(own));
    }
    const isFullOfRemote = !newcomer.isLocal && this.#count - this.#local >= max - this.#reserve;
    if (!isFullOfRemote && this.#count < max) return true;
    return this.#evict(this.#oldestOfMost(newcomer, own?.size ?? 0, isFullOfRemote));
  }

  #oldestOfMost(newcomer: Holder, own: number, isRemoteOnly: boolean): Holder | undefined {
    // What is in the reserve does not give way to strangers.
    const isLocalSafe = isRemoteOnly || (!newcomer.isLocal && this.#local <= this.#reserve);
    const { minLead = 0 } = this.#options;
    let most: Holder | undefined;
    let mostCount = own + minLead - 1;
    for (const holders of this.#byAddress.values()) {
      if (holders.size <= mostCount) continue;
      const oldest = this.#oldest(holders);
      if (oldest === undefined || (isLocalSafe && oldest.isLocal)) continue;
      most = oldest;
      mostCount = holders.size;
    }
    return most;
  }

  #oldest(holders: ReadonlySet<Holder>): Holder | undefined {
    for (const holder of holders) if (this.#options.mayGiveWay(holder)) return holder;
    return undefined;
  }

  #evict(holder: Holder | undefined): boolean {
    if (holder === undefined) return false;
    this.give(holder);
    this.#options.onEvicted(holder);
    return true;
  }
}
