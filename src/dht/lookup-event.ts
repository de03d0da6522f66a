// What a lookup tells to those who watch it.
import type { Contact } from "./contact.ts";

interface QueryStep {
  readonly contact: Contact;
  /** Bits of the XOR distance from the contact to the target: 0 when they are the same, at most 256. */
  readonly distanceBits: number;
  /** Queries in a row that led to this contact, the one to it included: 1 for a seed. */
  readonly hop: number;
  /** Milliseconds since the lookup began. */
  readonly elapsedMs: number;
}

/** How a lookup ended: the k closest have answered; `accept` stopped it; it has asked as many as it may. */
export type LookupEnd = "complete" | "stopped" | "exhausted";

/**
 * A step of a lookup. `slow` is past the soft timeout (others are asked meanwhile, an answer still counts), `timed-out` past
 * the hard one, or before it where nothing else is waited for; `failed` is an ask that was rejected. After either a contact may be
 * asked again, at other addresses. `found` follows the `answered` of the same contact.
 */
export type LookupEvent =
  | (QueryStep & { readonly type: "asked" })
  | (QueryStep & {
      readonly type: "answered";
      readonly rttMs: number;
      /** Contacts of the answer that the lookup did not know. */
      readonly learnt: readonly Contact[];
    })
  | (QueryStep & { readonly type: "found" | "slow" | "timed-out"; readonly rttMs: number })
  | (QueryStep & { readonly type: "failed"; readonly rttMs: number; readonly error: unknown })
  | {
      readonly type: "ended";
      readonly end: LookupEnd;
      readonly elapsedMs: number;
      readonly hops: number;
      readonly rpcs: number;
      readonly failures: number;
    };
