// A network in memory: nodes that call one another over simulated time, with latency, loss, partitions and deaths.
//
//     caller ──► Endpoint ── latency ──► answers of the callee
//                    ◄────── latency ──────┘

import type { Contact } from "../dht/contact.ts";
import type { NodeId } from "../identity/node-id.ts";
import { formatHostPort, type HostPort } from "../identity/peer-address.ts";
import { DswarmError } from "../util/errors.ts";
import type { VirtualClock } from "../util/virtual-clock.ts";
import { EventDigest } from "./digest.ts";
import { type CallCarrier, Endpoint } from "./endpoint.ts";
import type { Latency, Position } from "./latency.ts";
import type { RpcMethod } from "./rpc-method.ts";
import { type CallPath, SimulatedCall } from "./simulated-call.ts";

/** Settings of a simulated network. */
export interface SimulatedNetworkOptions {
  readonly clock: VirtualClock;
  readonly latency: Latency;
  /** Share of the messages, requests and responses alike, that are lost; 0 to 1. @default 0 */
  readonly lossShare?: number;
  /**
   * What calls to where nobody listens come to: no answer at all, as from a machine that is off, or a quick refusal, as from a
   * closed TCP port. @default "silent"
   */
  readonly deadNodes?: "silent" | "refuse";
}

/** Calls since the network was made. */
export interface NetworkCounts {
  readonly ping: number;
  readonly findNode: number;
  readonly findValue: number;
  readonly store: number;
  /** Calls that nobody will answer: a message was lost, the callee is dead or on the other side of a partition. */
  readonly lost: number;
  /** Calls that were refused where nobody, or somebody else, listens. */
  readonly refused: number;
  /** Calls whose caller has given up before there was an answer. */
  readonly aborted: number;
}

const port = 4000;
const maxNodes = 2 ** 24 - 1;

// Shared, as the stack of an error costs more than a call.
const unreachable = new DswarmError("unreachable");
const wrongNode = new DswarmError("authentication_failed");

/** Nodes and the calls between them. */
export class SimulatedNetwork implements CallCarrier, CallPath {
  readonly clock: VirtualClock;
  readonly latency: Latency;
  /** Of all calls: who, whom, what, when, and what came of it. */
  readonly digest = new EventDigest();
  readonly #lossShare: number;
  readonly #deadNodes: "silent" | "refuse";
  /** By address. Bounded by the nodes that are up. */
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #counts = { ping: 0, findNode: 0, findValue: 0, store: 0, lost: 0, refused: 0, aborted: 0 };
  #groupOf: ((endpoint: Endpoint) => number) | undefined;
  #attached = 0;
  readonly #random: () => number;

  constructor({ clock, latency, lossShare = 0, deadNodes = "silent" }: SimulatedNetworkOptions) {
    if (!(lossShare >= 0 && lossShare <= 1)) throw new RangeError(`lossShare: ${lossShare} is not from 0 to 1`);
    this.clock = clock;
    this.latency = latency;
    this.#lossShare = lossShare;
    this.#deadNodes = deadNodes;
    this.#random = () => clock.random();
  }

  /** Nodes that are up. */
  get size(): number {
    return this.#endpoints.size;
  }

  get counts(): NetworkCounts {
    return this.#counts;
  }

  /**
   * Brings a node up: it may call, and once it serves answers be called.
   * @param address where; for a node that comes back, or shares the host of another. By default the next one of 10.0.0.0/8
   * @throws RangeError when another is up there
   */
  attach(id: NodeId, address?: HostPort): Endpoint {
    const index = ++this.#attached;
    if (index > maxNodes) throw new RangeError(`more than ${maxNodes} nodes`);
    const own = address ?? { host: `10.${index >>> 16}.${(index >>> 8) & 255}.${index & 255}`, port };
    const name = nameOf(own);
    if (this.#endpoints.has(name)) throw new RangeError(`${name}: another node is there`);
    const position = { x: this.#random(), y: this.#random() };
    const endpoint = new Endpoint({ network: this, index, contact: { id, addresses: [own] }, position });
    endpoint.group = this.#groupOf?.(endpoint) ?? 0;
    this.#endpoints.set(name, endpoint);
    return endpoint;
  }

  /** Takes a node down: from now on it neither answers nor gets answers. Idempotent. */
  detach(endpoint: Endpoint): void {
    if (!endpoint.isUp) return;
    endpoint.isUp = false;
    this.#endpoints.delete(nameOf(endpoint.address));
  }

  /** Cuts the network: only nodes of the same group reach one another, those that come later too. */
  partition(groupOf: (endpoint: Endpoint) => number): void {
    this.#groupOf = groupOf;
    for (const endpoint of this.#endpoints.values()) endpoint.group = groupOf(endpoint);
  }

  /** Ends a partition. What was lost stays lost. */
  heal(): void {
    this.#groupOf = undefined;
    for (const endpoint of this.#endpoints.values()) endpoint.group = 0;
  }

  /** Calls a peer. Rejects with a ConnectError or DswarmError; without an answer, only when the signal aborts. */
  carry<Request, RequestInit, Response, ResponseInit>(
    from: Endpoint,
    contact: Contact,
    method: RpcMethod<Request, RequestInit, Response, ResponseInit>,
    init: RequestInit,
    signal: AbortSignal,
  ): Promise<Response> {
    this.#counts[method.name] += 1;
    return new Promise((resolve, reject) => {
      new SimulatedCall({ network: this, from, method, signal, resolve, reject }).begin(contact, init);
    });
  }

  /** Whether a message gets through now. */
  passes(from: Endpoint, to: Endpoint): boolean {
    const isLucky = this.#lossShare === 0 || this.#random() >= this.#lossShare;
    return isLucky && from.isUp && to.isUp && from.group === to.group;
  }

  /** How long the next message takes, milliseconds. */
  delayMs(from: Position, to: Position): number {
    return this.latency.oneWayMs(from, to, this.#random);
  }

  /**
   * Who answers at the first address of a contact where anybody does; otherwise the error that the call fails with, or undefined
   * where there is not even that.
   */
  dial(from: Endpoint, { id, addresses }: Contact): Endpoint | DswarmError | undefined {
    let error = this.#deadNodes === "refuse" && from.isUp ? unreachable : undefined;
    for (const address of addresses) {
      const endpoint = this.#endpoints.get(nameOf(address));
      if (endpoint === undefined) continue;
      if (endpoint.contact.id.equals(id)) return endpoint;
      if (from.isUp && endpoint.group === from.group) error = wrongNode;
    }
    return error;
  }

  /** Counts what came of a call. */
  ended(outcome: "lost" | "refused" | "aborted"): void {
    this.#counts[outcome] += 1;
  }
}

// Each call looks an address up, and most are of the same few objects.
const names = new WeakMap<HostPort, string>();

function nameOf(address: HostPort): string {
  let name = names.get(address);
  if (name === undefined) {
    name = formatHostPort(address);
    names.set(address, name);
  }
  return name;
}
