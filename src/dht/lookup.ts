// The iterative node and value lookup of Kademlia (Maymounkov and Mazières 2002, section 2.3), without rounds: whenever a
// query ends, the next closest contact is asked. Lying peers cost queries, which are bounded, and nothing else.
import { compareDistance, nodeIdBytes, sharedBits } from "../identity/node-id.ts";
import type { Contact } from "./contact.ts";
import {
  addAlternative,
  type Candidate,
  createCandidate,
  isDoubted,
  noteAnswer,
  noteSilence,
  useAlternative,
} from "./lookup-candidate.ts";
import type { LookupEnd } from "./lookup-event.ts";
import { LookupHosts } from "./lookup-hosts.ts";
import {
  type Found,
  type LookupAnswer,
  type LookupConfig,
  type LookupOptions,
  type LookupResult,
  resolveLookupOptions,
} from "./lookup-options.ts";
import { maxContactsOf } from "./params.ts";
import { Shortlist } from "./shortlist.ts";

// Spare candidates, for when the closest are dead or invented: this many times k, and for a small k no fewer than that.
const maxUnaskedPerK = 8;
const minUnaskedLimit = 64;

// Slow queries fail at this many times the soft timeout where a path waits for nothing else: the dead among the k closest, whom
// others have made up for, would otherwise hold up its end until the hard one.
const stalledFactor = 2;

const always = (): boolean => true;

// Shared, as the stack of an error costs more than a query.
const noLongerNeeded = new Error("the lookup that asked has ended");

interface Path {
  readonly shortlist: Shortlist;
  /** Queries in flight that are not slow. */
  inFlight: number;
  /** Queries in flight, the slow ones too. */
  pending: number;
  /** Whether anybody has answered. */
  hasAnswers: boolean;
  /** Whether slow queries are all that it waits for, and it would not end empty without them. */
  isStalled: boolean;
  rpcsLeft: number;
}

interface Query {
  readonly path: Path;
  readonly candidate: Candidate;
  /** With the addresses that are asked. */
  readonly contact: Contact;
  readonly askedAt: number;
  readonly slowAt: number;
  /** When it has failed where its path waits for nothing else. */
  readonly givenUpAt: number;
  /** When it has failed in any case. */
  readonly failedAt: number;
}

class Lookup<T> {
  readonly #config: LookupConfig<T>;
  readonly #paths: readonly Path[];
  readonly #hosts: LookupHosts;
  readonly #startedAt: number;
  readonly #controller = new AbortController();
  readonly #outcome = Promise.withResolvers<LookupResult<T>>();
  /** Unanswered and not timed out. Bounded by `maxRpcs`. */
  readonly #queries: Query[] = [];
  /** Bounded by `maxRpcs`. */
  readonly #found: Found<T>[] = [];
  #rpcs = 0;
  #failures = 0;
  /** Asks that have not settled, those that timed out too. */
  #unsettled = 0;
  #ended = false;
  /** Whether one is asked after the other. */
  #isSerial: boolean;
  // One timer for all queries, at or before the earliest of their timeouts: most queries never touch it.
  #timerAt = Infinity;
  #stopTimer: (() => void) | undefined;

