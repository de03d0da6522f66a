// A listener on a real port of 127.0.0.1, what it logs and counts, and peers of every behaviour to meet it.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { WebSocket } from "ws";
import { Boxer, Unboxer } from "../../../src/channel/box-stream.ts";
import { type DialOptions, dial } from "../../../src/channel/dial.ts";
import { Handshake, type HandshakeOutcome } from "../../../src/channel/handshake.ts";
import { createListener, type Listener } from "../../../src/channel/listen.ts";
import {
  type ChannelConfig,
  type ChannelOptions,
  networkKeyOf,
  resolveChannelOptions,
} from "../../../src/channel/options.ts";
import { type Certificate, createCertificate, createTlsServer } from "../../../src/channel/tls.ts";
import { generateKeyPair, type KeyPair } from "../../../src/identity/keys.ts";
import type { NodeId } from "../../../src/identity/node-id.ts";
import type { Link } from "../../../src/link/link.ts";
import { type Clock, systemClock } from "../../../src/util/clock.ts";
import { Counters } from "../../../src/util/counters.ts";
import type { DswarmError } from "../../../src/util/errors.ts";
import type { LogFields } from "../../../src/util/log.ts";

const deadlineMs = 60_000;
const pollMs = 2;
/** So that a busy machine does not make a good peer look slow. Tests of the deadlines have a clock of their own. */
const patience: ChannelOptions = { handshakeTimeoutMs: 20_000, closeTimeoutMs: 10_000 };

let certificate: Promise<Certificate> | undefined;

/** One certificate for all tests of a process. */
export function sharedCertificate(): Promise<Certificate> {
  certificate ??= createCertificate();
  return certificate;
}

/** Resolves once the condition holds; rejects after a deadline that only a fault reaches. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > giveUpAt) throw new Error(`waited in vain until ${what}`);
    await new Promise((go) => setTimeout(go, pollMs));
  }
}

/** A link that is open, with all that came of it. */
export class OpenLink {
  readonly link: Link;
  drains = 0;
  isClosed = false;
  closeReason: DswarmError | undefined;
  readonly #chunks: Uint8Array[] = [];

  constructor(link: Link, echoes = false) {
    this.link = link;
    link.open({
      data: (bytes) => {
        assert.equal(this.isClosed, false, "data after closed");
        // Copied: an echo hands the memory back.
        this.#chunks.push(Uint8Array.from(bytes));
        if (echoes) link.write(bytes);
      },
      drain: () => {
        this.drains += 1;
      },
      closed: (reason) => {
        assert.equal(this.isClosed, false, "closed twice");
        this.isClosed = true;
        this.closeReason = reason;
      },
    });
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get receivedBytes(): number {
    return this.#chunks.reduce((sum, { length }) => sum + length, 0);
  }

  /** Resolves with the code of the reason for the end, or "goodbye". */
  async end(): Promise<string> {
    await until("the link has ended", () => this.isClosed);
    return this.closeReason?.code ?? "goodbye";
  }
}

export interface RigOptions {
  readonly channel?: ChannelOptions;
  readonly clock?: Clock;
  readonly authorize?: (id: NodeId) => boolean;
  /** Takes the links instead of the rig, which opens them and echoes what comes. */
  readonly onLink?: (link: Link) => void;
  /** Whether the rig's links send back what comes. @default true */
  readonly echoes?: boolean;
}

/** A listener with its server. */
export class Rig implements AsyncDisposable {
  readonly keys = generateKeyPair();
  readonly networkKey = networkKeyOf("channel test");
  readonly counters = new Counters();
  readonly logs: LogFields[] = [];
  /** The texts of `logs`. */
  readonly messages: string[] = [];
  /** Links that the listener has accepted, oldest first. */
  readonly links: OpenLink[] = [];
  readonly config: ChannelConfig;
  readonly server: Server;
  readonly listener: Listener;

