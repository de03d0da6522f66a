// Whether a dial may be made now. Keys are free, so that limits of strangers' claims are by endpoint: a port of a machine.
//
//     standing    who vouches for the address         what bounds the dials
//     owner       the node's owner, who named it      pauses of the key at the endpoint
//     proven      a handshake of the key, there       pauses of the key at the endpoint
//     call        a stranger; the owner calls a key   the same, a rate of the endpoint, a rate of the node
//     claim       a stranger                          pauses of the endpoint, one dial at a time, rates of machine and node
import type { NodeId } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import { createBoundedCache } from "../util/bounded-cache.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";
import { RateLimiter } from "../util/rate-limiter.ts";
import { Backoff } from "./backoff.ts";
import { type Endpoint, Endpoints } from "./endpoint.ts";

/** Who vouches for an address. */
export type Standing = "owner" | "proven" | "call" | "claim";

/** Settings of a DialGovernor. */
export interface DialGovernorOptions {
  readonly clock: Clock;
  /** Dials on claims that fail, per second, to all machines. */
  readonly perSecond: number;
  /** The same to one machine. */
  readonly perMachinePerSecond: number;
  /** Whether a key is connected at an endpoint, which this node dialed. */
  readonly isHeld: (key: string, address: HostPort) => boolean;
  /** Whether a key is connected. Its claims have rates of their own, which announces of invented keys cannot use up. */
  readonly isConnected: (key: string) => boolean;
  /** The IP addresses of this machine. @default those of its network interfaces */
  readonly listAddresses?: () => readonly string[];
}

/** Leave to dial once. */
export interface DialPermit {
  /** The handshake has proven the key. */
  proven(): void;
  /** The dial has failed. */
  failed(error: unknown): void;
  /** The node itself has ended the dial: nothing is known. */
  ended(): void;
}

// Those who know that a peer is there.
const trustedPauses = { firstMs: 100, longestMs: 5000 };
// Eight dials in the first minute, then one a minute.
const claimPauses = { firstMs: 500, longestMs: 60_000 };
// For calls, 9 more dials in the first minute: together fewer than 20.
const callsPerEndpoint = { perSecond: 1 / 12, burst: 4, maxKeys: 4096 };
/** After so many failures in a row a key is proven no more. */
const maxMisses = 3;
const newsEveryMs = 30_000;
const burstSeconds = 16;
const maxMachines = 4096;
const maxOwners = 16_384;
/** Dials at once on claims: enough for an honest node that asks k peers, too few to trouble a machine. */
const maxAtOnce = 64;
const maxAtOncePerMachine = 32;

// Shared, as strangers can cause many: the stack of an error costs more than the refusal.
const takenError = new DswarmError("authentication_failed", "another key has proven itself there");
const limitedError = new DswarmError("dial_limited");

interface Owned {
  readonly key: string;
  readonly address: HostPort;
  /** Dials in a row that have failed since. */
  misses: number;
  /** When news last let a dial be made at once. */
  newsAt: number;
}

/** Judges dials. Bounded by 16,384 endpoints that are known, and 4096 that have failed. */
export class DialGovernor {
  readonly #options: DialGovernorOptions;
  readonly #endpoints: Endpoints;
  /** The key that was proven last at an endpoint. */
  readonly #owners = createBoundedCache<Owned>(maxOwners);
  /** Failures of a key at an endpoint. */
  readonly #trusted: Backoff;
  /** Failures of an endpoint. */
  readonly #claimed: Backoff;
  readonly #calls: RateLimiter;
  readonly #nodeRate: RateLimiter;
  readonly #machineRate: RateLimiter;
  /** Endpoints that are dialed on a claim now. Bounded by `maxAtOnce` a lane. */
  readonly #busy = new Set<string>();
  /** Dials on claims under way, by lane, and by lane and machine. */
  readonly #underWay = new Map<string, number>();

  constructor(options: DialGovernorOptions) {
    const { clock, perSecond, perMachinePerSecond } = options;
    this.#options = options;
    this.#endpoints = new Endpoints(clock, options.listAddresses);
    this.#trusted = new Backoff(clock, trustedPauses);
    this.#claimed = new Backoff(clock, claimPauses);
    this.#calls = new RateLimiter(clock, callsPerEndpoint);
    this.#nodeRate = new RateLimiter(clock, { perSecond, burst: perSecond * burstSeconds, maxKeys: 3 });
    const perMachine = { perSecond: perMachinePerSecond, burst: perMachinePerSecond * burstSeconds };
    this.#machineRate = new RateLimiter(clock, { ...perMachine, maxKeys: maxMachines });
  }

  /** Whether the last handshake that succeeded at an address proved this key. */
  isProven(id: NodeId, address: HostPort): boolean {
    const owned = this.#owners.get(this.#endpoints.of(address).name);
    return owned?.key === id.toString() && owned.misses < maxMisses;
  }

