// A network in memory for lookups: peers with random ids that answer after a delay of simulated time, or lie, or are dead.
import type { Contact } from "../../../src/dht/contact.ts";
import { lookup } from "../../../src/dht/lookup.ts";
import type { LookupAnswer, LookupOptions, LookupResult } from "../../../src/dht/lookup-options.ts";
import { QueryTimeout } from "../../../src/dht/query-timeout.ts";
import { compareDistance, NodeId, sharedBits } from "../../../src/identity/node-id.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

/** A peer of the network. */
export interface FakePeer {
  readonly contact: Contact;
  /** Whom it tells of. */
  known: readonly Contact[];
  /** Milliseconds until it answers. Infinity: never, as the dead. */
  delayMs: number;
  /** Refuses at once, as a host on which nothing listens. */
  refuses: boolean;
  /** The value that it has. */
  value: string | undefined;
  /** What it answers instead of the truth. */
  lie: ((target: Uint8Array) => readonly Contact[]) | undefined;
}

type Asked = Omit<LookupOptions<string>, "self" | "clock" | "ask" | "timeouts" | "k" | "alpha">;

/** Peers by id, and one node that looks things up among them. */
export class LookupNetwork {
  readonly clock: VirtualClock;
  readonly self: NodeId;
  readonly timeouts = new QueryTimeout();
  readonly peers: FakePeer[] = [];
  /** Whom the lookups have asked, in this order. */
  readonly asked: Contact[] = [];
  /** Hosts at which nobody is found, and how that shows. */
  readonly misleading = new Map<string, "refuses" | "silent">();
  /** Queries that were aborted. */
  aborted = 0;
  /** Queries that are neither answered nor aborted. */
  pending = 0;
  readonly #byId = new Map<string, FakePeer>();

  /** A network of `count` peers that know nobody. The same seed gives the same network. */
  constructor(seed: number, count: number) {
    this.clock = new VirtualClock(seed);
    this.self = this.newContact().id;
    for (let i = 0; i < count; i++) this.add(this.newContact(), 10 + 90 * this.clock.random());
  }

  /** A contact with a random id; no peer. */
  newContact(): Contact {
    return this.contactAt(this.clock.randomBytes(32));
  }

  /** A contact with this id; no peer. */
  contactAt(id: Uint8Array): Contact {
    return { id: NodeId.fromBytes(id), addresses: [{ host: "127.0.0.1", port: 1 }] };
  }

  add(contact: Contact, delayMs: number): FakePeer {
    const peer = { contact, known: [], delayMs, refuses: false, value: undefined, lie: undefined };
    this.peers.push(peer);
    this.#byId.set(contact.id.toHex(), peer);
    return peer;
  }

  peer(contact: Contact): FakePeer | undefined {
    return this.#byId.get(contact.id.toHex());
  }

  /** Every peer comes to know all others, or those for which `only` holds. */
  introduceAll(only: (peer: FakePeer) => boolean = () => true): void {
    const all = this.peers.filter(only).map(({ contact }) => contact);
    for (const peer of this.peers) peer.known = all;
  }

  /** Every peer comes to know up to k others of each k-bucket, taken at random. */
  fillBuckets(k: number): void {
    for (const peer of this.peers) {
      const room = new Map<number, number>();
      const start = Math.floor(this.clock.random() * this.peers.length);
      const others = [...this.peers.slice(start), ...this.peers.slice(0, start)];
      peer.known = others.flatMap(({ contact }) => {
        const bits = sharedBits(peer.contact.id.bytes, contact.id.bytes);
        const left = room.get(bits) ?? k;
        room.set(bits, left - 1);
        return left > 0 && contact !== peer.contact ? [contact] : [];
      });
    }
  }

  /** The `count` peers closest to a target for which `only` holds, closest first. */
  closest(target: Uint8Array, count: number, only: (peer: FakePeer) => boolean = () => true): Contact[] {
    return closestOf(
      this.peers.filter(only).map(({ contact }) => contact),
      target,
      count,
    );
  }

  /** A lookup of the node; time passes until it ends. */
  async lookup(options: Asked & { k?: number; alpha?: number }): Promise<LookupResult<string>> {
    const { clock, self, timeouts } = this;
    const k = options.k ?? 20;
    const ask = (contact: Contact, signal: AbortSignal) => this.#ask(contact, options.target, k, signal);
    return this.untilSettled(lookup({ alpha: 3, ...options, k, self, clock, timeouts, ask }));
  }

  /** Lets time pass until a promise settles. Throws when nothing is left that time could bring. */
  async untilSettled<R>(promise: Promise<R>): Promise<R> {
    let settled = false;
    const settle = () => {
      settled = true;
    };
    promise.then(settle, settle);
    for (;;) {
      await new Promise(setImmediate);
      if (settled) return promise;
      if (!this.clock.step()) throw new Error("the promise waits for nothing");
    }
  }

  /** Lets time pass until nothing is under way any more. Returns how long that takes, milliseconds. */
  async untilIdle(): Promise<number> {
    const startedAt = this.clock.now();
    do await new Promise(setImmediate);
    while (this.clock.step());
    return this.clock.now() - startedAt;
  }

  #ask(contact: Contact, target: Uint8Array, k: number, signal: AbortSignal): Promise<LookupAnswer<string>> {
    this.asked.push(contact);
    const misleading = this.misleading.get(contact.addresses[0]?.host ?? "");
    const peer = misleading === "silent" ? undefined : this.peer(contact);
    if (peer?.refuses === true || misleading === "refuses") throw new Error("refused");
    this.pending += 1;
    return new Promise((resolve, reject) => {
      const stopTimer = this.clock.setTimeout(() => {
        signal.removeEventListener("abort", onAbort);
        this.pending -= 1;
        const contacts = peer?.lie?.(target) ?? closestOf(peer?.known ?? [], target, k);
        resolve({ contacts, found: peer?.value });
      }, peer?.delayMs ?? Infinity);
      const onAbort = () => {
        stopTimer();
        this.aborted += 1;
        this.pending -= 1;
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}

function closestOf(contacts: readonly Contact[], target: Uint8Array, count: number): Contact[] {
  return contacts.toSorted((a, b) => compareDistance(target, a.id.bytes, b.id.bytes)).slice(0, count);
}

/** Whether a peer ever answers. */
export function answers(peer: FakePeer | undefined): boolean {
  return peer !== undefined && !peer.refuses && peer.delayMs < Infinity;
}

/** Hex digits of contacts' ids, for comparing. */
export function idsOf(contacts: readonly Contact[]): string[] {
  return contacts.map(({ id }) => id.toHex().slice(0, 16));
}