  constructor(server: Server, options: RigOptions) {
    this.server = server;
    this.config = resolveChannelOptions({ ...patience, ...options.channel });
    const log = (fields: LogFields, message: string): void => {
      this.logs.push(fields);
      this.messages.push(message);
    };
    this.listener = createListener({
      keys: this.keys,
      networkKey: this.networkKey,
      config: this.config,
      clock: options.clock ?? systemClock,
      logger: { debug: log, info: log, warn: log, error: log },
      counters: this.counters,
      authorize: options.authorize,
      onLink: options.onLink ?? ((link) => this.links.push(new OpenLink(link, options.echoes ?? true))),
    });
    this.listener.attach(server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get address(): DialOptions["address"] {
    return { id: this.keys.id, host: "127.0.0.1", port: this.port };
  }

  /** Dials the listener with a new key. */
  dial(changes: Partial<DialOptions> = {}): Promise<Link> {
    const config = resolveChannelOptions(patience);
    const { networkKey, address } = this;
    return dial({ address, keys: generateKeyPair(), networkKey, config, clock: systemClock, ...changes });
  }

  /** The newest accepted link, opened. */
  async accepted(count = 1): Promise<OpenLink> {
    await until(`${count} links are accepted`, () => this.links.length >= count);
    const link = this.links.at(-1);
    assert.ok(link);
    return link;
  }

  /** Fails unless a well-behaved peer can connect, be answered and take its leave. */
  async assertServes(): Promise<void> {
    const peer = new OpenLink(await this.dial());
    const sent = randomBytes(10_000);
    peer.link.write(sent);
    await until("the echo is back", () => peer.receivedBytes >= sent.length);
    assert.deepEqual(peer.received, sent);
    await peer.link.close();
    assert.equal(await peer.end(), "goodbye");
  }

  /** Waits until so many handshakes have failed with a code, and checks that the log names it. */
  async assertFailed(code: string, times = 1): Promise<void> {
    await this.assertCounted(code, times);
    const line = this.logs.findLast(({ event }) => event === "handshake_failed");
    assert.equal(line?.["code"], code);
    assert.match(String(line?.["remoteAddress"]), /^127\.0\.0\.1:\d+$/);
  }

  /** Waits until so many handshakes have failed with a code. */
  async assertCounted(code: string, times: number): Promise<void> {
    const name = `handshake.failed.${code}`;
    const failures = (): string => JSON.stringify(this.counters.snapshot());
    await until(`${name} is ${times}`, () => this.counters.get(name) >= times).catch((error: unknown) => {
      throw new Error(`but it counted ${failures()}`, { cause: error });
    });
    assert.equal(this.counters.get(name), times);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.close();
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
    await until("the listener is empty", () => this.listener.halfOpen + this.listener.connections === 0);
  }
}

/** Starts a listener on a port of the system's choice. */
export async function createRig(options: RigOptions = {}): Promise<Rig> {
  const server = createTlsServer(await sharedCertificate());
  const rig = new Rig(server, options);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return rig;
}

/** A websocket, opened or accepted by a test that does as it likes on it. */
export class RawPeer {
  readonly socket: WebSocket;
  isClosed = false;
  /** Of the websocket: 1006 where the other end just closed the connection. */
  closeCode: number | undefined;
  #received = Buffer.alloc(0);

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data]);
    });
    socket.on("close", (code) => {
      this.isClosed = true;
      this.closeCode = code;
    });
    // A fault of the other end is followed by a close.
    socket.on("error", () => socket.terminate());
  }

  /** Bytes received and not read. */
  get unreadBytes(): number {
    return this.#received.length;
  }

  send(bytes: Uint8Array | string): void {
    this.socket.send(bytes);
  }

  /** Sends bytes in messages of the given lengths, which are used again and again. */
  sendSplit(bytes: Uint8Array, lengths: readonly number[]): void {
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const length = lengths[i % lengths.length] ?? 1;
      this.socket.send(bytes.subarray(at, at + length));
      at += length;
    }
  }

  /** Resolves with so many received bytes. */
  async read(length: number): Promise<Buffer> {
    await until(`${length} bytes are there`, () => this.#received.length >= length || this.isClosed);
    assert.ok(this.#received.length >= length, "the other end has closed");
    const bytes = Buffer.from(this.#received.subarray(0, length));
    this.#received = this.#received.subarray(length);
    return bytes;
  }

  async closed(): Promise<void> {
    await until("the other end has closed", () => this.isClosed);
  }

  /** Plays the dialer's part of a handshake to its end. */
  async shakeAsDialer(
    { keys, networkKey }: Pick<Rig, "keys" | "networkKey">,
    ownKeys: KeyPair = generateKeyPair(),
  ): Promise<RawLink> {
    const handshake = Handshake.dialer({ keys: ownKeys, networkKey, remoteId: keys.id, seed: randomBytes(32) });
    this.send(handshake.start().send ?? Buffer.alloc(0));
    this.send(handshake.push(await this.read(64)).send ?? Buffer.alloc(0));
    return rawLink(handshake.push(await this.read(80)).outcome);
  }

  /** Plays the listener's part of a handshake to its end. */
  async shakeAsListener(keys: KeyPair, networkKey: Uint8Array): Promise<RawLink> {
    const handshake = Handshake.listener({ keys, networkKey, seed: randomBytes(32) });
    this.send(handshake.push(await this.read(64)).send ?? Buffer.alloc(0));
    const { send, outcome } = handshake.push(await this.read(112));
    this.send(send ?? Buffer.alloc(0));
    return rawLink(outcome);
  }
}

/** The box streams of a raw peer. */
export interface RawLink {
  readonly boxer: Boxer;
  readonly unboxer: Unboxer;
  /** Of the boxer: to forge boxes with. */
  readonly key: Buffer;
  /** Of the boxer, for its first header. */
  readonly nonce: Buffer;
}

/** The box streams of a handshake's outcome. */
export function rawLink(outcome: HandshakeOutcome | undefined): RawLink {
  assert.ok(outcome);
  const { encryptKey, encryptNonce, decryptKey, decryptNonce } = outcome;
  return {
    boxer: new Boxer(Buffer.from(encryptKey), encryptNonce),
    unboxer: new Unboxer(decryptKey, decryptNonce),
    key: encryptKey,
    nonce: encryptNonce,
  };
}

/** Opens a TLS connection to a port of 127.0.0.1, and nothing on it. */
export async function openTls(port: number): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  // A reset by the other end is an end like any other here.
  socket.on("error", () => socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}

/** Opens a raw websocket to a port of 127.0.0.1. */
export async function openRaw(port: number, localAddress = "127.0.0.1"): Promise<RawPeer> {
  const socket = new WebSocket(`wss://127.0.0.1:${port}/dht`, "dswarm.v1", {
    localAddress,
    rejectUnauthorized: false,
    perMessageDeflate: false,
  });
  const peer = new RawPeer(socket);
  await once(socket, "open");
  return peer;
}
