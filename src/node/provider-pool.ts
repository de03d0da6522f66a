// The providers of one service that answer. A race finds them: the DHT names candidates, and several are asked at once until some answer.
//
//     DHT lookup ─► candidates ─► probes (3 at first, more while it takes long, 8 at most) ─► living
//                        ▲                                      └─► dead: remembered, asked last
import type { Contact } from "../dht/contact.ts";
import type { ProviderRecord } from "../dht/record.ts";
import type { NodeId } from "../identity/node-id.ts";
import { createBoundedCache } from "../util/bounded-cache.ts";
import { type Clock, jittered } from "../util/clock.ts";
import type { NodeConfig } from "./options.ts";
import { ProviderLoads } from "./provider-loads.ts";

/** A provider that has answered. */
export interface LiveProvider {
  readonly contact: Contact;
  /** Milliseconds that its answer took. */
  readonly rttMs: number;
}

/** A call that a provider was given. */
export interface CallInFlight {
  /** The call is over. Once, or more often. */
  readonly ended: () => void;
  /** The first of its answer has come. */
  readonly answered: () => void;
}

/** Settings of a pool: see NodeOptions. */
type ProviderPoolConfig = Pick<NodeConfig, "maxProvidersTried" | "providerSearchMs">;

/** What a pool needs of its node. */
export interface ProviderPoolInit {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly config: ProviderPoolConfig;
  /** Looks in the DHT, and tells of each provider record that is newer than those told before of the same provider. */
  readonly search: (onRecord: (record: ProviderRecord) => void) => Promise<void>;
  readonly isConnected: (id: NodeId) => boolean;
  /** Asks a provider for a sign of life at the addresses that are known. Rejects where there is none. */
  readonly probe: (provider: Contact) => Promise<LiveProvider>;
  /** Asks the DHT where a provider is now. */
  readonly locate: (id: NodeId) => Promise<Contact | undefined>;
}

interface Candidate {
  readonly contact: Contact;
  /** Of its record; nearer to the wall clock is fresher. */
  readonly sequence: bigint;
}

interface Death {
  readonly sequence: bigint;
  readonly at: number;
  readonly untilMs: number;
  readonly failures: number;
}

// How long what was found is believed without another look.
const freshMs = 30_000;
// Probes at once: at first, at most, and the milliseconds after which there is one more.
const firstAtOnce = 3;
const mostAtOnce = 8;
const widenMs = 200;
// So many that answer are enough: calls are shared out among them.
const enough = mostAtOnce;
// So long the first calls wait beside the first provider for others: it would get all that come meanwhile.
const gatherMs = 25;
// Providers that are looked for in the DHT where none answers at its addresses: they may have moved.
const maxLocated = 8;
const locateAfterMs = 250;
const maxCandidates = 1024;
const firstDeathMs = 30_000;
const longestDeathMs = 600_000;
const deathJitter = 0.2;
// One that failed just now is not asked again at once.
const surelyDeadMs = 2000;

/** Providers of one service. Bounded by `maxCandidates` of each kind. */
export class ProviderPool {
  readonly #init: ProviderPoolInit;
  readonly #loads: ProviderLoads;
  /** By the text of the id. */
  readonly #living = new Map<string, LiveProvider>();
  readonly #dead = createBoundedCache<Death>(maxCandidates);
  #racedAt = Number.NEGATIVE_INFINITY;
  #race: Promise<void> | undefined;
  /** Whether none was known when the race began, and others are waited for beside the first. */
  #isGathering = false;
  /** Settles when the race that runs has its first winner, and perhaps others, or ends. */
  #winner = Promise.withResolvers<void>();

  constructor(init: ProviderPoolInit) {
    this.#init = init;
    this.#loads = new ProviderLoads(init.clock);
  }

