// Nodes that discover each other on loopback, and a sender of arbitrary datagrams.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createDiscovery, type Discovery, type DiscoveryInit } from "../../../src/discovery/discovery.ts";
import { type DiscoveryOptions, discoveryDefaults } from "../../../src/discovery/options.ts";
import type { DiscoveredPeer, LeaveReason } from "../../../src/discovery/peer-table.ts";
import { generateKeyPair, type KeyPair } from "../../../src/identity/keys.ts";
import type { NodeId } from "../../../src/identity/node-id.ts";
import { Counters } from "../../../src/util/counters.ts";

/** The network that test nodes are on unless told otherwise. */
export const networkKey: Uint8Array = new Uint8Array(32).fill(3);

const { group } = discoveryDefaults;

/** What ends with its test, or its process. */
export interface Scope {
  after(end: () => void | Promise<void>): void;
}

/** A UDP port that nothing uses. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

const deadlineMs = 60_000;

/** Resolves once the condition holds; rejects after a deadline that only a fault reaches. */
export async function until(condition: () => boolean, what: () => string = () => String(condition)): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A node of discovery only, which remembers what it was told. */
export class TestNode {
  readonly keys: KeyPair;
  readonly counters = new Counters();
  /** Peers known at present, by the text form of their id. */
  readonly peers = new Map<string, DiscoveredPeer>();
  readonly left: [string, LeaveReason][] = [];
  #discovery: Discovery | undefined;

  private constructor(keys: KeyPair) {
    this.keys = keys;
  }

  /** Starts a node, which is closed after the test at the latest. */
  static async start(t: Scope, options: DiscoveryOptions, init: Partial<DiscoveryInit> = {}): Promise<TestNode> {
    const keys = init.keys ?? generateKeyPair();
    const node = new TestNode(keys);
    node.#discovery = await createDiscovery({
      networkKey,
      port: 4000,
      keys,
      counters: node.counters,
      onPeer: (peer) => node.peers.set(peer.id.toString(), peer),
      onLeave: (id, reason) => {
        node.peers.delete(id.toString());
        node.left.push([id.toString(), reason]);
      },
      ...init,
      options,
    });
    t.after(() => node.close());
    return node;
  }

  get discovery(): Discovery {
    if (this.#discovery === undefined) throw new Error("not started");
    return this.#discovery;
  }

  get id(): string {
    return this.keys.id.toString();
  }

  peer(id: NodeId): DiscoveredPeer | undefined {
    return this.peers.get(id.toString());
  }

  knows(others: readonly TestNode[]): boolean {
    return others.every((other) => other === this || this.peers.has(other.id));
  }

  count(name: string): number {
    return this.counters.get(`announce.${name}`);
  }

  close(): Promise<void> {
    return this.discovery.close();
  }
}

/** Waits until every node knows every other. */
export async function untilAllKnown(nodes: readonly TestNode[]): Promise<void> {
  await until(
    () => nodes.every((node) => node.knows(nodes)),
    () => `all know all of ${nodes.length}: ${nodes.map((node) => node.peers.size).join(" ")}`,
  );
}

/** Sends datagrams to the group on loopback. */
export class Sender {
  readonly #socket = createSocket("udp4");
  readonly #udpPort: number;

  private constructor(udpPort: number) {
    this.#udpPort = udpPort;
  }

  /** Opens a sender, which is closed after the test. */
  static async open(t: Scope, udpPort: number): Promise<Sender> {
    const sender = new Sender(udpPort);
    t.after(() => void sender.#socket.close());
    sender.#socket.bind(0);
    await once(sender.#socket, "listening");
    sender.#socket.setMulticastInterface("127.0.0.1");
    sender.#socket.setMulticastTTL(0);
    return sender;
  }

  async send(packet: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.send(packet, this.#udpPort, group, (error) => (error === null ? resolve() : reject(error)));
    });
  }
}
