// The tools of an attack: connections of every kind to the nodes under attack, the owner's requests, checks of
// what came of it. All that it sends is counted, and the signal aborts when more is spent than the attack may.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { WebSocket } from "ws";
import { networkKeyOf } from "../../src/channel/options.ts";
import { generateKeyPair, type KeyPair } from "../../src/identity/keys.ts";
import { NodeId } from "../../src/identity/node-id.ts";
import { AttackLink, openTls, openWebSocket } from "./attack-link.ts";
import { type HttpAnswer, type NodeFacts, type NodeSetup, NodeUnderAttack, ownerRequest } from "./node-under-attack.ts";
import { connectPeer, type Peer, type PeerOptions } from "./peer.ts";

/** The most that a run may spend. The runner ends an attacker that spends more. */
export interface Spending {
  /** Megabytes sent (10^6 bytes). */
  readonly megabytes: number;
  /** Connections opened. */
  readonly connections: number;
  /** Seconds of attack. */
  readonly seconds: number;
}

/** The nodes and how much is to be done. */
export interface AttackOrder {
  readonly attack: string;
  readonly nodes: readonly NodeFacts[];
  readonly network: string;
  readonly udpPort: number;
  /** Part of the whole attack, up to 1. */
  readonly scale: number;
}

/** Something counted that has a limit. */
export interface Check {
  readonly what: string;
  readonly value: number;
  readonly limit: string;
  readonly held: boolean;
  /** Whether the value depends on the machine's speed. */
  readonly isTimed: boolean;
}

/** Costs of a run for the attacker. */
export interface Spent {
  readonly megabytes: number;
  readonly connections: number;
  readonly seconds: number;
}

/** The key that an attacker connects with, and the node that it connects to. */
export interface Caller {
  /** @default the first node */
  readonly node?: NodeFacts | undefined;
  readonly keys?: KeyPair;
  /** Source address, one of 127.0.0.0/8 or of this machine's. */
  readonly from?: string | undefined;
  /** Address of this machine to connect to. @default "127.0.0.1" */
  readonly to?: string | undefined;
}

const group = "239.255.255.19";
const checkEveryMs = 100;
const leastSeconds = 1;

/** The attacker. */
export class Attacker implements AsyncDisposable {
  readonly nodes: readonly NodeFacts[];
  readonly network: string;
  readonly networkKey: Uint8Array;
  readonly udpPort: number;
  readonly checks: Check[] = [];
  readonly #scale: number;
  readonly #over = new AbortController();
  readonly #startedAt = performance.now();
  /** Counts the bytes of each connection. Bounded by the attack's own bound of connections. */
  readonly #counts: (() => number)[] = [];
  readonly #ends: (() => unknown)[] = [];
  #datagramBytes = 0;
  #connections = 0;

  constructor({ nodes, network, udpPort, scale }: AttackOrder, most: Spending) {
    this.nodes = nodes;
    this.network = network;
    this.networkKey = networkKeyOf(network);
    this.udpPort = udpPort;
    this.#scale = scale;
    const mostSeconds = Math.max(leastSeconds, most.seconds * scale);
    const timer = setInterval(() => {
      const { megabytes, connections, seconds } = this.spent;
      if (seconds >= mostSeconds || megabytes > most.megabytes || connections > most.connections) this.#over.abort();
    }, checkEveryMs);
    this.#ends.push(() => clearInterval(timer));
  }

  /** The first node. */
  get node(): NodeFacts {
    const [first] = this.nodes;
    if (first === undefined) throw new Error("this attack has no node");
    return first;
  }