  /**
   * One of the providers that answer, except those named; undefined where none is found in time. Of two that are drawn, the one with
   * fewer calls in flight, or where one is much slower, with less time to an answer.
   */
  async next(except: ReadonlySet<string>): Promise<LiveProvider | undefined> {
    const known = this.#choose(except);
    const isStale = this.#init.clock.now() - this.#racedAt > freshMs;
    if (known === undefined || isStale) void this.#run();
    if (known !== undefined && !this.#isGathering) return known;
    await this.#winner.promise;
    // The first winner may be one that is excepted.
    if (this.#choose(except) === undefined) await this.#race;
    return this.#choose(except);
  }

  /** A provider is given a call. */
  begin({ id }: Contact): CallInFlight {
    return this.#loads.begin(id.toString());
  }

  /** A provider is not there any more. */
  failed({ id }: Contact): void {
    this.#bury(id.toString(), 0n);
  }

  #choose(except: ReadonlySet<string>): LiveProvider | undefined {
    const names = [...this.#living.keys()].filter((name) => !except.has(name));
    return this.#living.get(this.#loads.choose(names) ?? "");
  }

  #run(): Promise<void> {
    if (this.#race !== undefined) return this.#race;
    this.#winner = Promise.withResolvers<void>();
    const winner = this.#winner;
    const resolve = (): void => {
      this.#isGathering = false;
      winner.resolve();
    };
    this.#isGathering = this.#living.size === 0;
    let stopGathering: (() => void) | undefined;
    this.#race = new Race(this.#init, {
      isDead: (name, sequence) => this.#isDead(name, sequence),
      isSurelyDead: (name) => this.#init.clock.now() - (this.#dead.get(name)?.at ?? -Infinity) < surelyDeadMs,
      onAnswer: (provider) => {
        const name = provider.contact.id.toString();
        this.#dead.delete(name);
        this.#living.set(name, provider);
        this.#loads.pinged(name);
        if (this.#isGathering) stopGathering ??= this.#init.clock.setTimeout(resolve, gatherMs);
        else resolve();
      },
      onSilence: (name, sequence) => this.#bury(name, sequence),
      onWithdrawn: (name) => this.#remove(name),
    })
      .run(this.#living.values())
      .finally(() => {
        this.#race = undefined;
        stopGathering?.();
        this.#racedAt = this.#init.clock.now();
        resolve();
      });
    return this.#race;
  }

  #isDead(name: string, sequence: bigint): boolean {
    const death = this.#dead.get(name);
    return death !== undefined && death.untilMs > this.#init.clock.now() && sequence <= death.sequence;
  }

  #remove(name: string): void {
    this.#living.delete(name);
    this.#loads.forget(name);
  }

  #bury(name: string, sequence: bigint): void {
    this.#remove(name);
    const { clock } = this.#init;
    const before = this.#dead.get(name);
    const failures = (before?.failures ?? 0) + 1;
    const forMs = Math.min(firstDeathMs * 2 ** (failures - 1), longestDeathMs);
    const at = clock.now();
    const newest = before !== undefined && before.sequence > sequence ? before.sequence : sequence;
    this.#dead.set(name, { sequence: newest, at, untilMs: at + jittered(clock, forMs, deathJitter), failures });
  }
}

/** What a race tells its pool, and asks of it. */
interface RaceEvents {
  readonly isDead: (name: string, sequence: bigint) => boolean;
  readonly isSurelyDead: (name: string) => boolean;
  readonly onAnswer: (provider: LiveProvider) => void;
  readonly onSilence: (name: string, sequence: bigint) => void;
  readonly onWithdrawn: (name: string) => void;
}

/** One search for providers that answer. */
class Race {
  readonly #init: ProviderPoolInit;
  readonly #events: RaceEvents;
  readonly #startedAt: number;
  /** Not asked yet. Bounded by `maxCandidates`. */
  readonly #waiting = new Map<string, Candidate>();
  /** All that are or were asked. Bounded by `maxProvidersTried`. */
  readonly #asked = new Set<string>();
  readonly #silent: Candidate[] = [];
  readonly #done = Promise.withResolvers<void>();
  #inFlight = 0;
  #answers = 0;
  #isSearched = false;
  #isLocating = false;
  #isOver = false;
  #stopTimer: (() => void) | undefined;

  constructor(init: ProviderPoolInit, events: RaceEvents) {
    this.#init = init;
    this.#events = events;
    this.#startedAt = init.clock.now();
  }

  /** Resolves when enough answer, nobody is left, or the time is over. @param known those that answered the last time */
  run(known: Iterable<LiveProvider>): Promise<void> {
    const { clock, config, search } = this.#init;
    const stopEnd = clock.setTimeout(() => this.#end(), config.providerSearchMs);
    for (const { contact } of known) this.#waiting.set(contact.id.toString(), { contact, sequence: 0n });
    search((record) => this.#onRecord(record))
      .catch(() => undefined)
      .finally(() => {
        this.#isSearched = true;
        this.#proceed();
      });
    this.#widen();
    return this.#done.promise.finally(() => {
      stopEnd();
      this.#stopTimer?.();
    });
  }

