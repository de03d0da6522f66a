// A contact within one lookup, and the other addresses that are named for it: who was told first may be a liar's word.
import type { HostPort } from "../identity/peer-address.ts";
import type { Contact } from "./contact.ts";

// Bounds what liars who name wrong addresses cost: this many queries and one.
const maxAlternatives = 3;

/**
 * Where a candidate stands.
 *
 *     unasked ──> asked ──> answered
 *                 ^ │ └───────────────────┐
 *                 │ └─> slow ──> answered │
 *                 │          └──────────> failed, where no other address is known
 *                 └──────── again <─────── (or as soon as one is)
 */
type CandidateState = "unasked" | "asked" | "slow" | "answered" | "failed" | "again";

/** A contact within one lookup; on several paths it is the same object. */
export interface Candidate {
  /** With the addresses that are asked, or will be next. */
  contact: Contact;
  /** Queries in a row that lead to an answer of it: 1 for a seed. */
  readonly hop: number;
  state: CandidateState;
  /** Bit set of the shortlists that hold it. */
  heldBy: number;
  /** Whether its answer had a value. */
  hadValue: boolean;
  /** Other addresses of it, for when those of `contact` fail. */
  readonly alternatives: Contact[];
  /** All addresses that were named for it and kept. Bounded by those of `contact` and `maxAlternatives` more contacts. */
  addresses: readonly HostPort[];
  alternativesLeft: number;
  /** Who named it last: of one answer it is taken once. Undefined for a seed. */
  toldBy: Candidate | undefined;
}

/** A candidate that nobody has asked and no shortlist holds. */
export function createCandidate(contact: Contact, hop: number, toldBy?: Candidate): Candidate {
  return {
    contact,
    hop,
    state: "unasked",
    heldBy: 0,
    hadValue: false,
    alternatives: [],
    addresses: contact.addresses,
    alternativesLeft: maxAlternatives,
    toldBy,
  };
}

/** Keeps what of a contact's addresses is new for a candidate. One that has failed is then to be asked again. */
export function addAlternative(candidate: Candidate, { id, addresses }: Contact, toldBy: Candidate | undefined): void {
  if (candidate.state === "answered" || candidate.alternativesLeft === 0) return;
  if (toldBy !== undefined && toldBy === candidate.toldBy) return;
  candidate.toldBy = toldBy;
  const known = candidate.addresses;
  const news = addresses.filter(({ host, port }) => !known.some((other) => other.host === host && other.port === port));
  if (news.length === 0) return;
  candidate.alternativesLeft -= 1;
  candidate.addresses = [...known, ...news];
  candidate.alternatives.push({ id, addresses: news });
  if (candidate.state === "failed") useAlternative(candidate);
}

/** A query of a candidate has failed. Returns whether it is to be asked again, at other addresses. */
export function useAlternative(candidate: Candidate): boolean {
  const next = candidate.alternatives.shift();
  candidate.state = next === undefined ? "failed" : "again";
  if (next !== undefined) candidate.contact = next;
  return next !== undefined;
}
