// The nodes of a simulation that are up: they are born, join, crash and leave. It knows all, so it knows what a lookup should find.
import type { Contact } from "../dht/contact.ts";
import { keyPairFromSeed } from "../identity/keys.ts";
import { compareDistance } from "../identity/node-id.ts";
import type { VirtualClock } from "../util/virtual-clock.ts";
import { floodStores, type Misbehaviour, misbehave } from "./byzantine.ts";
import type { Endpoint } from "./endpoint.ts";
import type { SimulatedNetwork } from "./network.ts";
import type { CreateDht, SimulatedDht } from "./simulated-dht.ts";

/** A node of a simulation. */
export interface SimulatedNode {
  readonly endpoint: Endpoint;
  readonly contact: Contact;
  readonly dht: SimulatedDht;
  /** How it misbehaves; undefined for an honest one. */
  misbehaviour: Misbehaviour | undefined;
  /** Whether it knows others by now. */
  isJoined: boolean;
  /** Its place among the nodes that are up. */
  position: number;
}

const bootstrapContacts = 3;
const maxPicks = 16;
const floodVictims = 8;
const floodStoresPerSecond = 20;

/** Nodes that are up. Bounded by what is made. */
export class Population {
  readonly #clock: VirtualClock;
  readonly #network: SimulatedNetwork;
  readonly #createDht: CreateDht;
  readonly #nodes: SimulatedNode[] = [];
  /** Ends the floods. Bounded by the nodes that are made. */
  readonly #floods = new Map<SimulatedNode, () => void>();

  constructor(network: SimulatedNetwork, createDht: CreateDht) {
    this.#clock = network.clock;
    this.#network = network;
    this.#createDht = createDht;
  }

  /** Those that are up, in no order that means anything. */
  get nodes(): readonly SimulatedNode[] {
    return this.#nodes;
  }

  /** A new node, which answers and knows nobody: others may join by it. */
  create(): Promise<SimulatedNode> {
    return this.#create(true);
  }

  /** A new node that joins by some that have joined, at random. */
  async join(): Promise<SimulatedNode> {
    const known = new Set<Contact>();
    for (let i = 0; i < bootstrapContacts; i++) {
      const other = this.#any(({ isJoined }) => isJoined);
      if (other !== undefined) known.add(other.contact);
    }
    const node = await this.#create(false);
    await node.dht.bootstrap([...known]);
    node.isJoined = true;
    return node;
  }

  /** A node goes without a word. */
  async crash(node: SimulatedNode): Promise<void> {
    this.#remove(node);
    this.#network.detach(node.endpoint);
    await node.dht.close();
  }

  /** A node gives away what it holds, and goes. */
  async leave(node: SimulatedNode): Promise<void> {
    this.#remove(node);
    await node.dht.close({ handOver: true });
    this.#network.detach(node.endpoint);
  }

  /** Closes all. */
  async close(): Promise<void> {
    await Promise.all(this.#nodes.slice().map((node) => this.crash(node)));
  }

  /** A node answers wrongly from now on. */
  corrupt(node: SimulatedNode, misbehaviour: Misbehaviour): void {
    const { endpoint, contact, dht } = node;
    if (dht.answers === undefined) return;
    node.misbehaviour = misbehaviour;
    endpoint.serve(misbehave(misbehaviour, this.#clock, contact, dht.answers));
    if (misbehaviour !== "flood") return;
    const victims = this.sample(floodVictims).map((victim) => victim.contact);
    const options = { clock: this.#clock, peers: endpoint, victims, storesPerSecond: floodStoresPerSecond };
    this.#floods.set(node, floodStores(options));
  }

  /** Any honest one that is up and has joined. @throws RangeError when none is */
  randomHonest(): SimulatedNode {
    const node = this.#any(({ misbehaviour, isJoined }) => isJoined && misbehaviour === undefined);
    if (node === undefined) throw new RangeError("no honest node is up");
    return node;
  }

  /** `count` different ones that are up, or all if there are fewer. */
  sample(count: number): SimulatedNode[] {
    const left = this.#nodes.slice();
    const chosen: SimulatedNode[] = [];
    while (chosen.length < count && left.length > 0) {
      const at = Math.floor(this.#clock.random() * left.length);
      const node = left[at];
      const last = left.pop();
      if (node !== undefined) chosen.push(node);
      if (last !== undefined && last !== node) left[at] = last;
    }
    return chosen;
  }

  /** What a lookup should find: of those that are up, answer and can be reached from a node, the closest to a target, without itself. */
  closest(target: Uint8Array, count: number, from: SimulatedNode): SimulatedNode[] {
    const { group } = from.endpoint;
    const found: SimulatedNode[] = [];
    for (const node of this.#nodes) {
      if (node === from || node.misbehaviour === "silent" || node.endpoint.group !== group) continue;
      const last = found.at(-1);
      if (found.length >= count && last !== undefined && byDistance(target, node, last) > 0) continue;
      let at = found.length;
      for (let other = found[at - 1]; other !== undefined && byDistance(target, node, other) < 0; other = found[at - 1])
        at--;
      found.splice(at, 0, node);
      if (found.length > count) found.pop();
    }
    return found;
  }

  async #create(isJoined: boolean): Promise<SimulatedNode> {
    const keys = keyPairFromSeed(this.#clock.randomBytes(32));
    const endpoint = this.#network.attach(keys.id);
    const { contact } = endpoint;
    const addresses = () => contact.addresses;
    const dht = await this.#createDht({ keys, clock: this.#clock, peers: endpoint, addresses });
    endpoint.serve(dht.answers);
    // Who joins whom is the scenario's to say.
    dht.start({ join: false });
    const position = this.#nodes.length;
    const node: SimulatedNode = { endpoint, contact, dht, misbehaviour: undefined, isJoined, position };
    this.#nodes.push(node);
    return node;
  }

  /** A random node that fits; undefined when none does. */
  #any(isFit: (node: SimulatedNode) => boolean): SimulatedNode | undefined {
    for (let i = 0; i < maxPicks; i++) {
      const node = this.#nodes[Math.floor(this.#clock.random() * this.#nodes.length)];
      if (node !== undefined && isFit(node)) return node;
    }
    // Few fit, or none.
    const fit = this.#nodes.filter(isFit);
    return fit[Math.floor(this.#clock.random() * fit.length)];
  }

  #remove(node: SimulatedNode): void {
    this.#floods.get(node)?.();
    this.#floods.delete(node);
    if (this.#nodes[node.position] !== node) return;
    const last = this.#nodes.pop();
    if (last === undefined || last === node) return;
    last.position = node.position;
    this.#nodes[node.position] = last;
  }
}

function byDistance(target: Uint8Array, a: SimulatedNode, b: SimulatedNode): number {
  return compareDistance(target, a.contact.id.bytes, b.contact.id.bytes);
}
