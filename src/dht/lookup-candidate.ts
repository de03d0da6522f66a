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
  /** Who named it, at most `maxTellers`; nobody for a seed. Of one answer it is taken once. */
  readonly tellers: Candidate[];
  /** Of those that it named: how many have kept silent or failed, and how many have answered. */
  toldSilent: number;
  toldAnswered: number;
}

const maxTellers = 4;
// Of honest peers' contacts some are dead, but not all of the first few.
const silentUntilDoubted = 3;

/** Whether it is likely that somebody has made it up: all who name it have named several that are silent, and none that answers. */
export function isDoubted({ tellers }: Candidate): boolean {
  return tellers.length > 0 && tellers.every(hasMisled);
}

function hasMisled({ toldSilent, toldAnswered }: Candidate): boolean {
  return toldSilent >= silentUntilDoubted && toldAnswered === 0;
}

/** It is silent, which speaks against those who named it. */
export function noteSilence({ tellers }: Candidate): void {
  for (const teller of tellers) teller.toldSilent += 1;
}

/** It has answered, which speaks for them. */
export function noteAnswer({ tellers }: Candidate): void {
  for (const teller of tellers) teller.toldAnswered += 1;
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
    tellers: toldBy === undefined ? [] : [toldBy],
    toldSilent: 0,
    toldAnswered: 0,
  };
}

/** Keeps what of a contact's addresses is new for a candidate. One that has failed is then to be asked again. */
export function addAlternative(candidate: Candidate, { id, addresses }: Contact, toldBy: Candidate | undefined): void {
  const { tellers } = candidate;
  if (toldBy !== undefined && tellers.at(-1) === toldBy) return;
  if (toldBy !== undefined && tellers.length > 0 && tellers.length < maxTellers) tellers.push(toldBy);
  if (candidate.state === "answered" || candidate.alternativesLeft === 0) return;
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
