// Contacts that were heard of, pinged a few at a time as long as the routing table wants them: nothing enters it unverified.
//
//     offer ─┬─ connected, its key proven ──► lane "reached" ─┐
//            └─ anything else ──────────────► lane "claim"  ──┴─► drawn by source ─► pinged, at most three at once in each lane
import { compareDistance, type NodeId, sharedBits } from "../identity/node-id.ts";
import { type Clock, jittered } from "../util/clock.ts";
import type { Contact } from "./contact.ts";
import { SourceTurns } from "./source-turns.ts";

// As many as a lookup asks (alpha). A ping costs a connection: where many nodes of one machine start at once and each makes
// more, handshakes take longer than they may, and what they cost is lost.
const maxAtOnce = 3;
// A ping that takes longer gives its place to another: strangers name ports that accept connections and never answer.
const longPingMs = 500;
/** All pings of a lane, the long ones included. */
const maxOpen = 32;
const maxWaiting = 256;
const soonMs = 50;
// Who was too busy to answer, or this node too busy to ask, is there a moment later; who is dead is asked a few times in vain.
const retries = 4;
const firstRetryMs = 2000;
const retryJitter = 0.5;

/** When a contact may be pinged: at once, when limits that others use up allow it, or after a pause of its own. */
export type Readiness = "now" | "soon" | "later";

/** What the queue of candidates needs. */
export interface CandidatesInit {
  /** The closest to it are pinged first: they belong in the table, and with them there is less need of others. */
  readonly self: NodeId;
  readonly clock: Clock;
  /** Whether the routing table has a place for it, with at most `farLimit` contacts of a range that is not near. */
  readonly isWanted: (contact: Contact, farLimit: number, others: Others) => boolean;
  /** Whether it has proven its key on a connection that is open. Such contacts never wait behind claims. @default never */
  readonly isReached?: (contact: Contact) => boolean;
  /** When it may be pinged. @default now */
  readonly readiness?: (contact: Contact) => Readiness;
  /** Does something that may need a connection to the contact, when it is its turn. */
  readonly inTurn: <T>(contact: Contact, work: () => Promise<T>) => Promise<T>;
  /** Whether it answers now; must not reject. Who answers is entered there. */
  readonly ping: (contact: Contact) => Promise<boolean>;
}

/** Other candidates, which may enter the table too. */
export interface Others {
  /** Closer to this node. */
  readonly closer: number;
  /** Of the same range, being pinged. */
  readonly beside: number;
}

type LaneName = "reached" | "claim";

interface Waiting {
  readonly contact: Contact;
  /** The one that it was for when this was asked last: its turn asks again. */
  readonly lane: LaneName;
  /** The source that reported it: sources take turns. */
  readonly source: string;
  readonly farLimit: number;
  /** Bits that its id shares with this node's own: the range. */
  readonly range: number;
  readonly isFirst: boolean;
  /** Pings that it has not answered. */
  readonly failures: number;
}

interface Pinged {
  readonly candidate: Waiting;
  readonly lane: LaneName;
  /** Whether it takes long, so that another has its place. */
  isLong: boolean;
}

type BySource = Map<string, Waiting[]>;

/**
 * Candidates for the routing table. Bounded by 256 that wait, of which the source that has most gives way to a new one, 64 that are
 * pinged, and 256 that are asked again later, of which the oldest gives way.
 */
export class Candidates {
  readonly #init: CandidatesInit;
  readonly #waiting = new Map<string, Waiting>();
  /** The same by lane and source. */
  readonly #sources: Readonly<Record<LaneName, BySource>> = { reached: new Map(), claim: new Map() };
  readonly #pinged = new Map<string, Pinged>();
  /** Those that did not answer, by what stops their timer. */
  readonly #later = new Map<string, () => void>();
  /** Fewer of a source are pinged at once while pings fail, so that nodes that are all busy do not keep one another from answering. */
  readonly #turns: Readonly<Record<LaneName, SourceTurns>>;
  /** Lanes in which all that wait are to wait a moment, by what stops their timer. */
  readonly #soon = new Map<LaneName, () => void>();
  readonly #settling = new Set<{ readonly names: Set<string>; readonly resolve: () => void }>();
  #isClosed = false;

  constructor(init: CandidatesInit) {
    this.#init = init;
    const turns = (): SourceTurns => new SourceTurns(init.clock, maxAtOnce);
    this.#turns = { reached: turns(), claim: turns() };
  }

  /**
   * Notes a contact that may enter the table, unless it is pinged already.
   * @param source who told of it; each source has its share of the queue, and its turns
   */
  offer(contact: Contact, farLimit: number, source = ""): void {
    this.#offer(contact, farLimit, 0, source);
  }

