// Ideal routing tables: what nodes would know in a network that has been there for long, without the cost of forming it.
import type { Contact } from "../dht/contact.ts";
import type { RoutingTable } from "../dht/routing-table.ts";

/** A node whose table is to be filled. */
export interface TableOwner {
  readonly contact: Contact;
  readonly table: Pick<RoutingTable, "seen">;
}

/**
 * Gives each node k random ones of each of its k-buckets, or all that there are.
 * @param random gives numbers from 0 (included) to 1 (excluded)
 */
export function fillIdealTables(nodes: readonly TableOwner[], k: number, random: () => number): void {
  // In the order of their ids, those that share a prefix stand side by side.
  const sorted = nodes.toSorted((a, b) => Buffer.compare(a.contact.id.bytes, b.contact.id.bytes));
  for (const { contact, table } of sorted) {
    const { bytes } = contact.id;
    // Those that share the first `bit` bits with the node.
    let low = 0;
    let high = sorted.length;
    for (let bit = 0; high - low > 1; bit++) {
      const middle = firstWithBit(sorted, low, high, bit);
      const isSet = bitOf(bytes, bit) === 1;
      const [from, to] = isSet ? [low, middle] : [middle, high];
      for (const index of sample(from, to, k, random)) {
        const other = sorted[index];
        if (other !== undefined) table.seen(other.contact);
      }
      if (isSet) low = middle;
      else high = middle;
    }
  }
}

/** The first index from `low` to `high` whose id has the bit set, all sharing the bits before it. */
function firstWithBit(sorted: readonly TableOwner[], low: number, high: number, bit: number): number {
  let from = low;
  let to = high;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const bytes = sorted[middle]?.contact.id.bytes;
    if (bytes !== undefined && bitOf(bytes, bit) === 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

function bitOf(bytes: Uint8Array, bit: number): number {
  return ((bytes[bit >>> 3] ?? 0) >>> (7 - (bit & 7))) & 1;
}

/** `count` different integers from `from` (included) to `to` (excluded), or all (Floyd; Bentley 1987, "A sample of brilliance"). */
function sample(from: number, to: number, count: number, random: () => number): Iterable<number> {
  const chosen = new Set<number>();
  for (let last = Math.max(to - count, from); last < to; last++) {
    const any = from + Math.floor(random() * (last - from + 1));
    chosen.add(chosen.has(any) ? last : any);
  }
  return chosen;
}
