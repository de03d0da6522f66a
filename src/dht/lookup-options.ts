// What a lookup is given, and what it gives back.
import { type NodeId, nodeIdBytes } from "../identity/node-id.ts";
import type { Clock } from "../util/clock.ts";
import type { Contact } from "./contact.ts";
import type { LookupEnd, LookupEvent } from "./lookup-event.ts";
import type { QueryTimeout } from "./query-timeout.ts";

/** What one peer answers. */
export interface LookupAnswer<T> {
  /** The closest to the target that the peer knows; those after the first 1.5 k are ignored. */
  readonly contacts: readonly Contact[];
  /** What was looked for, where the peer has it; checked already. */
  readonly found?: T | undefined;
}

/** A lookup to make. */
export interface LookupOptions<T> {
  /** 32 bytes. */
  readonly target: Uint8Array;
  /** Where to begin: the closest to the target that are known. None ends the lookup at once. */
  readonly seeds: readonly Contact[];
  /** Who looks; never asked. */
  readonly self: NodeId;
  /** How many of the closest are looked for, and two thirds of the contacts that count in one answer; at least 1. */
  readonly k: number;
  /** Queries at once on each path, those that are slow not counted; at least 1. */
  readonly alpha: number;
  /** How many answers are still of use: no more than that are waited for at once. @default any number */
  readonly answersOfUse?: (() => number) | undefined;
  readonly clock: Clock;
  /** Shared by all lookups of a node. */
  readonly timeouts: QueryTimeout;
  /**
   * Asks a peer. What it throws or rejects with is a failure of that peer.
   * @param signal aborts when the lookup is cancelled, and where queries are open when it ends, a hard timeout later; one signal for
   *   all its queries, those that timed out included
   */
  readonly ask: (contact: Contact, signal: AbortSignal) => Promise<LookupAnswer<T>>;
  /**
   * Whether a peer can be asked at once, as there is a connection, which costs an answer several times over: of the k closest that are
   * to be asked, such are asked first. @default all can be
   */
  readonly isConnected?: ((contact: Contact) => boolean) | undefined;
  /**
   * So many milliseconds, and for `alpha` queries at most, one is asked after the other: where the first is likely to have what is looked
   * for, that saves the others. Only on a single path. @default 0
   */
  readonly serialMs?: number | undefined;
  /** A peer answered, however late. For the routing table. What a callback throws rejects the lookup. */
  readonly onAnswer?: ((contact: Contact, rttMs: number) => void) | undefined;
  /**
   * A peer failed with `error`, or timed out, which is undefined, at all addresses that were named for it, with which it
   * is given. Not called for what is cancelled.
   */
  readonly onFailure?: ((contact: Contact, error: unknown) => void) | undefined;
  /** Called at each step. */
  readonly onEvent?: ((event: LookupEvent) => void) | undefined;
  /** Whether a value ends the lookup. Without it all values are collected. */
  readonly accept?: ((found: T, from: Contact) => "stop" | "continue") | undefined;
  /** Its abort ends the lookup and all its queries with the reason. */
  readonly signal?: AbortSignal | undefined;
  /** Does the same when the node closes. */
  readonly closing?: AbortSignal | undefined;
  /**
   * Paths of which none asks a peer that another has asked, or learns from its answers (Baumgart and Mies 2007, "S/Kademlia",
   * section 4.4); 1 to 16, and no more than there are seeds or `maxRpcs`. @default 1
   */
  readonly disjointPaths?: number | undefined;
  /**
   * Contacts of one host that are asked as long as there are others, those that have failed not counted; at least 1.
   * @default no bound
   */
  readonly maxPerHost?: number | undefined;
  /** Queries at most, on all paths, each of which gets an equal part. @default 200 */
  readonly maxRpcs?: number | undefined;
}

/** A value and the peer that had it. */
export interface Found<T> {
  readonly value: T;
  readonly from: Contact;
}

/** What a lookup has come to. */
export interface LookupResult<T> {
  readonly end: LookupEnd;
  /** The closest that answered, closest first, at most k. */
  readonly closest: readonly Contact[];
  /** Values in the order of their arrival; where `end` is `stopped`, the last is the one that stopped it. */
  readonly found: readonly Found<T>[];
  /** The closest of those that answered without a value: where to leave a copy of it (Kademlia, section 2.3). */
  readonly closestWithout: Contact | undefined;
  /** Queries in a row that led to the closest that answered: 1 for a seed, 0 where nobody answered. */
  readonly hops: number;
  /** Queries made. */
  readonly rpcs: number;
  /** Queries that failed or timed out. */
  readonly failures: number;
  readonly elapsedMs: number;
}

const maxDisjointPaths = 16;

/** A lookup with nothing left out. */
export type LookupConfig<T> = LookupOptions<T> & {
  readonly disjointPaths: number;
  readonly maxRpcs: number;
  readonly maxPerHost: number;
  readonly serialMs: number;
};

/**
 * Checks the options and puts in what was left out.
 * @throws RangeError for a number out of its range or a target of another length
 */
export function resolveLookupOptions<T>(options: LookupOptions<T>): LookupConfig<T> {
  const { disjointPaths = 1, maxRpcs = 200, maxPerHost = Infinity } = options;
  const serialMs = disjointPaths === 1 ? (options.serialMs ?? 0) : 0;
  const config = { ...options, disjointPaths, maxRpcs, maxPerHost, serialMs };
  if (config.target.length !== nodeIdBytes) throw new RangeError(`target: ${config.target.length} bytes are not 32`);
  for (const name of ["k", "alpha", "maxRpcs", "disjointPaths"] as const) {
    if (!(Number.isInteger(config[name]) && config[name] >= 1)) {
      throw new RangeError(`${name}: ${config[name]} is not a whole number from 1`);
    }
  }
  if (!(maxPerHost >= 1)) throw new RangeError(`maxPerHost: ${maxPerHost} is under 1`);
  if (config.disjointPaths > maxDisjointPaths) {
    throw new RangeError(`disjointPaths: ${config.disjointPaths} is over ${maxDisjointPaths}`);
  }
  return config;
}