  /** Resolves when the candidates that wait or are pinged now have been pinged once, whatever comes meanwhile. */
  settled(): Promise<void> {
    const names = new Set([...this.#waiting.keys(), ...this.#pinged.keys()]);
    if (names.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#settling.add({ names, resolve }));
  }

  close(): void {
    this.#isClosed = true;
    for (const name of this.#waiting.keys()) this.#drop(name);
    for (const stop of [...this.#later.values(), ...this.#soon.values()]) stop();
    this.#later.clear();
    this.#soon.clear();
  }

  #offer(contact: Contact, farLimit: number, failures: number, source: string): void {
    const name = contact.id.toString();
    if (this.#isClosed || this.#pinged.has(name) || !this.#init.isWanted(contact, farLimit, { closer: 0, beside: 0 }))
      return;
    // There is news of it.
    this.#later.get(name)?.();
    this.#later.delete(name);
    const { self } = this.#init;
    const range = sharedBits(self.bytes, contact.id.bytes);
    this.#take(name);
    this.#wait(name, {
      contact,
      lane: this.#laneOf(contact),
      source,
      farLimit,
      range,
      isFirst: isFirst(self, contact.id),
      failures,
    });
    if (this.#waiting.size > maxWaiting) this.#dropExcess();
    this.#proceed();
  }

  #wait(name: string, waiting: Waiting): void {
    this.#waiting.set(name, waiting);
    const sources = this.#sources[waiting.lane];
    const of = sources.get(waiting.source);
    if (of === undefined) sources.set(waiting.source, [waiting]);
    else of.push(waiting);
  }

  /** It waits no more. */
  #take(name: string): void {
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) return;
    this.#waiting.delete(name);
    const sources = this.#sources[waiting.lane];
    const of = sources.get(waiting.source) ?? [];
    if (of.length === 1) sources.delete(waiting.source);
    else of.splice(of.indexOf(waiting), 1);
  }

  #laneOf(contact: Contact): LaneName {
    return this.#init.isReached?.(contact) === true ? "reached" : "claim";
  }

  #proceed(): void {
    if (this.#isClosed) return;
    this.#fill("reached");
    // Claims may turn out to be reached by now.
    if (this.#fill("claim")) this.#fill("reached");
  }

  /** Pings candidates of a lane as long as it has places. Returns whether some have gone to the other lane. */
  #fill(lane: LaneName): boolean {
    let haveMoved = false;
    if (this.#soon.has(lane)) return haveMoved;
    const limited = new Set<string>();
    while (this.#hasPlace(lane)) {
      const candidate = this.#next(lane, limited);
      if (candidate === undefined) break;
      const name = candidate.contact.id.toString();
      const laneNow = this.#laneOf(candidate.contact);
      if (laneNow !== lane) {
        haveMoved = true;
        this.#take(name);
        this.#wait(name, { ...candidate, lane: laneNow });
        continue;
      }
      const readiness = this.#init.readiness?.(candidate.contact) ?? "now";
      if (readiness === "soon") {
        // Its source waits; others may have limits of their own.
        limited.add(candidate.source);
        this.#fillSoon(lane);
        continue;
      }
      this.#take(name);
      const isWanted = this.#isWanted(candidate);
      // What has a pause fails at once, and is noted as silent.
      if (isWanted) this.#start(lane, name, candidate);
      else this.#onSettled(name);
    }
    return haveMoved;
  }

  #start(lane: LaneName, name: string, candidate: Waiting): void {
    const { source } = candidate;
    const pinged: Pinged = { candidate, lane, isLong: false };
    this.#pinged.set(name, pinged);
    const work = (): Promise<boolean | undefined> => this.#pingIfWanted(pinged);
    void this.#init.inTurn(candidate.contact, work).then((answers) => {
      this.#pinged.delete(name);
      if (answers === true) this.#turns[lane].answered(source);
      else if (answers === false) {
        this.#turns[lane].failed(source);
        this.#tryLater(candidate);
      }
      this.#proceed();
      this.#onSettled(name);
    });
  }

  /** Undefined where others, which have come while it waited for its turn, have taken its place. */
  async #pingIfWanted(pinged: Pinged): Promise<boolean | undefined> {
    const { candidate } = pinged;
    if (!this.#isWanted(candidate)) return undefined;
    const stop = this.#init.clock.setTimeout(() => {
      pinged.isLong = true;
      this.#proceed();
    }, longPingMs);
    const answers = await this.#init.ping(candidate.contact);
    stop();
    return answers;
  }

  #isWanted(candidate: Waiting): boolean {
    return this.#init.isWanted(candidate.contact, candidate.farLimit, this.#othersOf(candidate));
  }

  #fillSoon(lane: LaneName): void {
    if (this.#soon.has(lane)) return;
    const again = (): void => {
      this.#soon.delete(lane);
      this.#proceed();
    };
    this.#soon.set(lane, this.#init.clock.setTimeout(again, soonMs));
  }

  #hasPlace(lane: LaneName): boolean {
    let [open, quick] = [0, 0];
    for (const pinged of this.#pinged.values()) {
      if (pinged.lane !== lane) continue;
      open += 1;
      if (!pinged.isLong) quick += 1;
    }
    return open < maxOpen && quick < maxAtOnce;
  }

  /** How many more of a source may be pinged. */
  #roomOf(lane: LaneName, source: string): number {
    let quick = 0;
    for (const { lane: other, candidate, isLong } of this.#pinged.values()) {
      if (other === lane && !isLong && candidate.source === source) quick += 1;
    }
    return this.#turns[lane].windowOf(source) - quick;
  }

  /** Drops the oldest of the source that has most. */
  #dropExcess(): void {
    const counts = new Map<string, number>();
    let most = 0;
    let largest: string | undefined;
    for (const { source } of this.#waiting.values()) {
      const count = (counts.get(source) ?? 0) + 1;
      counts.set(source, count);
      if (count <= most) continue;
      most = count;
      largest = source;
    }
    for (const [name, { source }] of this.#waiting) if (source === largest) return this.#drop(name);
  }

  #drop(name: string): void {
    this.#take(name);
    this.#onSettled(name);
  }

  #onSettled(name: string): void {
    for (const settling of this.#settling) {
      if (!settling.names.delete(name) || settling.names.size > 0) continue;
      this.#settling.delete(settling);
      settling.resolve();
    }
  }

  #tryLater({ contact, source, farLimit, failures }: Waiting): void {
    if (this.#isClosed || failures >= retries) return;
    const { clock } = this.#init;
    const name = contact.id.toString();
    const [oldest] = this.#later;
    if (this.#later.size >= maxWaiting && oldest !== undefined) {
      oldest[1]();
      this.#later.delete(oldest[0]);
    }
    const again = (): void => {
      this.#later.delete(name);
      this.#offer(contact, farLimit, failures + 1, source);
    };
    this.#later.set(name, clock.setTimeout(again, jittered(clock, firstRetryMs * 2 ** failures, retryJitter)));
  }

  /** Others of a contact, which may be among them itself. Those of sources whose contacts do not answer do not count. */
  #othersOf({ contact, range, source }: Waiting): Others {
    const target = this.#init.self.bytes;
    const { bytes } = contact.id;
    const isCloser = (other: Waiting) => compareDistance(target, other.contact.id.bytes, bytes) < 0;
    let [closer, beside] = [0, 0];
    for (const sources of [this.#sources.reached, this.#sources.claim]) {
      for (const [name, of] of sources) {
        if (name !== source && !this.#turns.claim.isTrusted(name)) continue;
        for (const waiting of of) if (isCloser(waiting)) closer += 1;
      }
    }
    for (const { candidate, isLong } of this.#pinged.values()) {
      if (isLong) continue;
      if (isCloser(candidate)) closer += 1;
      if (candidate.range === range && candidate.contact !== contact) beside += 1;
    }
    return { closer, beside };
  }

  /**
   * The closest of those that this node is to ping first; when there are none, of all. Every other time it is one of all sources whose
   * contacts answer, so that the closest come soon; else one of a source that is drawn, so that each has its turn.
   */
  #next(lane: LaneName, limited: ReadonlySet<string>): Waiting | undefined {
    const turns = this.#turns[lane];
    const sources = this.#sources[lane];
    if (sources.size === 0) return undefined;
    const ready = [...sources.keys()].filter((source) => !limited.has(source) && this.#roomOf(lane, source) > 0);
    const trusted = ready.filter((source) => turns.isTrusted(source));
    const areAll = trusted.length > 1 && this.#init.clock.random() < 0.5;
    const drawn = areAll ? trusted : [turns.draw(ready)];
    let next: Waiting | undefined;
    for (const source of drawn) {
      for (const waiting of (source === undefined ? undefined : sources.get(source)) ?? []) {
        if (next === undefined || this.#isBefore(waiting, next)) next = waiting;
      }
    }
    return next;
  }

  #isBefore(a: Waiting, b: Waiting): boolean {
    if (a.isFirst !== b.isFirst) return a.isFirst;
    return compareDistance(this.#init.self.bytes, a.contact.id.bytes, b.contact.id.bytes) < 0;
  }
}

/**
 * Whether the first of two nodes that hear of each other is to ping before the second does: so that they do not connect to each
 * other at once. Each node is the first for half of the others.
 */
function isFirst({ bytes: a }: NodeId, { bytes: b }: NodeId): boolean {
  const isFlipped = (((a.at(-1) ?? 0) ^ (b.at(-1) ?? 0)) & 1) === 1;
  return Buffer.compare(a, b) < 0 !== isFlipped;
}
