// A listener that does with its dialers what a case says: the lower layers are those of src/channel, the frames are written by hand.
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import { type WebSocket, WebSocketServer } from "ws";
import { type Frame, FrameSchema } from "../gen/dswarm/v1/frame_pb.ts";
import { Boxer, Unboxer } from "../src/channel/box-stream.ts";
import { Handshake } from "../src/channel/handshake.ts";
import { networkKeyOf } from "../src/channel/options.ts";
import { type Certificate, createCertificate, createTlsServer } from "../src/channel/tls.ts";
import { generateKeyPair, type KeyPair } from "../src/identity/keys.ts";
import type { NodeId } from "../src/identity/node-id.ts";
import { formatPeerAddress } from "../src/identity/peer-address.ts";
import { FrameDecoder } from "../src/rpc/frame-decoder.ts";
import { protocol } from "../src/rpc/params.ts";
import { until } from "./until.ts";

/** The body of a frame that is sent. */
export type Body = NonNullable<MessageInitShape<typeof FrameSchema>["body"]>;
/** The body of a frame that came. */
type BodyCase = NonNullable<Frame["body"]["case"]>;
type BodyValue<C extends BodyCase> = Extract<Frame["body"], { readonly case: C }>["value"];

const echoPrefix = "dswarm.example.v1.EchoService/";
const unimplemented = 12;

let certificate: Promise<Certificate> | undefined;

/** A frame with its length. */
export function frameBytes(streamId: number, body?: Body): Buffer {
  return Buffer.from(sizeDelimitedEncode(FrameSchema, create(FrameSchema, { streamId, ...(body && { body }) })));
}

/** One connection that was accepted, from the websocket up. */
export class HostileConnection {
  readonly socket: WebSocket;
  readonly #keys: KeyPair;
  readonly #networkKey: Uint8Array;
  #received = Buffer.alloc(0);
  /** Set when the websocket is closed: its code, 1006 where the connection just ended. */
  closeCode: number | undefined;
  /** Boxes what is sent. Set by the handshake. */
  boxer: Boxer | undefined;
  /** Key and first nonce of the boxer: to forge boxes with. Set by the handshake. */
  boxKey = Buffer.alloc(0);
  boxNonce = Buffer.alloc(0);
  /** Who has dialed. Set by the handshake. */
  remoteId: NodeId | undefined;
  /** Whether pings are answered. */
  pongs = true;
  /** Frames that came and were not taken, credit left out. */
  readonly #frames: Frame[] = [];
  #unboxer: Unboxer | undefined;
  readonly #decoder = new FrameDecoder();
  /** What went wrong with what came. */
  fault: unknown;
  #hasSaidGoodbye = false;
  /** Credit that came, by stream, the first included; 0 is the connection. */
  readonly #credit = new Map<number, number>([[0, protocol.initialConnectionCredit]]);

