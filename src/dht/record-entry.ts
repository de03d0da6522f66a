// What a store knows of one of its records without reading it.
import type { NodeId } from "../identity/node-id.ts";
import type { DhtRecord } from "./record.ts";
import type { RecordKey } from "./record-key.ts";

/** What is known of a record that is held. */
export interface RecordEntry {
  /** `recordId` of it. */
  readonly id: string;
  readonly key: RecordKey;
  readonly kind: DhtRecord["kind"];
  readonly sequence: bigint;
  /** 64 bytes; none of an immutable record. */
  readonly signature: Uint8Array | undefined;
  /** The node that signed a provider record. */
  readonly provider: NodeId | undefined;
  /** Whether it is deleted or withdrawn. */
  readonly isGone: boolean;
  /** What it takes of the store's room. */
  readonly bytes: number;
  /** On the wall clock. */
  readonly expiresAtMs: number;
  /** When a peer last stored or refreshed it, or it was last given to the k closest, on the clock's `now`. */
  readonly receivedAt: number;
  /** The peer in whose share it counts; undefined is this node itself. */
  readonly from: NodeId | undefined;
  /** The `hostGroup` from which it was stored; "" where it is not known, and of this node itself. */
  readonly host: string;
  /** Whether that peer passed it on for another. */
  readonly isForwarded: boolean;
}
