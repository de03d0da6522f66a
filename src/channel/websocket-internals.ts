// What is read of `ws` beyond its interface: a message of which a part has come is nowhere else to be seen.
/* oxlint-disable no-underscore-dangle */
import type { Readable } from "node:stream";
import type { WebSocket } from "ws";

interface Internals {
  readonly _socket?: Readable | null;
  readonly _receiver?: {
    /** Bytes received and not yet parsed, and the chunks that they came in. */
    readonly _bufferedBytes: number;
    readonly _buffers: readonly unknown[];
    /** Bytes of the fragments of a message. */
    readonly _messageLength: number;
  } | null;
}

/** Memory of a chunk beyond its bytes. */
const chunkCostBytes = 128;

function internalsOf(socket: WebSocket): Internals {
  return socket as unknown as Internals;
}

/** The socket below an open websocket. */
export function rawSocketOf(socket: WebSocket): Readable | undefined {
  return internalsOf(socket)._socket ?? undefined;
}

/** Bytes of memory that a websocket holds of messages of which a part has come. */
export function partialBytesOf(socket: WebSocket): number {
  const receiver = internalsOf(socket)._receiver;
  if (!receiver) return 0;
  return receiver._bufferedBytes + receiver._messageLength + receiver._buffers.length * chunkCostBytes;
}
