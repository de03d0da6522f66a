// Writes frames, each behind its length as a varint, into one growing buffer that leaves in one piece.
//
//     varint length │ Frame { stream_id = 1, body = 2…11 }      proto/dswarm/v1/frame.proto
//
// Frames of every call are written by hand straight into the buffer, byte for byte what the generated codec would make
// (a property test holds them to it); the rare ones go through the generated codec.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { FrameSchema } from "../../gen/dswarm/v1/frame_pb.ts";
import { BufferPool } from "../util/buffer-pool.ts";
import { protocol } from "./params.ts";

/** The body of a frame, as the generated code has it. */
export type FrameBody = NonNullable<MessageInitShape<typeof FrameSchema>["body"]>;

// Tags: field number << 3 | wire type.
const tag = {
  frameStreamId: 0x08,
  frameOpen: 0x12,
  frameData: 0x1a,
  frameHalfClose: 0x22,
  frameEnd: 0x2a,
  frameCancel: 0x32,
  frameCredit: 0x3a,
  framePong: 0x4a,
  openMethod: 0x0a,
  openTimeoutMs: 0x10,
  openMessage: 0x22,
  openHalfClose: 0x28,
  dataPayload: 0x0a,
  dataMore: 0x10,
  endCode: 0x08,
  endMessage: 0x12,
  endResponse: 0x32,
  creditBytes: 0x08,
  pongId: 0x08,
} as const;

// What a turn of small calls needs, and what a turn needs that ends with the largest frame. In a pool, so that idle
// connections hold none.
const buffers = new BufferPool([8192, 65_536 + protocol.maxFrameBytes], 16);

const noBytes = Buffer.alloc(0);

/** Collects frames until they are taken. */
export class FrameEncoder {
  #buffer: Buffer | undefined;
  #length = 0;

  /** Bytes collected. */
  get length(): number {
    return this.#length;
  }

  /**
   * Hands all that was collected to `use`, which must have read it when it returns, and starts anew.
   * @returns what `use` returned
   */
  take<T>(use: (bytes: Uint8Array) => T): T {
    const buffer = this.#buffer ?? noBytes;
    const length = this.#length;
    this.#buffer = undefined;
    this.#length = 0;
    const result = use(buffer.subarray(0, length));
    buffers.giveBack(buffer);
    return result;
  }

  /** A call whose metadata is empty. `method` is its name in ASCII; `message` is the first message where it is inline. */
  open(
    streamId: number,
    method: Uint8Array,
    timeoutMs: number,
    message: Uint8Array | undefined,
    halfClose: boolean,
  ): void {
    const bodyLength =
      lengthDelimitedSize(method.length) +
      (timeoutMs === 0 ? 0 : 1 + varintSize(timeoutMs)) +
      (message === undefined ? 0 : lengthDelimitedSize(message.length)) +
      (halfClose ? 2 : 0);
    const buffer = this.#begin(streamId, tag.frameOpen, bodyLength);
    this.#bytes(buffer, tag.openMethod, method);
    if (timeoutMs !== 0) this.#field(buffer, tag.openTimeoutMs, timeoutMs);
    if (message !== undefined) this.#bytes(buffer, tag.openMessage, message);
    if (halfClose) this.#field(buffer, tag.openHalfClose, 1);
  }

  /** A message or a piece of one. */
  data(streamId: number, payload: Uint8Array, more: boolean): void {
    const bodyLength = (payload.length === 0 ? 0 : lengthDelimitedSize(payload.length)) + (more ? 2 : 0);
    const buffer = this.#begin(streamId, tag.frameData, bodyLength);
    if (payload.length > 0) this.#bytes(buffer, tag.dataPayload, payload);
    if (more) this.#field(buffer, tag.dataMore, 1);
  }

  halfClose(streamId: number): void {
    this.#begin(streamId, tag.frameHalfClose, 0);
  }

  /** The end of a successful call without header and trailer. */
  endOk(streamId: number, response: Uint8Array | undefined): void {
    const buffer = this.#begin(
      streamId,
      tag.frameEnd,
      response === undefined ? 0 : lengthDelimitedSize(response.length),
    );
    if (response !== undefined) this.#bytes(buffer, tag.endResponse, response);
  }

  /** The end of a call that failed, without details, header and trailer. `code` is not 0, and `message` not empty. */
  endFailed(streamId: number, code: number, message: string): void {
    const messageBytes = Buffer.byteLength(message);
    const buffer = this.#begin(streamId, tag.frameEnd, 1 + varintSize(code) + lengthDelimitedSize(messageBytes));
    this.#field(buffer, tag.endCode, code);
    this.#field(buffer, tag.endMessage, messageBytes);
    buffer.write(message, this.#length);
    this.#length += messageBytes;
  }

  /** The answer to a Ping. */
  pong(id: number): void {
    const buffer = this.#begin(0, tag.framePong, id === 0 ? 0 : 1 + varintSize(id));
    if (id !== 0) this.#field(buffer, tag.pongId, id);
  }

  /** The callee is to end the call. @param code gRPC status code of the call at the caller */
  cancel(streamId: number, code: Code): void {
    if (code === Code.Canceled) this.#begin(streamId, tag.frameCancel, 0);
    else this.frame(streamId, { case: "cancel", value: { code } });
  }

  /** @param bytes at least 1 */
  credit(streamId: number, bytes: number): void {
    this.#field(this.#begin(streamId, tag.frameCredit, 1 + varintSize(bytes)), tag.creditBytes, bytes);
  }

  /** Any frame, through the generated codec. Returns its length. */
  frame(streamId: number, body: FrameBody): number {
    const bytes = toBinary(FrameSchema, create(FrameSchema, { streamId, body }));
    const buffer = this.#room(varintSize(bytes.length) + bytes.length);
    this.#varint(buffer, bytes.length);
    this.#copy(buffer, bytes);
    return bytes.length;
  }

  #begin(streamId: number, bodyTag: number, bodyLength: number): Buffer {
    const frameLength = (streamId === 0 ? 0 : 1 + varintSize(streamId)) + lengthDelimitedSize(bodyLength);
    const buffer = this.#room(varintSize(frameLength) + frameLength);
    this.#varint(buffer, frameLength);
    if (streamId !== 0) this.#field(buffer, tag.frameStreamId, streamId);
    this.#field(buffer, bodyTag, bodyLength);
    return buffer;
  }

  #room(bytes: number): Buffer {
    const buffer = this.#buffer;
    if (buffer !== undefined && this.#length + bytes <= buffer.length) return buffer;
    const larger = buffers.take(Math.max((buffer?.length ?? 0) * 2, this.#length + bytes));
    if (buffer !== undefined) {
      buffer.copy(larger, 0, 0, this.#length);
      buffers.giveBack(buffer);
    }
    this.#buffer = larger;
    return larger;
  }

  #field(buffer: Buffer, fieldTag: number, value: number): void {
    buffer[this.#length++] = fieldTag;
    this.#varint(buffer, value);
  }

  #bytes(buffer: Buffer, fieldTag: number, bytes: Uint8Array): void {
    this.#field(buffer, fieldTag, bytes.length);
    this.#copy(buffer, bytes);
  }

  #copy(buffer: Buffer, bytes: Uint8Array): void {
    buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #varint(buffer: Buffer, value: number): void {
    let rest = value;
    let at = this.#length;
    while (rest > 0x7f) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    this.#length = at;
  }
}

/** Bytes of a 32-bit number as a varint. */
function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

/** Bytes of a length-delimited field whose tag is one byte. */
function lengthDelimitedSize(length: number): number {
  return 1 + varintSize(length) + length;
}