  constructor(socket: WebSocket, keys: KeyPair, networkKey: Uint8Array) {
    this.socket = socket;
    this.#keys = keys;
    this.#networkKey = networkKey;
    socket.on("message", (data: Buffer) => this.#onMessage(data));
    socket.on("close", (code) => {
      this.closeCode = code;
    });
    // A fault of the other end is followed by a close.
    socket.on("error", () => socket.terminate());
  }

  /** Whether the other end's goodbye has come. */
  get saidGoodbye(): boolean {
    return this.#unboxer?.saidGoodbye === true;
  }

  /** Bytes that came before the handshake was done and were not read. */
  get unreadBytes(): number {
    return this.#received.length;
  }

  /** So many bytes of what came before the box stream. */
  async read(length: number): Promise<Buffer> {
    await until(`${length} bytes have come`, () => this.#received.length >= length || this.closeCode !== undefined);
    if (this.#received.length < length) throw new Error(`the connection ended within ${length} bytes`);
    const bytes = Buffer.from(this.#received.subarray(0, length));
    this.#received = this.#received.subarray(length);
    return bytes;
  }

  /** A good handshake. `send` gets what is to be sent of it. */
  async shake(send: (bytes: Uint8Array) => void = (bytes) => this.socket.send(bytes)): Promise<this> {
    const handshake = Handshake.listener({ keys: this.#keys, networkKey: this.#networkKey, seed: randomBytes(32) });
    send(handshake.push(await this.read(64)).send ?? Buffer.alloc(0));
    const { send: accept, outcome } = handshake.push(await this.read(112));
    if (accept === undefined || outcome === undefined) throw new Error("the handshake is not done");
    this.remoteId = outcome.remoteId;
    this.boxKey = Buffer.from(outcome.encryptKey);
    this.boxNonce = Buffer.from(outcome.encryptNonce);
    this.boxer = new Boxer(outcome.encryptKey, outcome.encryptNonce);
    this.#unboxer = new Unboxer(outcome.decryptKey, outcome.decryptNonce);
    send(accept);
    const early = this.#received;
    this.#received = Buffer.alloc(0);
    this.#onBoxes(early);
    return this;
  }

  /** A hello of an ephemeral key: HMAC-SHA-512 under the network key, the first 32 bytes, before the key. */
  helloOf(ephemeral: Uint8Array): Buffer {
    const mac = createHmac("sha512", this.#networkKey).update(ephemeral).digest().subarray(0, 32);
    return Buffer.concat([mac, ephemeral]);
  }

  /** Boxes bytes of the plaintext. */
  box(plain: Uint8Array): Buffer {
    if (this.boxer === undefined) throw new Error("before the handshake");
    return Buffer.from(this.boxer.box(plain));
  }

  /** Sends bytes of the plaintext, boxed, in one websocket message. */
  sendBytes(plain: Uint8Array): void {
    for (let at = 0; at < plain.length; at += 65_536) this.socket.send(this.box(plain.subarray(at, at + 65_536)));
  }

  /** Sends a frame. */
  send(streamId: number, body?: Body): void {
    if (body?.case === "data") {
      const cost = (body.value.payload?.length ?? 0) + protocol.dataFrameCost;
      this.#credit.set(0, this.creditOf(0) - cost);
      this.#credit.set(streamId, this.creditOf(streamId) - cost);
    }
    this.sendBytes(frameBytes(streamId, body));
  }

  /** Bytes that data frames may still cost. */
  creditOf(streamId: number): number {
    return this.#credit.get(streamId) ?? protocol.initialStreamCredit;
  }

  /** Says goodbye. */
  goodbye(): void {
    if (this.boxer === undefined) return;
    this.#hasSaidGoodbye = true;
    this.socket.send(this.boxer.goodbye());
  }

  /** Closes the TCP connection without a word. */
  cut(): void {
    this.socket.terminate();
  }

  /** Takes the next frame of a kind, on a stream if that is given; those before it stay. */
  async next<C extends BodyCase>(kind: C, streamId?: number): Promise<BodyValue<C>> {
    return (await this.#take(kind, (frame) => streamId === undefined || frame.streamId === streamId)).value;
  }

  /** Takes the next call of a method of EchoService: its stream. */
  async opened(method: string): Promise<number> {
    const isIt = ({ body }: Frame) => body.case === "open" && body.value.method === echoPrefix + method;
    return (await this.#take("open", isIt)).streamId;
  }

  /** How many frames of a kind came on a stream and were not taken. */
  count(kind: BodyCase, streamId: number): number {
    return this.#frames.filter((frame) => frame.body.case === kind && frame.streamId === streamId).length;
  }

  /** Bytes that the data frames of a stream have cost. */
  costOf(streamId: number): number {
    let cost = 0;
    for (const frame of this.#frames) {
      if (frame.body.case !== "data" || (streamId !== 0 && frame.streamId !== streamId)) continue;
      cost += frame.body.value.payload.length + protocol.dataFrameCost;
    }
    return cost;
  }

  /** Resolves when the websocket is closed. */
  async closed(): Promise<void> {
    await until("the other end has closed the connection", () => this.closeCode !== undefined);
  }

  /** Resolves when the other end answers a ping: the connection works. */
  async assertWorks(): Promise<void> {
    const id = randomBytes(3).readUIntBE(0, 3);
    this.send(0, { case: "ping", value: { id } });
    const pong = await this.next("pong");
    if (pong.id !== id) throw new Error("another pong");
  }

  async #take<C extends BodyCase>(
    kind: C,
    isIt: (frame: Frame) => boolean,
  ): Promise<{ streamId: number; value: BodyValue<C> }> {
    let at = -1;
    const find = (): boolean => {
      at = this.#frames.findIndex((frame) => frame.body.case === kind && isIt(frame));
      return at >= 0;
    };
    await until(`a frame ${kind} has come`, () => find() || this.closeCode !== undefined);
    if (!find()) throw new Error(`the connection ended before a frame ${kind} came`);
    const [frame] = this.#frames.splice(at, 1);
    const { body, streamId } = frame as Frame;
    return { streamId, value: body.value as BodyValue<C> };
  }

  #onMessage(data: Buffer): void {
    if (this.#unboxer === undefined) this.#received = Buffer.concat([this.#received, data]);
    else this.#onBoxes(data);
  }

  #onBoxes(bytes: Buffer): void {
    if (this.#unboxer === undefined || this.fault !== undefined) return;
    const plain: Uint8Array[] = [];
    try {
      this.#unboxer.push(Buffer.from(bytes), plain);
      for (const each of plain) this.#decoder.push(each, (frame) => this.#onFrame(frame));
    } catch (error) {
      this.fault = error;
    }
  }

  #onFrame(frame: Frame): void {
    const { streamId, body } = frame;
    // Nothing may follow its goodbye, answers included.
    if (this.#hasSaidGoodbye) this.#frames.push(frame);
    else if (body.case === "credit") this.#credit.set(streamId, this.creditOf(streamId) + body.value.bytes);
    else if (body.case === "ping" && this.pongs) {
      this.#frames.push(frame);
      this.send(0, { case: "pong", value: { id: body.value.id } });
    } else if (body.case === "open" && !body.value.method.startsWith(echoPrefix)) {
      // What a client asks of a node on its own account.
      this.send(streamId, { case: "end", value: { code: unimplemented } });
    } else this.#frames.push(frame);
  }
}

/** What a listener says before the handshake. */
export interface HostileListenerOptions {
  /** @default "dswarm.v1" */
  readonly subprotocol?: string | false;
  /** The only version that it speaks. @default "TLSv1.3" */
  readonly tls?: "TLSv1.2" | "TLSv1.3";
}

/** A running listener. */
export class HostileListener implements AsyncDisposable {
  readonly keys = generateKeyPair();
  readonly networkKey: Uint8Array;
  readonly #server: Server;
  readonly #accepted: HostileConnection[] = [];
  readonly #sockets: WebSocket[] = [];

  private constructor(server: Server, networkKey: Uint8Array, subprotocol: string | false) {
    this.#server = server;
    this.networkKey = networkKey;
    const webSockets = new WebSocketServer({ server, handleProtocols: () => subprotocol });
    webSockets.on("connection", (socket) => {
      this.#sockets.push(socket);
      this.#accepted.push(new HostileConnection(socket, this.keys, networkKey));
    });
  }

  /** Starts one on a free port of 127.0.0.1. */
  static async start(
    network: string,
    { subprotocol = "dswarm.v1", tls = "TLSv1.3" }: HostileListenerOptions = {},
  ): Promise<HostileListener> {
    certificate ??= createCertificate();
    const server =
      tls === "TLSv1.3"
        ? createTlsServer(await certificate)
        : createServer({ ...(await certificate), minVersion: tls, maxVersion: tls });
    // What a dialer does not go on with is no fault of ours.
    server.on("tlsClientError", () => undefined);
    const listener = new HostileListener(server, networkKeyOf(network), subprotocol);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return listener;
  }

  /** Where it is dialed, under the name of any key. */
  addressAs(id: NodeId): string {
    const { port } = this.#server.address() as AddressInfo;
    return formatPeerAddress({ id, host: "127.0.0.1", port });
  }

  get address(): string {
    return this.addressAs(this.keys.id);
  }

  /** Connections whose websocket is open and that were not accepted. */
  get waiting(): number {
    return this.#accepted.length;
  }

  /** The next connection: its websocket is open. */
  async accept(): Promise<HostileConnection> {
    await until("a websocket is open", () => this.#accepted.length > 0);
    return this.#accepted.shift() as HostileConnection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
