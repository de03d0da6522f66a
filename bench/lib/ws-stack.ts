// The floor that no RPC on a websocket gets under: `ws` over TLS 1.3 with messages of almost no form, those of a tick
// in one websocket message; bare, or boxed once per flush by dswarm's own box stream under a fixed key.
//
//     message: kind 1 │ id 4 │ length 4 │ payload        little-endian
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { Boxer, Unboxer } from "../../src/channel/box-stream.ts";
import { createCertificate } from "../../src/channel/tls.ts";
import type { Stack, StackClient } from "./stack.ts";

const kind = { echo: 0, answer: 1, repeat: 2, item: 3, end: 4 } as const;
const headerBytes = 9;
const flushBytes = 65_536;
const highWaterMarkBytes = 262_144;
const protocol = { perMessageDeflate: false, maxPayload: 2 ** 26, skipUTF8Validation: true } as const;

type OnMessage = (kind: number, id: number, payload: Uint8Array) => void;

/** One end of a connection: batches what is sent in a turn of the event loop. */
class Batcher {
  onDrain: (() => void) | undefined;
  readonly #socket: WebSocket;
  readonly #boxer: Boxer | undefined;
  readonly #unboxer: Unboxer | undefined;
  #buffer = Buffer.allocUnsafeSlow(2 * flushBytes);
  #length = 0;
  #isPlanned = false;

  constructor(socket: WebSocket, isBoxed: boolean, onMessage: OnMessage) {
    this.#socket = socket;
    if (isBoxed) {
      const key = Buffer.alloc(32, 1);
      const nonce = Buffer.alloc(24);
      this.#boxer = new Boxer(Buffer.from(key), nonce);
      this.#unboxer = new Unboxer(key, nonce);
    }
    socket.on("message", (data: Buffer) => {
      if (this.#unboxer === undefined) return receive(data, onMessage);
      const plain: Uint8Array[] = [];
      this.#unboxer.push(data, plain);
      for (const chunk of plain) receive(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length), onMessage);
    });
  }

  /** Returns whether there is room for more; if not, `onDrain` is called when there is. */
  send(messageKind: number, id: number, payload: Uint8Array): boolean {
    const length = this.#length + headerBytes + payload.length;
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#buffer.length));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer[this.#length] = messageKind;
    this.#buffer.writeUInt32LE(id, this.#length + 1);
    this.#buffer.writeUInt32LE(payload.length, this.#length + 5);
    this.#buffer.set(payload, this.#length + headerBytes);
    this.#length = length;
    if (!this.#isPlanned) {
      this.#isPlanned = true;
      setImmediate(() => this.#flush());
    }
    return length < flushBytes && this.#socket.bufferedAmount < highWaterMarkBytes;
  }

  #flush(): void {
    this.#isPlanned = false;
    const batch = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    if (this.#boxer !== undefined) this.#socket.send(this.#boxer.box(batch), () => this.onDrain?.());
    else this.#socket.send(Buffer.from(batch), () => this.onDrain?.());
  }
}

/** A batch always holds whole messages here, for each flush is one websocket message. */
function receive(batch: Buffer, onMessage: OnMessage): void {
  for (let at = 0; at < batch.length; ) {
    const end = at + headerBytes + batch.readUInt32LE(at + 5);
    onMessage(batch[at] ?? 0, batch.readUInt32LE(at + 1), batch.subarray(at + headerBytes, end));
    at = end;
  }
}

/** Makes the stack, with boxing or without. */
export function wsStack(isBoxed: boolean): Stack {
  return {
    label: isBoxed ? "limit: ws over TLS, boxed per flush" : "limit: ws over TLS",
    note: isBoxed
      ? "As without boxing, and each flush is one run of the box stream; no Secret Handshake, so no new connections."
      : "No RPC: kind, id, length and bytes; all messages of a turn in one websocket message.",

    async startServer() {
      const { key, cert } = await createCertificate();
      const server = createServer({ key, cert, minVersion: "TLSv1.3" });
      const sockets = new WebSocketServer({ server, ...protocol, clientTracking: false });
      sockets.on("connection", (socket) => serve(socket, isBoxed));
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      return { address: JSON.stringify({ port, cert }), close: () => void server.close() };
    },

    async startClient(address) {
      const client = await connect(address, isBoxed);
      return { ...client, ...(!isBoxed && { connect: () => connect(address, false) }) };
    },
  };
}

function serve(socket: WebSocket, isBoxed: boolean): void {
  const batcher = new Batcher(socket, isBoxed, (messageKind, id, payload) => {
    if (messageKind === kind.echo) batcher.send(kind.answer, id, payload);
    else if (messageKind === kind.repeat) repeat(batcher, id, payload);
  });
}

/** Answers the payload `count` times, where the id is the count. */
function repeat(batcher: Batcher, count: number, payload: Uint8Array): void {
  let sent = 0;
  const go = (): void => {
    while (sent < count) {
      sent += 1;
      if (!batcher.send(kind.item, 0, payload)) return;
    }
    batcher.onDrain = undefined;
    batcher.send(kind.end, 0, new Uint8Array());
  };
  batcher.onDrain = go;
  go();
}

async function connect(address: string, isBoxed: boolean): Promise<StackClient> {
  const { port, cert } = JSON.parse(address) as { port: number; cert: string };
  const socket = new WebSocket(`wss://127.0.0.1:${port}`, {
    ...protocol,
    ca: cert,
    // Masks protect nothing within TLS, and `ws` skips the work of a zero mask.
    generateMask: (mask) => void mask.fill(0),
  });
  const calls = new Map<number, (payload: Uint8Array) => void>();
  let nextId = 0;
  let items = 0;
  let onEnd: (() => void) | undefined;
  const batcher = new Batcher(socket, isBoxed, (messageKind, id, payload) => {
    if (messageKind === kind.item) items += 1;
    else if (messageKind === kind.end) onEnd?.();
    else {
      calls.get(id)?.(payload);
      calls.delete(id);
    }
  });
  await once(socket, "open");
  return {
    echo: (payload) =>
      new Promise((resolve) => {
        const id = nextId++;
        calls.set(id, resolve);
        batcher.send(kind.echo, id, payload);
      }),
    stream: (count, payload) =>
      new Promise((resolve) => {
        items = 0;
        onEnd = () => resolve(items);
        batcher.send(kind.repeat, count, payload);
      }),
    async close() {
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}