  #onRecord({ provider, sequence, isWithdrawn }: ProviderRecord): void {
    const name = provider.id.toString();
    if (this.#isOver || provider.id.equals(this.#init.self)) return;
    if (isWithdrawn) {
      this.#waiting.delete(name);
      this.#events.onWithdrawn(name);
    } else if (!this.#asked.has(name) && this.#waiting.size < maxCandidates) {
      this.#waiting.set(name, { contact: provider, sequence });
    }
    this.#proceed();
  }

  /** Asks one more at once each time that so much time is over. */
  #widen(): void {
    this.#proceed();
    if (this.#isOver) return;
    this.#stopTimer = this.#init.clock.setTimeout(() => this.#widen(), widenMs);
  }

  get #width(): number {
    const elapsedMs = this.#init.clock.now() - this.#startedAt;
    return Math.min(firstAtOnce + Math.floor(elapsedMs / widenMs), mostAtOnce);
  }

  #proceed(): void {
    const { maxProvidersTried } = this.#init.config;
    while (!this.#isOver && this.#inFlight < this.#width) {
      // Where one answers there is less need of others.
      const most = this.#answers === 0 ? maxProvidersTried : Math.min(maxProvidersTried, mostAtOnce);
      if (this.#asked.size >= most || this.#answers >= enough) break;
      const next = this.#next();
      if (next === undefined) break;
      void this.#ask(next);
    }
    if (this.#isOver || this.#inFlight > 0 || !this.#isSearched) return;
    if (this.#answers > 0 || this.#isLocating) this.#end();
    else void this.#locate();
  }

  /**
   * Whom to ask next: those with a connection, then the freshest, and every second time any, as whoever invents providers can make them
   * seem fresh. Those that were silent of late come last, once there are no others; where one answers, they are spared.
   */
  #next(): Candidate | undefined {
    const { isConnected, clock } = this.#init;
    const lively: [string, Candidate][] = [];
    const dead: [string, Candidate][] = [];
    for (const entry of this.#waiting) {
      const [name, { contact, sequence }] = entry;
      if (!this.#events.isDead(name, sequence)) {
        if (isConnected(contact.id)) return this.#take(entry);
        lively.push(entry);
      } else if (!this.#events.isSurelyDead(name)) {
        dead.push(entry);
      }
    }
    if (lively.length === 0 && (!this.#isSearched || this.#answers > 0)) return undefined;
    const from = lively.length > 0 ? lively : dead;
    if (this.#asked.size % 2 === 1) return this.#take(from[Math.floor(clock.random() * from.length)]);
    const wall = BigInt(clock.wallMs());
    const age = ([, { sequence }]: [string, Candidate]): bigint =>
      sequence > wall ? sequence - wall : wall - sequence;
    let freshest = from[0];
    for (const entry of from) if (freshest === undefined || age(entry) < age(freshest)) freshest = entry;
    return this.#take(freshest);
  }

  #take(entry: [string, Candidate] | undefined): Candidate | undefined {
    if (entry !== undefined) this.#waiting.delete(entry[0]);
    return entry?.[1];
  }

  async #ask(candidate: Candidate): Promise<void> {
    const { contact, sequence } = candidate;
    const name = contact.id.toString();
    this.#asked.add(name);
    this.#inFlight += 1;
    try {
      const provider = await this.#init.probe(contact);
      this.#answers += 1;
      this.#events.onAnswer(provider);
    } catch {
      this.#silent.push(candidate);
      this.#events.onSilence(name, sequence);
    }
    this.#inFlight -= 1;
    this.#proceed();
  }

  /** Nobody answers where they are listed: a few are looked for in the DHT. */
  async #locate(): Promise<void> {
    this.#isLocating = true;
    const { locate, clock } = this.#init;
    // What has just failed is not dialed again at once.
    await new Promise<void>((resolve) => clock.setTimeout(resolve, locateAfterMs));
    await Promise.all(
      this.#silent.slice(0, maxLocated).map(async ({ contact: { id }, sequence }) => {
        const contact = await locate(id).catch(() => undefined);
        if (contact !== undefined && !this.#isOver) await this.#ask({ contact, sequence });
      }),
    );
    this.#end();
  }

  #end(): void {
    this.#isOver = true;
    this.#done.resolve();
  }
}