  /** Aborts when the time is over, or more is spent than the attack may. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  get spent(): Spent {
    const bytes = this.#counts.reduce((sum, count) => sum + count(), this.#datagramBytes);
    return {
      megabytes: bytes / 1e6,
      connections: this.#connections,
      seconds: (performance.now() - this.#startedAt) / 1000,
    };
  }

  /** A count of the whole attack, as many as this run makes: at least 1. */
  scaled(count: number): number {
    return Math.max(1, Math.round(count * this.#scale));
  }

  /** Milliseconds of the whole attack, as many as this run waits. */
  scaledMs(ms: number): number {
    return ms * this.#scale;
  }

  /** Opens a connection and proves a key on it. */
  async dial({ node = this.node, keys, from }: Caller = {}): Promise<AttackLink> {
    this.#connections += 1;
    const link = await AttackLink.open({
      port: node.port,
      id: NodeId.parse(node.id),
      networkKey: this.networkKey,
      keys: keys ?? generateKeyPair(),
      from,
      signal: this.signal,
    });
    this.#counts.push(() => link.bytes);
    this.#ends.push(() => link.close());
    return link;
  }

  /** Opens several such connections at once; those that the node refuses are left out. */
  async dialAll(count: number, caller: Caller = {}): Promise<AttackLink[]> {
    const links: AttackLink[] = [];
    // A few at a time: each costs both ends some milliseconds.
    for (let left = count; left > 0 && !this.isOver; left -= 16) {
      const some = Array.from({ length: Math.min(16, left) }, () => this.dial(caller));
      for (const result of await Promise.allSettled(some)) {
        if (result.status === "fulfilled") links.push(result.value);
      }
    }
    return links;
  }

  /** Connects as a peer that keeps to the protocol. @param dht what it answers the node @default nothing */
  async peer({ node = this.node, keys = generateKeyPair() }: Caller = {}, dht?: PeerOptions["dht"]): Promise<Peer> {
    this.#connections += 1;
    const address = { id: NodeId.parse(node.id), host: "127.0.0.1", port: node.port };
    const peer = await connectPeer({ address, keys, networkKey: this.networkKey, dht });
    this.#ends.push(() => peer.close());
    return peer;
  }

  /** Opens a TCP connection, whatever becomes of it. */
  tcp({ node = this.node, from, to = "127.0.0.1" }: Caller = {}): Socket {
    this.#connections += 1;
    const socket = connect({ host: to, port: node.port, ...(from !== undefined && { localAddress: from }) });
    socket.on("error", () => socket.destroy());
    this.#counts.push(() => socket.bytesWritten);
    this.#ends.push(() => socket.destroy());
    return socket;
  }

  /** Opens a TLS connection. */
  async tls({ node = this.node, from, to }: Caller = {}): Promise<TLSSocket> {
    this.#connections += 1;
    const socket = await openTls({ port: node.port, from, to, signal: this.signal });
    this.#counts.push(() => socket.bytesWritten);
    this.#ends.push(() => socket.destroy());
    return socket;
  }

  /** Opens a websocket on /dht without the handshake that belongs on it. */
  async webSocket({ node = this.node, from }: Caller = {}): Promise<WebSocket> {
    this.#connections += 1;
    const socket = await openWebSocket(node.port, from, this.signal);
    this.#ends.push(() => socket.terminate());
    return socket;
  }

  /** Counts bytes that were sent past the connections of this object. */
  count(bytes: number): void {
    this.#datagramBytes += bytes;
  }

  /** Sends datagrams to the multicast group on the loopback interface, so many a second. */
  async datagrams(packets: Iterable<Uint8Array>, perSecond: number): Promise<void> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    socket.setMulticastInterface("127.0.0.1");
    socket.setMulticastTTL(0);
    const startedAt = performance.now();
    let sent = 0;
    for (const packet of packets) {
      if (this.isOver) break;
      await new Promise((done) => socket.send(packet, this.udpPort, group, done));
      this.count(packet.length);
      sent += 1;
      const aheadMs = (sent / perSecond) * 1000 - (performance.now() - startedAt);
      if (aheadMs > 5) await this.pause(aheadMs);
    }
    socket.close();
  }

  /** Sends a request of the node's owner, which counts as none of the attack's. */
  owner(path: string, options: { method?: string; body?: unknown; ms?: number } = {}, node = this.node) {
    return ownerRequest(node.port, path, options);
  }

  /** The JSON that the owner is answered. @throws Error for another status than 200 */
  async ownerJson<T>(path: string, options: { method?: string; body?: unknown } = {}, node = this.node): Promise<T> {
    const { status, text }: HttpAnswer = await this.owner(path, options, node);
    if (status !== 200) throw new Error(`${path} answers ${status}: ${text.slice(0, 200)}`);
    return JSON.parse(text) as T;
  }

  /** Starts a further node, on the same network unless told otherwise. It ends with the attack. */
  async startNode(setup: NodeSetup = {}): Promise<NodeUnderAttack> {
    const { network, udpPort } = this;
    const node = await NodeUnderAttack.start({ network, discovery: { udpPort, intervalMs: 1000 }, ...setup });
    this.#ends.push(() => node.kill());
    return node;
  }

  /** Does something when the attack is over. */
  atEnd(end: () => unknown): void {
    this.#ends.push(end);
  }

  /** Notes a value and whether it holds its limit. */
  check(
    what: string,
    value: number,
    limit: { readonly most: number } | { readonly least: number },
    { isTimed = false } = {},
  ): void {
    const held = "most" in limit ? value <= limit.most : value >= limit.least;
    const text = "most" in limit ? `≤ ${limit.most}` : `≥ ${limit.least}`;
    this.checks.push({ what, value, limit: text, held, isTimed });
  }

  /** Waits; not after the attack is over. */
  async pause(ms: number): Promise<void> {
    if (this.isOver) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.signal.addEventListener("abort", done, { once: true });
    });
  }

  /** Waits for a condition. Returns whether it came to hold within the time. */
  async until(condition: () => boolean | Promise<boolean>, ms: number): Promise<boolean> {
    const giveUpAt = performance.now() + ms;
    for (;;) {
      if (await condition()) return true;
      if (performance.now() > giveUpAt) return false;
      await new Promise((go) => setTimeout(go, 100));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Ends all loops in the background.
    this.#over.abort();
    for (const end of this.#ends.toReversed()) await end();
  }
}