  /**
   * When a claim of an address may be dialed: now; soon, where other dials use up the limits of the machine or node at present; or later,
   * where the endpoint has a pause, is being dialed, or another key is connected there.
   */
  readiness(id: NodeId, address: HostPort): "now" | "soon" | "later" {
    const { name, machine } = this.#endpoints.of(address);
    const key = id.toString();
    const isPaused = this.#busy.has(name) || this.#claimed.failure(name) !== undefined;
    if (isPaused || this.#isTaken(name, key)) return "later";
    const lane = this.#laneOf(key);
    const ofMachine = `${lane} ${machine}`;
    const hasRate = this.#machineRate.left(ofMachine) >= 1 && this.#nodeRate.left(lane) >= 1;
    return hasRate && !this.#isFull(lane, ofMachine) ? "now" : "soon";
  }

  /**
   * Asks for leave to dial a key at an address.
   * @returns the permit, one of whose methods must be called when the dial is over; or the reason against it: what the last dial
   *   there failed with, `authentication_failed` where another key is connected, `dial_limited`
   */
  admit(id: NodeId, address: HostPort, standing: Standing): DialPermit | { readonly refusal: unknown } {
    const endpoint = this.#endpoints.of(address);
    const key = id.toString();
    const isTrusted = standing === "owner" || standing === "proven";
    if (!isTrusted && this.#isTaken(endpoint.name, key)) return { refusal: takenError };
    if (standing === "claim") return this.#admitClaim(endpoint, key, address);
    const pair = `${key} ${endpoint.name}`;
    const failure = this.#trusted.failure(pair);
    if (failure !== undefined) return { refusal: failure.error };
    if (!isTrusted && !(this.#calls.take(endpoint.name) && this.#nodeRate.take(standing)))
      return { refusal: limitedError };
    return {
      proven: () => this.#proven(endpoint, key, address),
      failed: (error) => {
        this.#trusted.failed(pair, error);
        const owned = this.#owners.get(endpoint.name);
        if (owned?.key === key) owned.misses += 1;
      },
      ended: () => undefined,
    };
  }

  /**
   * A peer has announced something new of itself. Where it was the last to be proven at the address, one more dial may be made at
   * once, every 30 seconds.
   */
  news(id: NodeId, address: HostPort): void {
    const { name } = this.#endpoints.of(address);
    const owned = this.#owners.get(name);
    const now = this.#options.clock.now();
    if (owned?.key !== id.toString() || now - owned.newsAt < newsEveryMs) return;
    owned.newsAt = now;
    owned.misses = Math.min(owned.misses, maxMisses - 1);
    this.#trusted.reset(`${owned.key} ${name}`);
  }

  /** Whether another key is connected at an endpoint. */
  #isTaken(name: string, key: string): boolean {
    const owned = this.#owners.get(name);
    return owned !== undefined && owned.key !== key && this.#options.isHeld(owned.key, owned.address);
  }

  /** Claims of connected keys have limits of their own. */
  #laneOf(key: string): "connected" | "claim" {
    return this.#options.isConnected(key) ? "connected" : "claim";
  }

  /** Whether as many dials on claims as may be are under way. */
  #isFull(lane: string, ofMachine: string): boolean {
    const inLane = this.#underWay.get(lane) ?? 0;
    return inLane >= maxAtOnce || (this.#underWay.get(ofMachine) ?? 0) >= maxAtOncePerMachine;
  }

  #admitClaim(endpoint: Endpoint, key: string, address: HostPort): DialPermit | { readonly refusal: unknown } {
    const { name, machine } = endpoint;
    const failure = this.#claimed.failure(name);
    if (failure !== undefined) return { refusal: failure.error };
    const lane = this.#laneOf(key);
    const ofMachine = `${lane} ${machine}`;
    if (this.#isFull(lane, ofMachine) || this.#busy.has(name)) return { refusal: limitedError };
    if (!this.#machineRate.take(ofMachine)) return { refusal: limitedError };
    if (!this.#nodeRate.take(lane)) {
      this.#machineRate.give(ofMachine);
      return { refusal: limitedError };
    }
    this.#busy.add(name);
    for (const limit of [lane, ofMachine]) this.#underWay.set(limit, (this.#underWay.get(limit) ?? 0) + 1);
    const release = (): void => {
      this.#busy.delete(name);
      for (const limit of [lane, ofMachine]) {
        const left = (this.#underWay.get(limit) ?? 1) - 1;
        if (left > 0) this.#underWay.set(limit, left);
        else this.#underWay.delete(limit);
      }
    };
    return {
      proven: () => {
        release();
        // What was true costs nothing.
        this.#machineRate.give(ofMachine);
        this.#nodeRate.give(lane);
        this.#proven(endpoint, key, address);
      },
      failed: (error) => {
        release();
        this.#claimed.failed(name, error);
      },
      ended: release,
    };
  }

  #proven({ name }: Endpoint, key: string, address: HostPort): void {
    this.#owners.set(name, { key, address, misses: 0, newsAt: Number.NEGATIVE_INFINITY });
    this.#trusted.reset(`${key} ${name}`);
    this.#claimed.reset(name);
  }
}
