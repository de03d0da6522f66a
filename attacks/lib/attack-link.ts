// A proven connection that follows no rule: frames of any kind at any rate, and a reader that reads or does not.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { WebSocket } from "ws";
import type { Frame } from "../../gen/dswarm/v1/frame_pb.ts";
import { Boxer, Unboxer } from "../../src/channel/box-stream.ts";
import { Handshake } from "../../src/channel/handshake.ts";
import { resolveChannelOptions } from "../../src/channel/options.ts";
import { clientOptions, subprotocol, websocketPath } from "../../src/channel/websocket.ts";
import { generateKeyPair, type KeyPair } from "../../src/identity/keys.ts";
import type { NodeId } from "../../src/identity/node-id.ts";
import { FrameDecoder } from "../../src/rpc/frame-decoder.ts";
import { FrameEncoder } from "../../src/rpc/frame-encoder.ts";
import { protocol } from "../../src/rpc/params.ts";

/** The node to connect to, and the key to connect with. */
export interface AttackLinkOptions {
  readonly port: number;
  readonly id: NodeId;
  readonly networkKey: Uint8Array;
  /** @default new ones */
  readonly keys?: KeyPair;
  /** Source address. @default the kernel's choice */
  readonly from?: string | undefined;
  readonly signal: AbortSignal;
}

const helloBytes = 64;
const acceptBytes = 80;
// Whole boxes in a websocket message of at most 1 MiB.
const maxPlainBytes = 253 * 4096;
const highWaterBytes = 2 << 20;
const config = resolveChannelOptions();

/** The two addresses of a connection. */
export interface TlsOptions {
  readonly port: number;
  /** Source address. @default the kernel's choice */
  readonly from?: string | undefined;
  /** @default "127.0.0.1" */
  readonly to?: string | undefined;
  readonly signal: AbortSignal;
}

/** Opens a TLS connection, and nothing on it. @throws Error where the node closes it first */
export async function openTls({ port, from, to = "127.0.0.1", signal }: TlsOptions): Promise<TLSSocket> {
  const socket = connect({
    host: to,
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ["http/1.1"],
    ...(from !== undefined && { localAddress: from }),
  });
  socket.on("error", () => socket.destroy());
  const opened = once(socket, "secureConnect", { signal });
  const ended = once(socket, "close").then(() => Promise.reject(new Error("the node has closed the connection")));
  ended.catch(() => undefined);
  await Promise.race([opened, ended]);
  return socket;
}

/** Opens a websocket on a TLS connection. */
export async function openWebSocket(port: number, from: string | undefined, signal: AbortSignal): Promise<WebSocket> {
  const socket = new WebSocket(`wss://127.0.0.1:${port}${websocketPath}`, subprotocol, {
    ...clientOptions(config),
    rejectUnauthorized: false,
    ...(from !== undefined && { localAddress: from }),
  });
  // After the handshake an error is followed by a close.
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  socket.on("error", (error) => {
    failed.reject(error);
    socket.terminate();
  });
  await Promise.race([once(socket, "open", { signal }), failed.promise]);
  return socket;
}

/** A connection whose handshake is done. It reads nothing before `read`. */
export class AttackLink {
  readonly socket: WebSocket;
  readonly boxer: Boxer;
  readonly encoder = new FrameEncoder();
  readonly #unboxer: Unboxer;
  #bytes = 0;
  /** Credit of the connection that the node has given. */
  credit: number = protocol.initialConnectionCredit;
  #closed: Promise<unknown>;

  private constructor(socket: WebSocket, boxer: Boxer, unboxer: Unboxer) {
    this.socket = socket;
    this.boxer = boxer;
    this.#unboxer = unboxer;
    this.#closed = socket.readyState === socket.CLOSED ? Promise.resolve() : once(socket, "close");
  }

  /** Connects and shakes hands. @throws Error where the node ends the connection before it is proven */
  static async open({ keys = generateKeyPair(), ...options }: AttackLinkOptions): Promise<AttackLink> {
    const { port, id, networkKey, from, signal } = options;
    const socket = await openWebSocket(port, from, signal);
    const handshake = Handshake.dialer({ keys, networkKey, seed: randomBytes(32), remoteId: id });
    const link = Promise.withResolvers<AttackLink>();
    const send = (bytes: Uint8Array | undefined): void => {
      if (bytes !== undefined) socket.send(bytes);
    };
    const onMessage = (bytes: Buffer): void => {
      try {
        const { send: answer, outcome } = handshake.push(bytes);
        send(answer);
        if (outcome === undefined) return;
        socket.pause();
        socket.off("message", onMessage);
        const boxer = new Boxer(outcome.encryptKey, outcome.encryptNonce);
        const opened = new AttackLink(socket, boxer, new Unboxer(outcome.decryptKey, outcome.decryptNonce));
        link.resolve(opened);
      } catch (error) {
        link.reject(error);
      }
    };
    socket.on("message", onMessage);
    socket.once("close", () => link.reject(new Error(`the node has closed before ${helloBytes + acceptBytes} bytes`)));
    send(handshake.start().send);
    return link.promise;
  }

  get isClosed(): boolean {
    return this.socket.readyState !== this.socket.OPEN;
  }

  /** Bytes handed to the socket. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves when the node has ended the connection. */
  async closed(): Promise<void> {
    await this.#closed;
  }

  /** Sends bytes of the box stream's inside, and waits while much is queued; false when the connection has ended. */
  async send(plain: Uint8Array): Promise<boolean> {
    for (let at = 0; at < plain.length && !this.isClosed; at += maxPlainBytes) {
      this.sendRaw(this.boxer.box(plain.subarray(at, at + maxPlainBytes)));
      await this.room();
    }
    return !this.isClosed;
  }

  /** Sends the frames collected in `encoder`. */
  flush(): Promise<boolean> {
    // Copied: the encoder uses its memory again before all of it is boxed.
    return this.send(this.encoder.take((bytes) => Buffer.from(bytes)));
  }

  /** Sends bytes as one websocket message, as they are. */
  sendRaw(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    this.socket.send(bytes, () => undefined);
  }

  /** Resolves when little is queued, or the connection has ended. */
  async room(): Promise<void> {
    // Others of this process get a turn in any case.
    await new Promise(setImmediate);
    while (!this.isClosed && this.socket.bufferedAmount > highWaterBytes) {
      await new Promise((go) => setTimeout(go, 1));
    }
  }

  /** Starts reading. Credit of the connection is counted. @param onFrame is given every frame */
  read(onFrame: (frame: Frame) => void = () => undefined): this {
    const decoder = new FrameDecoder();
    this.socket.on("message", (bytes: Buffer) => {
      const plain: Uint8Array[] = [];
      try {
        this.#unboxer.push(bytes, plain);
        for (const part of plain) {
          decoder.push(part, (frame) => {
            if (frame.streamId === 0 && frame.body.case === "credit") this.credit += frame.body.value.bytes;
            onFrame(frame);
          });
        }
      } catch {
        this.socket.terminate();
      }
    });
    this.socket.resume();
    return this;
  }

  close(): void {
    this.socket.terminate();
  }
}
