// Who holds how much of a store, and which record goes first when there is no room: the farthest one of the share that holds most,
// of the host that holds most. A peer has two shares: of what it publishes itself, and of what it passes on for others. Otherwise
// strangers could fill a peer's own share by having it pass records on.
//
//     hosts, the largest at the top ── shares of a host, the largest at the top ── records of a share, the farthest at the top
import type { NodeId } from "../identity/node-id.ts";
import { type HeapItem, IndexedHeap } from "../util/indexed-heap.ts";
import type { RecordEntry } from "./record-entry.ts";

/** What one peer has stored from one host, either for itself or for others. */
export interface Share {
  readonly records: number;
  readonly bytes: number;
}

interface HostHolding extends HeapItem {
  readonly name: string;
  load: number;
  readonly shares: IndexedHeap<ShareHolding>;
  /** By the peer's id as text: what it stores for itself, and what it passes on. */
  readonly own: Map<string, ShareHolding>;
  readonly forwarded: Map<string, ShareHolding>;
}

interface ShareHolding extends HeapItem, Share {
  readonly peer: string;
  readonly isForwarded: boolean;
  readonly host: HostHolding;
  records: number;
  bytes: number;
  load: number;
  readonly slots: IndexedHeap<Slot>;
}

interface Slot extends HeapItem {
  entry: RecordEntry;
  readonly distance: number;
  readonly share: ShareHolding;
}

/** In whose share a record counts. */
export type Holder = Pick<RecordEntry, "from" | "host" | "isForwarded">;

const none: Share = Object.freeze({ records: 0, bytes: 0 });
// Of the distance, as many leading bytes as a number holds exactly. It is enough to tell any two records of a store apart in practice.
const distanceBytes = 6;

/** The shares of all peers. Records of this node itself have none. Bounded by the records. */
export class StoreShares {
  readonly #self: Uint8Array;
  readonly #recordWeight: number;
  readonly #hosts = new IndexedHeap<HostHolding>(isHeavier);
  readonly #hostsByName = new Map<string, HostHolding>();
  readonly #slots = new Map<string, Slot>();

  /**
   * @param self this node, from which distances are measured
   * @param recordWeight bytes that a record counts beside its own, so that many small ones weigh, too
   */
  constructor(self: NodeId, recordWeight: number) {
    this.#self = self.bytes;
    this.#recordWeight = recordWeight;
  }

  /** The share that an entry would count in. */
  of({ from, host, isForwarded }: Holder): Share {
    const holding = this.#hostsByName.get(host);
    return (from && holding && sharesOf(holding, isForwarded).get(from.toString())) ?? none;
  }

  /** The share that an entry counts in. */
  ofHeld({ id }: RecordEntry): Share {
    return this.#slots.get(id)?.share ?? none;
  }

  /** How much a share weighs. */
  weightOf({ records, bytes }: Share): number {
    return bytes + records * this.#recordWeight;
  }

  /** The farthest record of the share that an entry counts in. */
  farthestOf({ id }: RecordEntry): RecordEntry | undefined {
    return this.#slots.get(id)?.share.slots.top?.entry;
  }

  /** The record that goes first: the farthest of the largest share of the largest host. */
  get first(): RecordEntry | undefined {
    return this.#hosts.top?.shares.top?.slots.top?.entry;
  }

  /** Counts an entry that is not counted yet. */
  add(entry: RecordEntry): void {
    const { from } = entry;
    if (from === undefined) return;
    const share = this.#shareFor(from.toString(), entry);
    const slot: Slot = { at: -1, entry, distance: this.#distanceTo(entry.key.bytes), share };
    this.#slots.set(entry.id, slot);
    share.slots.push(slot);
    this.#change(share, 1, entry.bytes);
  }

  /** Counts an entry no more. */
  delete(entry: RecordEntry): void {
    const slot = this.#slots.get(entry.id);
    if (slot === undefined) return;
    this.#slots.delete(entry.id);
    slot.share.slots.remove(slot);
    this.#change(slot.share, -1, -entry.bytes);
  }

  /** Takes an entry for the one with its id, which has the same share, key and bytes. */
  replace(entry: RecordEntry): void {
    const slot = this.#slots.get(entry.id);
    if (slot !== undefined) slot.entry = entry;
  }

  #shareFor(peer: string, { host: name, isForwarded }: RecordEntry): ShareHolding {
    let host = this.#hostsByName.get(name);
    if (host === undefined) {
      const shares = new IndexedHeap<ShareHolding>(isHeavier);
      host = { at: -1, name, load: 0, shares, own: new Map(), forwarded: new Map() };
      this.#hostsByName.set(name, host);
      this.#hosts.push(host);
    }
    const known = sharesOf(host, isForwarded).get(peer);
    if (known !== undefined) return known;
    const slots = new IndexedHeap<Slot>(isFarther);
    const share: ShareHolding = { at: -1, peer, isForwarded, host, records: 0, bytes: 0, load: 0, slots };
    sharesOf(host, isForwarded).set(peer, share);
    host.shares.push(share);
    return share;
  }

  #change(share: ShareHolding, records: 1 | -1, bytes: number): void {
    const { host } = share;
    const load = bytes + records * this.#recordWeight;
    share.records += records;
    share.bytes += bytes;
    share.load += load;
    host.load += load;
    if (share.records > 0) host.shares.update(share);
    else {
      host.shares.remove(share);
      sharesOf(host, share.isForwarded).delete(share.peer);
    }
    if (host.shares.size > 0) this.#hosts.update(host);
    else {
      this.#hosts.remove(host);
      this.#hostsByName.delete(host.name);
    }
  }

  #distanceTo(key: Uint8Array): number {
    let distance = 0;
    for (let i = 0; i < distanceBytes; i++) distance = distance * 256 + ((this.#self[i] ?? 0) ^ (key[i] ?? 0));
    return distance;
  }
}

function sharesOf({ own, forwarded }: HostHolding, isForwarded: boolean): Map<string, ShareHolding> {
  return isForwarded ? forwarded : own;
}

function isHeavier(a: { readonly load: number }, b: { readonly load: number }): boolean {
  return a.load > b.load;
}

function isFarther(a: Slot, b: Slot): boolean {
  return a.distance > b.distance;
}