  constructor(config: LookupConfig<T>) {
    this.#config = config;
    this.#startedAt = config.clock.now();
    this.#isSerial = config.serialMs > 0;
    const count = Math.min(config.disjointPaths, config.maxRpcs, Math.max(config.seeds.length, 1));
    const rpcsLeft = Math.floor(config.maxRpcs / count);
    const maxUnasked = Math.max(maxUnaskedPerK * config.k, minUnaskedLimit);
    const hosts = new LookupHosts(config.maxPerHost);
    this.#hosts = hosts;
    const isOneTooMany = (contact: Contact): boolean => hosts.isFull(contact);
    const { target, k, isConnected = always } = config;
    this.#paths = Array.from({ length: count }, (_, i) => ({
      shortlist: new Shortlist(target, k, maxUnasked, 1 << i, isOneTooMany, isConnected),
      inFlight: 0,
      pending: 0,
      hasAnswers: false,
      isStalled: false,
      rpcsLeft,
    }));
  }

  run(): Promise<LookupResult<T>> {
    const { seeds, target, serialMs } = this.#config;
    const aborted = this.#signals.find((signal) => signal.aborted);
    if (aborted !== undefined) return Promise.reject(aborted.reason);
    for (const signal of this.#signals) signal.addEventListener("abort", this.#onAbort);
    if (this.#isSerial) this.#wakeAt(this.#startedAt + serialMs);
    const paths = this.#paths;
    const dealt =
      paths.length === 1 ? seeds : seeds.toSorted((a, b) => compareDistance(target, a.id.bytes, b.id.bytes));
    this.#step(() => {
      for (const [i, seed] of dealt.entries()) this.#learn(paths[i % paths.length], seed, 1, undefined);
    });
    return this.#outcome.promise;
  }

  // Not joined into one: that would stay with those that outlive the lookup.
  get #signals(): readonly AbortSignal[] {
    const { signal, closing } = this.#config;
    return [closing, signal].filter((each) => each !== undefined);
  }

  readonly #onAbort = (): void => {
    const reason: unknown = this.#signals.find((signal) => signal.aborted)?.reason;
    if (this.#ended) this.#controller.abort(reason);
    else this.#reject(reason);
  };

  /** Makes a change, then asks whom there is to ask. What the callbacks of the caller throw rejects the lookup. */
  #step(change: () => void): void {
    if (this.#ended) return;
    try {
      change();
      this.#proceed();
    } catch (error) {
      this.#reject(error);
    }
  }

  #proceed(): void {
    const { alpha, answersOfUse } = this.#config;
    const mostAtOnce = Math.min(alpha, answersOfUse?.() ?? alpha);
    const isOneAtATime = (): boolean => this.#isSerial && this.#rpcs <= alpha;
    let end: LookupEnd | undefined = "complete";
    for (const path of this.#paths) {
      while (!this.#ended && path.inFlight < (isOneAtATime() ? 1 : mostAtOnce) && path.rpcsLeft > 0) {
        const candidate = path.shortlist.next();
        if (candidate === undefined) break;
        this.#ask(path, candidate);
      }
      path.isStalled = false;
      if (path.shortlist.complete) continue;
      if (path.pending === 0 && path.rpcsLeft === 0) {
        end &&= "exhausted";
        continue;
      }
      end = undefined;
      path.isStalled = path.inFlight === 0 && path.hasAnswers;
      if (path.isStalled && !this.#ended) this.#wakeAt(this.#nextWake(path));
    }
    if (end !== undefined) this.#resolve(end);
  }

  /** Adds a contact to a path, unless the path knows it; then its addresses may be new. Returns whether it was added. */
  #learn(path: Path | undefined, contact: Contact, hop: number, toldBy: Candidate | undefined): boolean {
    const { target, self } = this.#config;
    const id = contact.id.bytes;
    if (path === undefined || compareDistance(target, id, self.bytes) === 0) return false;
    const position = path.shortlist.position(id);
    const known = position >= 0 ? path.shortlist.candidates[position] : this.#onOtherPath(path, id);
    if (known !== undefined) addAlternative(known, contact, toldBy);
    if (position >= 0) return false;
    return path.shortlist.insertAt(~position, known ?? createCandidate(contact, hop, toldBy));
  }

  #onOtherPath(path: Path, id: Uint8Array): Candidate | undefined {
    if (this.#paths.length === 1) return undefined;
    for (const { shortlist } of this.#paths) {
      if (shortlist === path.shortlist) continue;
      const position = shortlist.position(id);
      if (position >= 0) return shortlist.candidates[position];
    }
    return undefined;
  }

  #ask(path: Path, candidate: Candidate): void {
    const { ask, clock, timeouts } = this.#config;
    for (const { shortlist } of this.#paths) shortlist.asking(candidate);
    candidate.state = "asked";
    const askedAt = clock.now();
    const { softMs, hardMs } = timeouts;
    const givenUpAt = askedAt + Math.min(softMs * stalledFactor, hardMs);
    const { contact } = candidate;
    this.#hosts.add(contact);
    const query = {
      path,
      candidate,
      contact,
      askedAt,
      slowAt: askedAt + softMs,
      givenUpAt,
      failedAt: askedAt + hardMs,
    };
    path.inFlight += 1;
    path.pending += 1;
    path.rpcsLeft -= 1;
    this.#rpcs += 1;
    this.#queries.push(query);
    this.#wakeAt(query.slowAt);
    this.#tell("asked", query);
    if (this.#ended) return;
    let answer: Promise<LookupAnswer<T>>;
    try {
      answer = ask(contact, this.#controller.signal);
    } catch (error) {
      answer = Promise.reject(error);
    }
    this.#unsettled += 1;
    answer.then(
      (value) => this.#settled(() => this.#onAnswer(query, value)),
      (error: unknown) => this.#settled(() => this.#onError(query, error)),
    );
  }

  #settled(change: () => void): void {
    this.#unsettled -= 1;
    this.#step(change);
    if (this.#ended && this.#unsettled === 0) this.#stop();
  }

  #onAnswer(query: Query, { contacts, found }: LookupAnswer<T>): void {
    const { clock, timeouts, k, onAnswer, onEvent } = this.#config;
    const { path, candidate } = query;
    const rttMs = clock.now() - query.askedAt;
    timeouts.answered(rttMs);
    if (!this.#leave(query)) return;
    candidate.state = "answered";
    noteAnswer(candidate);
    path.hasAnswers = true;
    onAnswer?.(candidate.contact, rttMs);
    const learnt: Contact[] | undefined = onEvent && [];
    for (let i = 0; i < contacts.length && i < maxContactsOf(k); i++) {
      const contact = contacts[i];
      if (contact !== undefined && this.#learn(path, contact, candidate.hop + 1, candidate)) learnt?.push(contact);
    }
    if (learnt !== undefined) onEvent?.({ type: "answered", ...this.#stepOf(candidate), rttMs, learnt });
    if (found !== undefined) this.#onFound(candidate, found, rttMs);
  }

  #onFound(candidate: Candidate, value: T, rttMs: number): void {
    const from = candidate.contact;
    candidate.hadValue = true;
    this.#found.push({ value, from });
    this.#config.onEvent?.({ type: "found", ...this.#stepOf(candidate), rttMs });
    if (this.#config.accept?.(value, from) === "stop") this.#resolve("stopped");
  }

  #onError(query: Query, error: unknown): void {
    if (!this.#leave(query)) return;
    const rttMs = this.#config.clock.now() - query.askedAt;
    this.#config.onEvent?.({ type: "failed", ...this.#stepOf(query.candidate), rttMs, error });
    this.#fail(query, error);
  }

  #onTimeout(query: Query): void {
    if (!this.#leave(query)) return;
    // That who is made up does not answer says nothing of how slow the network is.
    if (!isDoubted(query.candidate)) this.#config.timeouts.timedOut();
    this.#tell("timed-out", query);
    this.#fail(query, undefined);
  }

  /** A peer has failed only when it does so at all of the addresses that are named for it. */
  #fail({ candidate, contact: asked }: Query, error: unknown): void {
    this.#failures += 1;
    this.#hosts.delete(asked);
    if (candidate.state === "asked") noteSilence(candidate);
    if (useAlternative(candidate)) return;
    const { contact, addresses } = candidate;
    this.#config.onFailure?.(addresses === contact.addresses ? contact : { id: contact.id, addresses }, error);
  }

  #onSlow(query: Query): void {
    query.candidate.state = "slow";
    noteSilence(query.candidate);
    query.path.inFlight -= 1;
    this.#tell("slow", query);
  }

  /** A query is over. Returns false where it was before: it had timed out. */
  #leave(query: Query): boolean {
    const index = this.#queries.indexOf(query);
    if (index < 0) return false;
    const last = this.#queries.pop();
    if (last !== undefined && last !== query) this.#queries[index] = last;
    query.path.pending -= 1;
    if (query.candidate.state === "asked") query.path.inFlight -= 1;
    return true;
  }

  #wakeAt(time: number): void {
    if (time >= this.#timerAt) return;
    this.#stopTimer?.();
    this.#timerAt = time;
    const { clock } = this.#config;
    this.#stopTimer = clock.setTimeout(() => this.#step(() => this.#onTimer()), Math.max(time - clock.now(), 0));
  }

  #onTimer(): void {
    this.#timerAt = Infinity;
    this.#isSerial = false;
    const now = this.#config.clock.now();
    for (const query of this.#queries.slice()) {
      const { candidate, path } = query;
      if (now >= (path.isStalled ? query.givenUpAt : query.failedAt)) this.#onTimeout(query);
      else if (candidate.state === "asked" && now >= query.slowAt) this.#onSlow(query);
    }
    if (!this.#ended) this.#wakeAt(this.#nextWake());
  }

  /** When the next query, or the next of a path, becomes slow or fails. */
  #nextWake(path?: Path): number {
    let nextAt = Infinity;
    for (const query of this.#queries) {
      if (path !== undefined && query.path !== path) continue;
      const failedAt = query.path.isStalled ? query.givenUpAt : query.failedAt;
      nextAt = Math.min(nextAt, query.candidate.state === "asked" ? query.slowAt : failedAt);
    }
    return nextAt;
  }

  #tell(type: "asked" | "slow" | "timed-out", { candidate, askedAt }: Query): void {
    const { onEvent, clock } = this.#config;
    if (onEvent === undefined) return;
    const step = this.#stepOf(candidate);
    onEvent(type === "asked" ? { type, ...step } : { type, ...step, rttMs: clock.now() - askedAt });
  }

  #stepOf({ contact, hop }: Candidate) {
    const { target, clock } = this.#config;
    const distanceBits = nodeIdBytes * 8 - sharedBits(target, contact.id.bytes);
    return { contact, distanceBits, hop, elapsedMs: clock.now() - this.#startedAt };
  }

  /** Those that answered, closest first. */
  #answered(): readonly Candidate[] {
    const [first, ...others] = this.#paths;
    const answered = (first?.shortlist.candidates ?? []).filter(({ state }) => state === "answered");
    if (others.length === 0) return answered;
    const all = new Set(answered);
    for (const { shortlist } of others) {
      for (const candidate of shortlist.candidates) if (candidate.state === "answered") all.add(candidate);
    }
    const { target } = this.#config;
    return [...all].sort((a, b) => compareDistance(target, a.contact.id.bytes, b.contact.id.bytes));
  }

  #resolve(end: LookupEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopTimer?.();
    // To take back a request that is about to be answered would cost both ends more than the answer.
    const { clock, timeouts } = this.#config;
    if (this.#unsettled === 0) this.#stop();
    else this.#stopTimer = clock.setTimeout(() => this.#controller.abort(noLongerNeeded), timeouts.hardMs);
    const answered = this.#answered();
    const result: LookupResult<T> = {
      end,
      closest: answered.slice(0, this.#config.k).map(({ contact }) => contact),
      found: this.#found,
      closestWithout: answered.find(({ hadValue }) => !hadValue)?.contact,
      hops: answered[0]?.hop ?? 0,
      rpcs: this.#rpcs,
      failures: this.#failures,
      elapsedMs: this.#config.clock.now() - this.#startedAt,
    };
    const { hops, rpcs, failures, elapsedMs } = result;
    try {
      this.#config.onEvent?.({ type: "ended", end, elapsedMs, hops, rpcs, failures });
      this.#outcome.resolve(result);
    } catch (error) {
      this.#outcome.reject(error);
    }
  }

  #reject(reason: unknown): void {
    this.#ended = true;
    this.#stop();
    if (this.#unsettled > 0) this.#controller.abort(reason);
    this.#outcome.reject(reason);
  }

  #stop(): void {
    this.#stopTimer?.();
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#onAbort);
  }
}

/**
 * Finds the k contacts closest to a target that answer, or a value near it. Ends when the k closest that are known and have
 * not failed have all answered, when `accept` says so, or when `maxRpcs` queries have been made. A peer that does not answer at the
 * addresses that were told first is asked again at those that others tell, if any do.
 * @throws RangeError for options out of their range, the reason of `signal` when that aborts, and what a callback throws;
 *   a lookup in which nobody answers has an empty result
 */
export async function lookup<T>(options: LookupOptions<T>): Promise<LookupResult<T>> {
  return new Lookup(resolveLookupOptions(options)).run();
}
